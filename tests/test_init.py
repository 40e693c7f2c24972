"""`import chatbots`: cheap, and everything public is in reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import chatbots

ROOT = Path(__file__).parent.parent
HEAVY = ("anyio", "asyncio", "httpx2", "msgspec", "numpy", "openai", "pydantic", "structlog")


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_imports_nothing_else() -> None:
    code = (
        "import sys, chatbots\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith('chatbots.')])\n"
    )
    assert python(code) == "[]\n[]\n"


def test_an_error_can_be_imported_without_the_rest() -> None:
    code = (
        "import sys\n"
        "from chatbots import ChatError\n"
        "print([name for name in sys.modules if name.startswith('chatbots.')])\n"
    )
    assert python(code) == "['chatbots.errors']\n"


def test_the_first_screen_of_the_design_can_be_imported() -> None:
    from chatbots import Chatbots, ChatError, Settings, TextDelta, ask, ask_sync, stream

    assert Chatbots.__module__ == "chatbots.app"
    for name in (ChatError, Settings, TextDelta, ask, ask_sync, stream):
        assert name.__doc__


def test_a_name_is_looked_up_once() -> None:
    vars(chatbots).pop("Usage", None)
    first = chatbots.Usage
    assert vars(chatbots)["Usage"] is first


def test_a_name_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'chatbots' has no attribute 'Chatbot'"):
        getattr(chatbots, "Chatbot")  # noqa: B009 - as a person would mistype it


def test_a_star_import_brings_no_surprises() -> None:
    assert "Chatbots" in dir(chatbots)
    assert dir(chatbots) == sorted(dir(chatbots))


def test_a_star_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from chatbots import *", names)  # noqa: S102 - there is no other way to write it
    assert {"Chatbots", "Settings", "ask", "stream"} <= names.keys()
    assert "TYPE_CHECKING" not in names
