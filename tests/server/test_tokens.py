"""Tokens: made once, kept as hashes, refused once revoked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.server.tokens import TokenFile


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "new" / "tokens", clock=lambda: 1000.0)


def test_a_token_is_its_users_in_every_process(file: TokenFile) -> None:
    assert not file.exists()
    ada, eve = file.add("ada"), file.add("eve@example.com")
    assert file.exists()
    for reader in (file, TokenFile(file.path)):
        assert (reader.user_of(ada), reader.user_of(eve)) == ("ada", "eve@example.com")


def test_the_file_holds_no_token_and_is_the_owners_alone(file: TokenFile) -> None:
    token = file.add("ada")
    identity, _, secret = token.removeprefix("cb_").partition("_")
    text = file.path.read_text("utf-8")
    assert identity in text
    assert secret not in text
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_what_is_not_quite_a_token_is_nobodys(file: TokenFile) -> None:
    token = file.add("ada")
    (kept,) = file.tokens()
    almost = [
        "", "_", "__", "cb_", token[:-1], token + "x", token.upper(), token.replace("_", "-"),
        f"cb_{kept.id}_", f"cb_{kept.id}_{kept.sha256}", f"cb_0_{token.split('_', 2)[2]}",
        f" {token}", f"cb_{token}", "ada", "cb_é_é", "\udcff", "x" * 100_000,
    ]  # fmt: skip
    assert [given for given in almost if file.user_of(given) is not None] == []


def test_a_revoked_token_is_nobodys_at_once_in_every_process(file: TokenFile) -> None:
    one, two, other = file.add("ada"), file.add("ada"), file.add("eve")
    running = TokenFile(file.path)
    assert running.user_of(one) == "ada"
    assert [token.user for token in file.revoke(one.split("_")[1])] == ["ada"]
    assert [running.user_of(token) for token in (one, two, other)] == [None, "ada", "eve"]
    assert len(file.revoke("ada")) == 1
    assert [running.user_of(token) for token in (one, two, other)] == [None, None, "eve"]
    assert file.revoke("ada") == []
    assert [(token.user, token.at) for token in running.tokens()] == [("eve", 1000.0)]


def test_without_the_file_nobody_is_known(file: TokenFile) -> None:
    token = file.add("ada")
    assert file.user_of(token) == "ada"
    file.path.unlink()
    assert file.user_of(token) is None
    assert file.tokens() == ()


@pytest.mark.parametrize(
    "user", ["", "a/b", ".", "../x", "@1.2.3.4", "a b", "a\n", "ä", "-x", "x" * 65]
)
def test_a_users_name_fits_before_the_names_of_sessions(file: TokenFile, user: str) -> None:
    with pytest.raises(InvalidRequest, match="user's name"):
        file.add(user)
    assert not file.exists()


def test_a_file_that_is_none_of_ours_lets_nobody_in(file: TokenFile) -> None:
    token = file.add("ada")
    with file.path.open("a") as more:
        more.write('{"id": "half')
    for reader in (file, TokenFile(file.path)):
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="line 2 is none of ours"):
                reader.user_of(token)


def test_a_file_that_others_may_write_lets_nobody_in(file: TokenFile) -> None:
    token = file.add("ada")
    file.path.chmod(0o620)
    with pytest.raises(ConfigurationError, match="others than its owner may write it"):
        file.user_of(token)


def test_a_file_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(ConfigurationError, match="Is a directory"):
        TokenFile(tmp_path / "folder").user_of("cb_1_2")
    with pytest.raises(ConfigurationError, match="file/tokens"):
        TokenFile(tmp_path / "file" / "tokens").add("ada")


def test_on_a_full_disk_there_is_no_half_line(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, before = file.add("ada"), file.path.read_bytes()
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: write(file, data[:9]))
        with pytest.raises(ConfigurationError, match="no room"):
            file.revoke("ada")
    assert file.path.read_bytes() == before
    assert file.user_of(token) == "ada"
