"""Replies on a screen, in a pipe, and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import anyio
import msgspec
import pytest

from chatbots.deltas import (
    AudioDelta,
    Delta,
    Done,
    Failed,
    Interrupted,
    Notice,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UserSaid,
)
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.flow.channel import open_channel
from chatbots.messages import Usage
from chatbots.terminal.console import Console, JsonPaper, Paper, PlainPaper
from chatbots.terminal.spinner import CLEAR, FRAMES

USAGE = Usage(input_tokens=3, output_tokens=2, total_tokens=5)
DONE = Done(state="completed", reason="stop", usage=USAGE, request_id="r1", session="s1")
BROKEN = Failed(
    error=ProviderError("stream_interrupted", "It broke off.", hint="Ask again."),
    state="interrupted",
    request_id="r1",
    session="s1",
)


class Screen(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def put_down(paper: Paper, *deltas: Delta | str) -> str:
    """Return what a paper makes of a reply."""
    return "".join(
        paper.end(delta) if isinstance(delta, Done | Failed) else paper.text(str(delta))
        for delta in deltas
    )


async def shown(
    deltas: Sequence[Delta],
    *,
    paper: Paper | None = None,
    ends: list[str] | None = None,
    reasoning: bool = False,
    on: io.StringIO | None = None,
) -> tuple[str, str]:
    """Return what a console writes to its two files."""
    answers, remarks = io.StringIO(), on or io.StringIO()
    out, source = open_channel()
    console = Console(
        paper or PlainPaper(clean=False),
        answers=answers,
        remarks=remarks,
        on_end=lambda _: None if ends is None else ends.append(answers.getvalue()),
        reasoning=reasoning,
    )
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(console.consume, source)
            async with out:
                for delta in deltas:
                    await out.send(delta)
    return answers.getvalue(), remarks.getvalue()


async def shows(screen: Screen, text: str) -> None:
    while text not in screen.getvalue():  # noqa: ASYNC110 (the console announces nothing)
        await anyio.sleep(0.001)


# The console


async def test_the_answer_goes_one_way_and_remarks_the_other() -> None:
    deltas: list[Delta] = [
        TextDelta("Hel"),
        Notice("replayed", "Said before."),
        TextDelta("lo"),
        DONE,
    ]
    assert await shown(deltas) == ("Hello\n", "chatbots: Said before.\n")


def test_what_the_user_said_is_a_line_of_json_and_no_answer() -> None:
    said = UserSaid("a", "Hm?")
    line = {"type": "user_said", "item_id": "a", "text": "Hm?"}
    assert json.loads(JsonPaper(whole=False).said(said)) == line
    assert PlainPaper(clean=False).said(said) == ""


@pytest.mark.parametrize("paper", [PlainPaper(clean=False), JsonPaper(whole=False)])
async def test_sound_is_not_shown(paper: Paper) -> None:
    sound: list[Delta] = [
        UserSaid("a", "Hm?"),
        AudioDelta("b", b"abcd", 24_000),
        Interrupted("b", 0),
    ]
    shown_of_it = paper.text("Hi")
    said = paper.said(UserSaid("a", "Hm?"))
    assert await shown([*sound, TextDelta("Hi")], paper=paper) == (said + shown_of_it, "")


TOOL_NEWS: list[Delta] = [
    ToolStarted("c", "multiply", '{"a":6,"b":7}'),
    ToolProgress("c", "Half\x1b."),
    ToolFinished("c", "multiply", "42", is_error=False, seconds=0.1),
]
TOOL_LINES = "> multiply(a=6, b=7)\n~ Half\ufffd.\n< 42\n"


async def test_a_tool_is_told_of_in_one_line_each() -> None:
    deltas: list[Delta] = [TextDelta("Let me see."), *TOOL_NEWS, TextDelta("42."), DONE]
    assert await shown(deltas) == ("Let me see.42.\n", TOOL_LINES)


@pytest.mark.parametrize(("said", "gap"), [("Let me see.", "\n"), ("Let me see:\n", ""), ("", "")])
@pytest.mark.parametrize(
    ("news", "lines"), [(TOOL_NEWS, TOOL_LINES), ([Notice("lost", "Lost.")], "chatbots: Lost.\n")]
)
async def test_a_line_beside_the_answer_is_not_glued_to_it_on_a_screen(
    said: str, gap: str, news: list[Delta], lines: str
) -> None:
    screen = Screen()
    out, source = open_channel(capacity=100_000)
    console = Console(PlainPaper(clean=True), answers=screen, remarks=screen)
    async with out:
        for delta in ([TextDelta(said)] if said else []) + news:
            await out.send(delta)
    with anyio.fail_after(20):
        await console.consume(source)
    assert f"{said.rstrip()}{gap}{lines}" in screen.getvalue().replace(CLEAR, "")


async def test_nothing_is_shown_while_it_is_held() -> None:
    screen = Screen()
    out, source = open_channel()
    console = Console(PlainPaper(clean=True), answers=screen, remarks=screen)
    async with anyio.create_task_group() as group:
        group.start_soon(console.consume, source)
        async with out:
            await out.send(TOOL_NEWS[0])
            with anyio.fail_after(20):
                async with console.held("c"):
                    await out.send(TextDelta("42."))
                    await anyio.wait_all_tasks_blocked()
                    assert screen.getvalue().replace(CLEAR, "").endswith("> multiply(a=6, b=7)\n")
                await shows(screen, "42.")
                await out.send(DONE)
                await shows(screen, "42.\n")
            with anyio.move_on_after(0.05) as waiting:
                async with console.held("c"):
                    raise AssertionError("the call is of a reply that has ended")
            assert waiting.cancelled_caught


async def test_one_answer_after_the_other() -> None:
    deltas: list[Delta] = [TextDelta("One."), DONE, TextDelta("Two."), DONE]
    assert await shown(deltas) == ("One.\nTwo.\n", "")


async def test_who_wants_to_know_of_the_end_is_told_after_it_was_written() -> None:
    ends: list[str] = []
    await shown([TextDelta("One."), DONE, TextDelta("Tw"), BROKEN], ends=ends)
    assert ends == ["One.\n", "One.\nTw\n"]


async def test_nobody_has_to_be_told_of_the_end() -> None:
    answers = io.StringIO()
    out, source = open_channel()
    async with out:
        await out.send(DONE)
    await Console(PlainPaper(clean=True), answers=answers, remarks=io.StringIO()).consume(source)
    assert answers.getvalue() == "\n"


async def test_text_is_shown_while_the_answer_forms() -> None:
    answers = Screen()
    out, source = open_channel()
    console = Console(PlainPaper(clean=True), answers=answers, remarks=io.StringIO())
    async with anyio.create_task_group() as group:
        group.start_soon(console.consume, source)
        with anyio.fail_after(20):
            async with out:
                await out.send(TextDelta("Once"))
                await shows(answers, "Once")


THOUGHTS: list[Delta] = [
    ReasoningDelta("Ada? "),
    Notice("n", "Wait."),
    ReasoningDelta("A name.\n"),
    TextDelta("Hi"),
    ReasoningDelta("Enough\x07"),
    DONE,
]


async def test_reasoning_is_no_part_of_the_answer_and_not_shown() -> None:
    assert await shown(THOUGHTS) == ("Hi\n", "chatbots: Wait.\n")


async def test_reasoning_that_is_wanted_stands_beside_the_answer_on_lines_of_its_own() -> None:
    answer, beside = await shown(THOUGHTS, reasoning=True)
    assert answer == "Hi\n"
    assert beside == "Ada? \nchatbots: Wait.\nA name.\nEnough\x07\n"


async def test_reasoning_is_dim_on_a_terminal_and_does_not_steer_it() -> None:
    _, beside = await shown(THOUGHTS[4:], reasoning=True, on=Screen())
    assert beside == "\x1b[2mEnough\ufffd\x1b[0m\n"


# The spinner


async def test_a_spinner_turns_on_while_the_model_thinks() -> None:
    screen = Screen()
    out, source = open_channel()
    console = Console(PlainPaper(clean=True), answers=screen, remarks=screen)
    console._spinner.step = 0.001  # type: ignore[misc]  # a second here is a second lost
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(console.consume, source)
            async with out:
                await out.send(ReasoningDelta("Hm"))
                await shows(screen, FRAMES[1])
                await out.send(TextDelta("Hello"))
    assert screen.getvalue().endswith(f"{CLEAR}Hello")


async def test_a_spinner_turns_until_the_first_text_and_is_gone_before_it() -> None:
    screen = Screen()
    out, source = open_channel()
    console = Console(PlainPaper(clean=True), answers=screen, remarks=screen)
    console._spinner.step = 0.001  # type: ignore[misc]  # a second here is a second lost
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(console.consume, source)
            async with out:
                await shows(screen, FRAMES[1])
                await out.send(TextDelta("Hello"))
                await out.send(DONE)
    before, _, after = screen.getvalue().partition(CLEAR)
    assert set(before) <= {*FRAMES, "\r"}
    assert after == "Hello\n"


@pytest.mark.parametrize(
    ("answers", "remarks"), [(io.StringIO(), Screen()), (Screen(), io.StringIO())]
)
async def test_there_is_no_spinner_unless_both_files_are_terminals(
    answers: io.StringIO, remarks: io.StringIO
) -> None:
    console = Console(PlainPaper(clean=True), answers=answers, remarks=remarks)
    out, source = open_channel()
    async with anyio.create_task_group() as group:
        group.start_soon(console.consume, source)
        await anyio.sleep(0.15)  # longer than a frame stands
        await out.aclose()
    assert answers.getvalue() + remarks.getvalue() == ""


# On plain paper


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        (["Hello", DONE], "Hello\n"),
        (["Hello\n", DONE], "Hello\n"),
        (["Hello\n\n\n", DONE], "Hello\n"),
        (["Hello", "\n", "\n", DONE], "Hello\n"),
        (["a\n", "\nb", DONE], "a\n\nb\n"),
        (["a\n", "\n", "b\n", DONE], "a\n\nb\n"),
        (["\n\n", "Hello", DONE], "Hello\n"),
        (["\nHello", DONE], "\nHello\n"),
        (["", DONE], "\n"),
        ([DONE], "\n"),
        (["Hel", BROKEN], "Hel\n"),
        (["Hel\n", BROKEN], "Hel\n"),
        (["\n", BROKEN], ""),
        ([BROKEN], ""),
        (["a\n", DONE, "b", DONE], "a\nb\n"),
        (["a\n", BROKEN, "b", DONE], "a\nb\n"),
    ],
)
def test_an_answer_ends_with_one_newline(deltas: list[Delta | str], text: str) -> None:
    assert put_down(PlainPaper(clean=False), *deltas) == text


def test_an_answer_cannot_steer_the_terminal() -> None:
    said = "a\x1b[2J\x1b]0;title\x07b\rc\x9bd\x00\te\n\x7f"
    replaced = "a�[2J�]0;title�b�c�d�\te\n�"
    assert put_down(PlainPaper(clean=True), said, DONE) == f"{replaced}\n"


def test_in_a_pipe_an_answer_is_passed_on_as_it_is() -> None:
    assert put_down(PlainPaper(clean=False), "a\x1b[1mb\rc", DONE) == "a\x1b[1mb\rc\n"


# As JSON


def rows(text: str) -> list[object]:
    assert text.endswith("\n")
    return [json.loads(row) for row in text.splitlines()]


def test_a_streamed_reply_is_its_pieces_and_done() -> None:
    assert rows(put_down(JsonPaper(whole=False), "Hel", 'lo "Ada"\n', DONE)) == [
        {"type": "text", "text": "Hel"},
        {"type": "text", "text": 'lo "Ada"\n'},
        {
            "type": "done",
            "state": "completed",
            "reason": "stop",
            "usage": {
                "input_tokens": 3,
                "output_tokens": 2,
                "total_tokens": 5,
                "cached_tokens": 0,
                "reasoning_tokens": 0,
                "estimated": False,
            },
            "request_id": "r1",
            "session": "s1",
        },
    ]


async def test_news_of_tools_are_lines_of_a_streamed_reply() -> None:
    deltas: list[Delta] = [TextDelta("So:"), *TOOL_NEWS, DONE]
    answer, beside = await shown(deltas, paper=JsonPaper(whole=False))
    assert beside == ""
    assert rows(answer)[:-1] == [
        {"type": "text", "text": "So:"},
        {
            "type": "tool_started",
            "call_id": "c",
            "name": "multiply",
            "arguments": '{"a":6,"b":7}',
        },
        {"type": "tool_progress", "call_id": "c", "message": "Half\x1b.", "fraction": None},
        {
            "type": "tool_finished",
            "call_id": "c",
            "name": "multiply",
            "content": "42",
            "is_error": False,
            "seconds": 0.1,
        },
    ]


async def test_news_of_tools_stand_beside_a_whole_reply() -> None:
    answer, beside = await shown([*TOOL_NEWS, DONE], paper=JsonPaper(whole=True))
    assert beside == TOOL_LINES
    assert len(rows(answer)) == 1


def test_a_whole_reply_is_one_object() -> None:
    assert rows(put_down(JsonPaper(whole=True), "Hel", "lo", DONE)) == [
        {
            "type": "reply",
            "text": "Hello",
            "state": "completed",
            "reason": "stop",
            "usage": {
                "input_tokens": 3,
                "output_tokens": 2,
                "total_tokens": 5,
                "cached_tokens": 0,
                "reasoning_tokens": 0,
                "estimated": False,
            },
            "request_id": "r1",
            "session": "s1",
        }
    ]


def test_the_next_reply_begins_anew() -> None:
    paper = JsonPaper(whole=True)
    put_down(paper, "Hello", BROKEN)
    assert '"text":"Again"' in put_down(paper, "Again", DONE)


@pytest.mark.parametrize("whole", [True, False])
def test_a_failure_says_what_and_whether_to_ask_again(whole: bool) -> None:
    error = ProviderError("rate_limited", "Slow down.", retry_after=2.5, hint="Wait.")
    failed = Failed(error=error, state="failed", request_id="r1", session=None, usage=USAGE)
    assert rows(put_down(JsonPaper(whole=whole), failed)) == [
        {
            "type": "failed",
            "state": "failed",
            "request_id": "r1",
            "session": None,
            "usage": msgspec.to_builtins(USAGE),
            "error": {
                "code": "rate_limited",
                "message": "Slow down. Wait.",
                "retryable": True,
                "retry_after": 2.5,
            },
        }
    ]


def test_a_failure_that_will_not_pass_says_so() -> None:
    error = InvalidRequest("invalid_request", "The prompt is empty.")
    failed = Failed(error=error, state="failed", request_id="r1", session=None)
    (told,) = rows(put_down(JsonPaper(whole=False), failed))
    assert isinstance(told, dict)
    assert told["error"]["retryable"] is False
    assert told["error"]["retry_after"] is None


def test_an_object_is_one_line_whatever_is_said() -> None:
    said = "a\nb\u2028c\x00 Grüß 👍"
    text = put_down(JsonPaper(whole=False), said)
    assert text.count("\n") == 1
    assert json.loads(text)["text"] == said
