"""Where settings are read from, and what is said about a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.setting_files import from_env_file, from_instructions_file, read_text


def test_variables_are_taken_as_they_are_written(tmp_path: Path) -> None:
    assert from_env_file(tmp_path) == {}
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfOPENAI_MODEL='$HOME'\n")
    assert from_env_file(tmp_path) == {"OPENAI_MODEL": "$HOME"}


def test_the_instructions_are_the_files_text(tmp_path: Path) -> None:
    assert from_instructions_file(tmp_path) == ""
    (tmp_path / "instructions.txt").write_bytes(b"\xef\xbb\xbfBe brief.\r\nBe kind.\r\n")
    assert from_instructions_file(tmp_path) == "Be brief.\nBe kind."


def test_an_empty_instructions_file_means_no_instructions(tmp_path: Path) -> None:
    (tmp_path / "instructions.txt").touch()
    assert from_instructions_file(tmp_path) == ""


@pytest.mark.parametrize("kind", ["missing", "folder", "latin", "nul", "unreadable"])
def test_an_instructions_file_that_cannot_be_read_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.txt"
    if kind == "folder":
        path.mkdir()
    elif kind == "latin":
        path.write_bytes(b"caf\xe9")
    elif kind == "nul":
        path.write_bytes(b"be \0 nice")
    elif kind == "unreadable":
        path.symlink_to(path)
    with pytest.raises(ConfigurationError, match=r"rules\.txt") as caught:
        read_text(path, "instructions")
    assert caught.value.code == "file_unreadable"


def test_a_settings_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_MODEL=\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        from_env_file(tmp_path)
