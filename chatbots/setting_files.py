"""The files that settings come from: `.env`, and `instructions.txt` for the system message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chatbots.errors import ConfigurationError

INSTRUCTIONS_FILE: Final = "instructions.txt"
ENV_FILE: Final = ".env"


def read_text(path: Path, kind: str) -> str:
    """Return the text of a *kind* of file: UTF-8, with or without a byte order mark.

    Line ends become newlines. Raises `ConfigurationError` (`file_unreadable`).
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8 text (byte {error.start})"
    except IsADirectoryError:
        why = "it is a folder"
    except FileNotFoundError:
        why = "there is no such file"
    except OSError as error:
        why = error.strerror or str(error)
    else:
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
        why = "it has a NUL character"
    raise ConfigurationError(
        "file_unreadable",
        f"The {kind} file {str(path)!r} cannot be used: {why}.",
        hint="Give a UTF-8 text file.",
    )


def from_instructions_file(folder: Path) -> str:
    """Return what `instructions.txt` in *folder* says; nothing where there is none."""
    path = folder / INSTRUCTIONS_FILE
    return read_text(path, "instructions") if path.exists() else ""


def from_env_file(folder: Path) -> Mapping[str, str | None]:
    """Return the variables in `.env` in *folder*; none where there is no such file.

    Raises `ConfigurationError` (`file_unreadable`).
    """
    from dotenv import dotenv_values

    path = folder / ENV_FILE
    try:
        if not path.is_file():
            return {}
        return dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "file_unreadable",
            f"The settings file {str(path)!r} cannot be read: {error}.",
            hint="Make it readable UTF-8 text, or move it away.",
        ) from None
