"""Where things lie on this machine: caches, state, and the package index the user has chosen."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path
from typing import Final

import platformdirs

from chatbots.settings import Settings
from chatbots.version import DISTRIBUTION


def cache_folder(settings: Settings) -> Path:
    """Return the folder that downloaded weights are kept in."""
    return settings.chatbots_cache or platformdirs.user_cache_path(DISTRIBUTION)


def state_folder() -> Path:
    """Return the folder for what the programs note between runs, such as typed lines."""
    return platformdirs.user_state_path(DISTRIBUTION)


def sessions_file(settings: Settings) -> Path:
    """Return the file that sessions are kept in."""
    if settings.db_path is not None:
        return settings.db_path
    return platformdirs.user_data_path(DISTRIBUTION) / f"{settings.db_name}.db"


def tokens_file(settings: Settings) -> Path:
    """Return the file of the tokens that clients of the server show."""
    return (
        settings.server_tokens_file or platformdirs.user_data_path(DISTRIBUTION) / "server-tokens"
    )


def spent_folder(settings: Settings) -> Path:
    """Return the folder where it is kept what users of the server spend; beside the sessions."""
    return sessions_file(settings).with_name("server-spent")


def local_state() -> Path:
    """Return the folder where users of the local model and its process meet."""
    return state_folder() / "local"


def hub_cache(settings: Settings) -> Path:
    """Return the Hugging Face hub's cache (its documentation: HF_HUB_CACHE, then HF_HOME)."""
    home = settings.hf_home or Path.home() / ".cache" / "huggingface"
    return settings.hf_hub_cache or home / "hub"


def ollama_folder(settings: Settings) -> Path:
    """Return the folder of Ollama's models."""
    return settings.ollama_models or Path.home() / ".ollama" / "models"


def package_index(settings: Settings) -> str | None:
    """Return the package index pip is told to use here; None if it is left to its default."""
    if settings.pip_index_url:
        return settings.pip_index_url
    # The order of pip's documentation, "Configuration", strongest first.
    files = (
        settings.pip_config_file,
        Path(sys.prefix) / "pip.conf",
        platformdirs.user_config_path("pip") / "pip.conf",
        Path.home() / ".pip" / "pip.conf",
        *(folder / "pip.conf" for folder in _SYSTEM),
    )
    for path in files:
        url = _index_in(path) if path else None
        if url:
            return url
    return None


_SYSTEM: Final = (Path("/etc"), Path("/etc/xdg/pip"))


def _index_in(path: Path) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return None
    for section in ("install", "global"):
        url = parser.get(section, "index-url", fallback=None)
        if url:
            return url.strip()
    return None
