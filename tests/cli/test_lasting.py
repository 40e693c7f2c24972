"""Conversations across processes: killed, asked twice at once, at a terminal, into a pipe."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator, Generator

import anyio
import pytest

from chatbots.places import sessions_file
from chatbots.services.narration import KEEP_INTERVAL
from chatbots.settings import Settings
from tests.cli.conftest import Runner
from tests.cli.running import (
    CTRL_C,
    CTRL_D,
    PATIENCE,
    Ran,
    Upstream,
    ended,
    process,
    run_process,
    shell,
    terminal,
)


def chatbots(*argv: str) -> Ran:
    return run_process("-m", "chatbots", *argv)


def wait_for_two() -> None:
    """Wait until two processes have the store open."""
    file = sessions_file(Settings())
    deadline = time.monotonic() + PATIENCE
    while len(list(file.with_name(f"{file.name}-owners").iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def told(run: Runner, name: str) -> list[tuple[str, str]]:
    """Return the states and answers of a conversation, none where there is none yet."""
    shown = run("sessions", "show", name, "--json").out
    turns = json.loads(shown)["turns"] if shown else []
    return [(turn["state"], turn["answer"]) for turn in turns]


@pytest.fixture
def store() -> Generator[None]:
    """See that the store is on the disk, and that it is nobody's at the end."""
    yield
    assert sessions_file(Settings()).exists()


async def paced() -> AsyncIterator[str]:
    """Say pieces further apart than what is shown may be from what is kept.

    Each is kept before the next is shown, and the last one never.
    """
    for piece in ("Once ", "upon ", "a "):
        yield piece
        await anyio.sleep(1.1 * KEEP_INTERVAL)
    await anyio.sleep_forever()


@pytest.mark.checklist(201)
@pytest.mark.slow
def test_a_conversation_killed_half_way_goes_on(
    upstream: Upstream, run: Runner, store: None
) -> None:
    """What was kept of the answer is there, with its mark, for the person and for the model."""
    upstream.answer(paced())
    argv = ("stream", "--session", "ada", "--request-id", "r1", "--prompt", "A story!")
    with process("-m", "chatbots", *argv) as child:
        while told(run, "ada") != [("streaming", "Once upon ")]:
            assert child.poll() is None
        child.kill()
        assert ended(child).status == -signal.SIGKILL
    again = run(*argv)
    assert (again.status, again.out, len(upstream.calls)) == (1, "Once upon \n", 1)
    assert "The program that ran this request ended before its answer was whole." in again.err
    upstream.answer("a time.")
    ran = chatbots("stream", "--continue", "--prompt", "Go on.")
    assert (ran.status, ran.out) == (0, "a time.\n")
    assert ran.err == (
        "chatbots: This goes on with ada.\n"
        "chatbots: The last turn of ada is interrupted:\n"
        "> A story!\nOnce upon \n[interrupted (crashed)]\n"
    )
    assert [text for _, text in upstream.said(2)] == ["A story!", "Once upon ", "Go on."]
    assert told(run, "ada") == [("interrupted", "Once upon "), ("completed", "a time.")]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["memory", "stream"])
def test_two_processes_with_one_request_id_make_one_turn(
    upstream: Upstream, run: Runner, store: None, program: str
) -> None:
    held = upstream.event()
    upstream.answer("Once.", hold=held)
    argv = ("-m", "chatbots", program, "--request-id", "r7", "--prompt", "Hi")
    with process(*argv) as first:
        upstream.until_called()
        with process(*argv) as second:
            wait_for_two()
            upstream.set(held)
            assert ended(first) == (0, "Once.\n", "")
            again = ended(second)
    assert (again.status, again.out) == (0, "Once.\n")
    assert again.err == "chatbots: This request was answered before; here it is again.\n"
    assert len(upstream.calls) == 1
    assert told(run, "r7") == [("completed", "Once.")]


@pytest.mark.checklist(201)
@pytest.mark.slow
def test_a_second_process_waits_for_the_session_until_its_deadline(
    upstream: Upstream, run: Runner, store: None
) -> None:
    upstream.begin("Once ")
    argv = ("-m", "chatbots", "stream", "--session", "ada", "--prompt", "A story!")
    with process(*argv) as first:
        upstream.until_called()
        ran = chatbots("memory", "--session", "ada", "--timeout", "0.5", "--json", "--prompt", "Hi")
        assert ran.status == 1
        assert json.loads(ran.out)["error"]["code"] == "session_busy"
        first.send_signal(signal.SIGINT)
        assert ended(first).status == 130
    assert told(run, "ada")[0][0] == "cancelled"


@pytest.mark.slow
def test_a_deletion_is_asked_about_at_the_terminal(upstream: Upstream, run: Runner) -> None:
    run("memory", "--session", "a\tb", "--prompt", "Hi")
    argv = ("-m", "chatbots", "sessions", "delete", "a\tb")
    for keys, status in ((CTRL_D, 1), ("n\r", 1), (CTRL_C, 130), ("y\r", 0)):
        with terminal(*argv) as screen:
            screen.press("y\r")  # before it was asked: that is no answer
            screen.wait_for("Delete a\\tb (turns: 1) for ever? [y/N] ")
            screen.press(keys)
            assert screen.end().status == status, keys
        there = run("sessions", "list").out
        assert (there == "") is (status == 0)


def test_a_line_ends_where_the_terminal_does(upstream: Upstream, run: Runner) -> None:
    run("memory", "--session", "x" * 250, "--prompt", "\x1b[31m" * 20)
    # The variable wins over the terminal; a test runner may have set it.
    with terminal("-m", "chatbots", "sessions", "list", COLUMNS="") as screen:
        shown = screen.end().out
    assert shown == f"{'x' * 199}…\r\n"


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_failure(upstream: Upstream, run: Runner) -> None:
    run("memory", "--session", "ada", "--prompt", "x" * 90_000)
    for copy in range(9):
        run("sessions", "fork", "ada", f"copy {copy}")
    ran = shell("set -o pipefail; chatbots sessions list | head -n 1")
    assert ran.out.startswith("copy 8")
    assert (ran.status, ran.err) in ((0, ""), (141, ""))
    ran = shell("set -o pipefail; chatbots sessions export ada | head -c 1")
    assert ran == (141, "{", "")


def test_the_programs_without_memory_open_nothing(upstream: Upstream, run: Runner) -> None:
    assert run("nomem", "--prompt", "Hi").status == 0
    assert not sessions_file(Settings()).parent.exists()
