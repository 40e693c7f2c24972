"""A person's consent, typed at a real terminal."""

from __future__ import annotations

import io
import os
import pty
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TextIO

import anyio
import pytest

from chatbots.deltas import TextDelta, ToolFinished, ToolStarted
from chatbots.flow.channel import SendChannel, open_channel
from chatbots.terminal.consent import MAX_SHOWN, Consent, spelled
from chatbots.terminal.console import Console, PlainPaper
from chatbots.tool_calls import ToolCall

CALL = ToolCall("c1", "erase", '{"path":"a.txt"}')
PATH = {"path": "a.txt"}
QUESTION = 'chatbots: May it call erase(path="a.txt")? [y/N/always] '


class Keys:
    """The keys of a terminal, and the end of it that a program reads."""

    def __init__(self, terminal: TextIO, fingers: int) -> None:
        self.terminal = terminal
        self._fingers = fingers

    def press(self, keys: str) -> None:
        os.write(self._fingers, keys.encode())

    def unplug(self) -> None:
        os.close(self._fingers)


@pytest.fixture
def keys() -> Iterator[Keys]:
    fingers, ours = pty.openpty()
    with os.fdopen(ours, encoding="utf-8") as terminal:
        yield Keys(terminal, fingers)
    try:
        os.close(fingers)
    except OSError:
        return  # it was unplugged


class Talk:
    """A console at work, and the consent that is asked for meanwhile."""

    def __init__(self, console: Console, screen: io.StringIO, keys: Keys) -> None:
        self.screen = screen
        self.keys = keys
        self._consent = Consent(console, keyboard=keys.terminal, screen=screen)
        self.said: list[bool] = []

    async def ask(self, call: ToolCall = CALL, arguments: Mapping[str, object] = PATH) -> None:
        self.said.append(await self._consent(call, arguments, "digest"))

    async def shows(self, text: str) -> None:
        with anyio.fail_after(20):
            while not self.screen.getvalue().endswith(text):  # noqa: ASYNC110 (it announces nothing)
                await anyio.sleep(0.001)

    async def type(self, *lines: str, call: ToolCall = CALL) -> None:
        """Ask, and type a line for each question."""
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(self.ask, call)
                for line in lines:
                    await self.shows("[y/N/always] ")
                    self.screen.write("#")
                    self.keys.press(line)


@asynccontextmanager
async def talking(keys: Keys, *begun: str) -> AsyncIterator[tuple[Talk, SendChannel]]:
    """Yield a talk in which calls with these ids have begun."""
    screen = io.StringIO()
    console = Console(PlainPaper(clean=True), answers=screen, remarks=screen)
    out, source = open_channel()
    async with anyio.create_task_group() as group:
        group.start_soon(console.consume, source)
        async with out:
            for call_id in begun:
                await out.send(ToolStarted(call_id, "erase", "{}"))
            yield Talk(console, screen, keys), out


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [
        ("y\n", True),
        ("Yes \n", True),
        ("n\n", False),
        ("NO\n", False),
        ("\n", False),
        ("\x04", False),
        ("always\n", True),
        ("a\n", True),
    ],
)
async def test_what_is_typed_decides(typed: str, allowed: bool, keys: Keys) -> None:
    async with talking(keys, "c1") as (talk, _):
        await talk.type(typed)
        assert talk.said == [allowed]
        newline = "" if typed.endswith("\n") else "\n"
        assert talk.screen.getvalue() == f"> erase()\n{QUESTION}#{newline}"


async def test_what_is_neither_is_asked_again(keys: Keys) -> None:
    async with talking(keys, "c1") as (talk, _):
        await talk.type("yep\n", "\xff\n", "y\n")
        assert talk.said == [True]
        again = "chatbots: Type y, n or always. [y/N/always] #"
        assert talk.screen.getvalue().endswith(f"{QUESTION}#{again}{again}")


async def test_always_is_about_one_tool(keys: Keys) -> None:
    async with talking(keys, "c1", "c2") as (talk, _):
        await talk.type("always\n")
        await talk.ask(ToolCall("c3", "erase", "{}"), {})
        await talk.type("n\n", call=ToolCall("c2", "move", "{}"))
        assert talk.said == [True, True, False]


async def test_yes_is_about_one_call(keys: Keys) -> None:
    async with talking(keys, "c1", "c2") as (talk, _):
        await talk.type("y\n")
        await talk.type("n\n", call=ToolCall("c2", "erase", "{}"))
        assert talk.said == [True, False]


async def test_a_terminal_that_is_closed_is_a_no(keys: Keys) -> None:
    async with talking(keys, "c1") as (talk, _):
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(talk.ask)
                await talk.shows(QUESTION)
                keys.unplug()
        assert talk.said == [False]


async def test_what_was_typed_before_the_question_is_no_answer(keys: Keys) -> None:
    async with talking(keys, "c1") as (talk, _):
        keys.press("y\n")
        await talk.type("n\n")
        assert talk.said == [False]


async def test_nothing_is_shown_between_the_question_and_the_answer(keys: Keys) -> None:
    async with talking(keys) as (talk, out):
        async with anyio.create_task_group() as group:
            group.start_soon(talk.ask)
            await out.send(TextDelta("Let me see."))
            await anyio.wait_all_tasks_blocked()
            assert talk.screen.getvalue() == "Let me see.", "it waits until its call is shown"
            await out.send(ToolStarted("c1", "erase", "{}"))
            await talk.shows(f"> erase()\n{QUESTION}")
            await out.send(ToolFinished("c2", "look", "seen", is_error=False, seconds=0.1))
            await anyio.wait_all_tasks_blocked()
            assert talk.screen.getvalue().endswith(QUESTION)
            keys.press("y\n")
        await talk.shows(f"{QUESTION}< seen\n")


async def test_a_question_that_is_given_up_leaves_the_line(keys: Keys) -> None:
    async with talking(keys, "c1") as (talk, _):
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(talk.ask)
                await talk.shows(QUESTION)
                group.cancel_scope.cancel()
        assert talk.said == []
        assert talk.screen.getvalue().endswith(f"{QUESTION}\n")


# What is shown of a call


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "erase()"),
        ({"path": "a.txt", "n": 2, "deep": {"a": [None]}},
         'erase(path="a.txt", n=2, deep={"a": [null]})'),
        ({"path": "Zürich 漢"}, 'erase(path="Zürich 漢")'),
        ({"path": 'x")? [y/N/always] y\nchatbots: '},
         'erase(path="x\\")? [y/N/always] y\\nchatbots: ")'),
        ({"path": "\x1b[2J\r\x9b\x7f\u202e\u2028\u00ad"},
         'erase(path="\\u001b[2J\\r\\x9b\\x7f\\u202e\\u2028\\xad")'),
        ({"a": "b   c"}, 'erase(a="b \\u0020\\u0020c")'),
        ({"a\x1b\n": 1}, "erase(a\\x1b\\n=1)"),
        ({"a": "\U000e0041"}, 'erase(a="\\U000e0041")'),
    ],
)  # fmt: skip
def test_nothing_in_a_call_steers_the_terminal_or_hides(
    arguments: dict[str, object], shown: str
) -> None:
    assert spelled("erase", arguments) == shown


def test_a_long_call_is_shown_as_far_as_a_screen_goes() -> None:
    shown = spelled("erase", {"path": "x" * 10_000})
    assert len(shown) < MAX_SHOWN + 50
    assert shown.endswith("x… and 8,007 more characters)")
