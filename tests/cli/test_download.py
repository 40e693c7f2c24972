"""A download a person can watch."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest

from chatbots.cli import download
from chatbots.cli.download import Bar, pull_weights
from chatbots.errors import ConfigurationError
from chatbots.settings import Settings
from tests.cli.running import Tiny

FULL = f"[{'#' * 30}] 0 of 0 MB "
GONE = "\r" + " " * len(FULL) + "\r"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def at_a_terminal() -> Iterator[Screen]:
    with pytest.MonkeyPatch.context() as patch:
        screen = Screen()
        patch.setattr(sys, "stderr", screen)
        yield screen


async def test_weights_are_fetched_and_their_source_named(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await pull_weights(Settings.load()) == tiny.path
    said = capsys.readouterr()
    assert said == ("", "chatbots: Downloading Tiny (Q1) from the hub.\n")


async def test_what_is_here_is_not_fetched_again(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.here()
    assert await pull_weights(Settings.load()) == tiny.path
    assert tiny.site.asked == []
    assert capsys.readouterr() == ("", "")


async def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(tiny: Tiny) -> None:
    with at_a_terminal() as screen:
        await pull_weights(Settings.load())
    assert FULL in screen.getvalue()
    assert screen.getvalue().endswith(GONE)


async def test_the_bar_is_gone_when_the_download_fails(tiny: Tiny) -> None:
    wrong = tiny.site.folder / "r1" / "tiny.gguf"
    wrong.write_bytes(bytes(wrong.stat().st_size))
    with at_a_terminal() as screen, pytest.raises(ConfigurationError) as caught:
        await pull_weights(Settings.load())
    assert caught.value.code == "weights_mismatch"
    assert screen.getvalue().endswith(GONE)


def test_the_bar_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "STEP", 0)
    with at_a_terminal() as screen:
        bar = Bar()
        bar.show(0, 90_000_000)
        bar.show(30_000_000, 90_000_000)
    empty, third = "." * 30, "#" * 10 + "." * 20
    assert screen.getvalue() == f"\r[{empty}] 0 of 90 MB \r[{third}] 30 of 90 MB "


def test_it_is_drawn_now_and_then_and_at_the_end() -> None:
    with at_a_terminal() as screen:
        bar = Bar()
        for done in range(1, 101):
            bar.show(done, 100)
    drawn = screen.getvalue().split("\r")
    assert 3 <= len(drawn) <= 10
    assert drawn[-1] == FULL


def test_a_line_does_not_damage_it() -> None:
    with at_a_terminal() as screen:
        bar = Bar()
        bar.show(1, 1)
        bar.tell("Next.")
        bar.clear()
    assert screen.getvalue() == f"\r{FULL}{GONE}chatbots: Next.\n"


def test_a_size_nobody_knows_is_no_error() -> None:
    with at_a_terminal() as screen:
        Bar().show(0, 0)
    assert "0 of 0 MB" in screen.getvalue()


def test_where_there_is_no_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.show(1, 1)
    bar.clear()
    assert capsys.readouterr() == ("", "")


async def test_the_index_of_the_settings_is_asked(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def pull(*_: object, index_url: str | None, **__: object) -> None:
        asked.append(index_url)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(download, "pull", pull)
    await pull_weights(Settings.load(pip_index_url="https://index.invalid/simple"))
    assert asked == ["https://index.invalid/simple"]
