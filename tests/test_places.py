"""Where things lie, and which package index is the user's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatbots import places
from chatbots.places import (
    cache_folder,
    hub_cache,
    ollama_folder,
    package_index,
    spent_folder,
    state_folder,
    tokens_file,
)
from chatbots.settings import Settings


@pytest.fixture(autouse=True)
def without_system_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_SYSTEM", (tmp_path / "etc",))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_folders_are_the_users_and_named_like_the_distribution() -> None:
    assert cache_folder(Settings()).name == "chatriver"
    assert state_folder().name == "chatriver"
    assert cache_folder(Settings(chatbots_cache=Path("/else"))) == Path("/else")


def test_what_the_server_keeps_is_where_it_is_told(tmp_path: Path) -> None:
    assert tokens_file(Settings()).name == "server-tokens"
    assert tokens_file(Settings(server_tokens_file=Path("/t"))) == Path("/t")
    assert spent_folder(Settings(db_path=tmp_path / "s.db")) == tmp_path / "server-spent"


def test_the_hubs_cache_is_where_its_variables_say(tmp_path: Path) -> None:
    assert hub_cache(Settings()) == tmp_path / ".cache" / "huggingface" / "hub"
    assert hub_cache(Settings(hf_home=Path("/hf"))) == Path("/hf/hub")
    assert hub_cache(Settings(hf_home=Path("/hf"), hf_hub_cache=Path("/c"))) == Path("/c")


def test_ollamas_models_are_where_its_variable_says(tmp_path: Path) -> None:
    assert ollama_folder(Settings()) == tmp_path / ".ollama" / "models"
    assert ollama_folder(Settings(ollama_models=Path("/o"))) == Path("/o")


def test_pips_own_index_is_left_to_the_catalogue() -> None:
    assert package_index(Settings()) is None


def test_the_index_is_the_one_pip_is_told_to_use(tmp_path: Path) -> None:
    write(tmp_path / "etc" / "pip.conf", "[global]\nindex-url = http://system/simple\n")
    assert package_index(Settings()) == "http://system/simple"
    write(tmp_path / "config" / "pip" / "pip.conf", "[global]\nindex-url = http://user/simple\n")
    assert package_index(Settings()) == "http://user/simple"
    named = write(tmp_path / "own.conf", "[install]\nindex-url = http://named/simple\n")
    assert package_index(Settings(pip_config_file=named)) == "http://named/simple"
    told = Settings(pip_config_file=named, pip_index_url="http://told/simple")
    assert package_index(told) == "http://told/simple"


@pytest.mark.parametrize("text", ["not a configuration", "[global]\ntimeout = 3\n"])
def test_a_configuration_without_an_index_is_passed_by(text: str, tmp_path: Path) -> None:
    write(tmp_path / "venv" / "pip.conf", text)
    write(tmp_path / ".pip" / "pip.conf", "[global]\nindex-url = http://old/simple\n")
    assert package_index(Settings()) == "http://old/simple"
