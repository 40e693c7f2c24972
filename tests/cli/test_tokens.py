"""`tokens` as an operator runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbots.cli.tokens import ACTIONS, main
from chatbots.server.tokens import TokenFile
from tests.cli.conftest import Runner
from tests.cli.running import run_as_main


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TokenFile:
    monkeypatch.setenv("SERVER_TOKENS_FILE", str(tmp_path / "tokens"))
    return TokenFile(tmp_path / "tokens")


def test_a_token_is_printed_once_and_then_it_is_the_users(file: TokenFile, run: Runner) -> None:
    ran = run("tokens", "add", "ada")
    token = ran.out.strip()
    assert (ran.status, file.user_of(token)) == (0, "ada")
    assert "This is ada's token." in ran.err
    assert "nobody in without a token" in ran.err
    assert "nobody in" not in run("tokens", "add", "eve").err
    listed = run("tokens", "list").out
    assert [line.split()[-1] for line in listed.splitlines()] == ["ada", "eve"]
    assert token.split("_")[1] == listed.split()[0]
    assert token.split("_", 2)[2] not in listed


def test_a_token_is_revoked_by_its_id_or_its_user(file: TokenFile, run: Runner) -> None:
    one, two = (run("tokens", "add", "ada").out.strip() for _ in range(2))
    identity = one.split("_")[1]
    assert run("tokens", "revoke", identity) == (0, f"{identity} of ada is revoked\n", "")
    assert (file.user_of(one), file.user_of(two)) == (None, "ada")
    run("tokens", "revoke", "ada")
    ran = run("tokens", "revoke", "ada")
    assert (ran.status, ran.out) == (1, "")
    assert "no token of 'ada'" in ran.err
    assert run("tokens", "list") == (0, "", "chatbots: There are no tokens.\n")


def test_a_name_that_cannot_be_a_users_is_refused(file: TokenFile, run: Runner) -> None:
    ran = run("tokens", "add", "a/b")
    assert (ran.status, ran.out) == (1, "")
    assert "'a/b' cannot be a user's name" in ran.err
    assert not file.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_says_what_it_is_for(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([action, "--help"])
    assert caught.value.code == 0
    assert ACTIONS[action] in capsys.readouterr().out


def test_it_can_be_run_as_a_module(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.tokens", "list") == 0
    assert capsys.readouterr().err == "chatbots: There are no tokens.\n"
