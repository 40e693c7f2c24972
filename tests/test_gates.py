"""The guard that the settings ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbots.errors import AccessDenied, ConfigurationError, StorageError
from chatbots.gates import gate_of, tls_of
from chatbots.server.access import Caller
from chatbots.server.gate import Gate
from chatbots.server.tokens import TokenFile
from chatbots.settings import Settings
from tests.provider.tls import certificate


def knock(gate: Gate, token: str = "", host: str = "localhost", peer: str = "127.0.0.1") -> Caller:
    headers = {"host": [host], "authorization": [f"Bearer {token}"]}
    return gate.admit(headers, path="/ws", peer=peer, socket=True)


def settings(folder: Path, **more: object) -> Settings:
    places = {"server_tokens_file": folder / "tokens", "db_path": folder / "sessions.db"}
    return Settings(**places, **more)


def test_as_it_comes_it_is_open_to_this_machine(tmp_path: Path) -> None:
    assert knock(gate_of(settings(tmp_path))).user is None
    assert list(tmp_path.iterdir()) == []


def test_once_there_are_tokens_nobody_comes_in_without_one(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens")
    token = file.add("ada")
    gate = gate_of(settings(tmp_path))
    assert knock(gate, token).user == "ada"
    file.revoke("ada")
    for door in (gate, gate_of(settings(tmp_path))):
        with pytest.raises(AccessDenied):
            knock(door, token)


def test_beyond_this_machine_it_needs_tokens_and_a_quota(tmp_path: Path) -> None:
    wide = settings(tmp_path, server_host="0.0.0.0", server_quota=10)
    with pytest.raises(ConfigurationError, match="tokens add"):
        gate_of(wide)
    assert knock(gate_of(wide, insecure=True), peer="192.0.2.1").user is None
    token = TokenFile(tmp_path / "tokens").add("ada")
    assert knock(gate_of(wide), token, "192.0.2.7:8080", "192.0.2.1").user == "ada"
    assert (tmp_path / "server-spent").is_dir()
    with pytest.raises(ConfigurationError, match="SERVER_QUOTA"):
        gate_of(settings(tmp_path, server_host="0.0.0.0"))


def test_names_and_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "tokens").add("ada")
    about = {"server_host": "box.test", "server_hosts": "chat.test", "server_quota": 1}
    gate = gate_of(settings(tmp_path, **about, server_user_sockets=2, server_burst=1))
    caller = knock(gate, token, "box.test")
    knock(gate, token, "chat.test")
    for host, why in (("box.test", "2 sockets"), ("evil.test", "not called 'evil")):
        with pytest.raises(AccessDenied, match=why):
            knock(gate, token, host)
    caller.begin("ping")
    with pytest.raises(AccessDenied, match="100 messages"):
        caller.begin("ping")


def test_what_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "server-spent").touch()
    with pytest.raises(StorageError, match="server-spent"):
        gate_of(settings(tmp_path, server_quota=1))
    (tmp_path / "tokens").write_text("nonsense")
    with pytest.raises(ConfigurationError, match="line 1 is none of ours"):
        gate_of(settings(tmp_path))


def test_tls_is_set_up_by_two_files(tmp_path: Path) -> None:
    assert tls_of(Settings()) is None
    own = certificate(tmp_path / "own.pem")
    assert tls_of(Settings(server_tls_certificate=own, server_tls_key=own)) is not None


def test_a_key_without_a_certificate_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SERVER_TLS_CERTIFICATE is not"):
        tls_of(Settings(server_tls_key=tmp_path / "key.pem"))
