"""The settings of the server: a part of all settings, and checked like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.server_settings import ServerSettings
from chatbots.settings import Settings


def test_the_server_is_safe_and_bounded_as_it_comes() -> None:
    settings = Settings()
    assert isinstance(settings, ServerSettings)
    assert (settings.server_host, settings.server_port) == ("127.0.0.1", 8080)
    assert (settings.server_rate, settings.server_burst) == (100, 20)
    assert settings.server_quota is None


def test_it_is_set_like_everything_else(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SERVER_QUOTA=5000\nSERVER_TLS_KEY=/k.pem\n", encoding="utf-8")
    settings = Settings.load(tmp_path)
    assert (settings.server_quota, settings.server_tls_key) == (5000, Path("/k.pem"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("server_quota", "0"), ("server_rate", "many"), ("server_user_sockets", "-1"),
     ("server_hosts", "a\0b")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name.upper()):
        Settings(**{name: value})
