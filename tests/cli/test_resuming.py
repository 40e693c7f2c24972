"""Which conversation a program goes on with, and what it shows of it first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatbots.cli.flags import Remembering
from chatbots.cli.resuming import resume
from chatbots.errors import InvalidRequest
from chatbots.messages import FinalState, Message
from chatbots.sessions.in_memory import InMemorySessions
from tests.cli.conftest import Runner
from tests.cli.running import Upstream


@pytest.fixture
def store() -> InMemorySessions:
    return InMemorySessions(clock=iter(range(1_795_000_000, 1_796_000_000)).__next__)


async def add(
    store: InMemorySessions, session: str, state: FinalState = "completed", reason: str = "stop"
) -> None:
    turn = await store.begin(session, f"r {session} {state}", [Message("user", "A\nstory?")])
    await store.finish(turn, [Message("assistant", "Once\x1b[2J ")], state=state, reason=reason)


async def test_a_conversation_is_new_if_not_said(store: InMemorySessions) -> None:
    assert await resume(store, Remembering()) is None
    assert await resume(store, Remembering(session="ada")) == "ada"


async def test_the_newest_goes_on_and_is_named(
    store: InMemorySessions, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ada", "eve", "a\nb"):
        await add(store, name)
    assert await resume(store, Remembering(newest=True)) == "a\nb"
    assert capsys.readouterr() == ("", "chatbots: This goes on with a\\nb.\n")
    await add(store, "ada", "incomplete")
    assert await resume(store, Remembering(newest=True)) == "ada"


async def test_nothing_to_continue_says_so(store: InMemorySessions) -> None:
    with pytest.raises(InvalidRequest, match="no conversation to continue") as caught:
        await resume(store, Remembering(newest=True))
    assert caught.value.code == "session_not_found"


@pytest.mark.parametrize("name", ["", "x" * 257, "\udcff"])
async def test_what_cannot_be_a_name_is_refused(store: InMemorySessions, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await resume(store, Remembering(session=name))


async def test_what_broke_off_is_shown_with_its_mark(
    store: InMemorySessions, capsys: pytest.CaptureFixture[str]
) -> None:
    await add(store, "ada", "interrupted", "crashed")
    await resume(store, Remembering(session="ada"))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "chatbots: The last turn of ada is interrupted:\n"
        "> A\n> story?\nOnce\ufffd[2J \n[interrupted (crashed)]\n"
    )


async def test_what_ended_well_or_goes_on_or_is_asked_again_is_not_shown(
    store: InMemorySessions, capsys: pytest.CaptureFixture[str]
) -> None:
    await add(store, "ada", "cancelled")
    again = Remembering(session="ada", request_id="r ada cancelled")
    assert await resume(store, again) == "ada"
    await add(store, "ada")
    assert await resume(store, Remembering(session="ada")) == "ada"
    await store.begin("ada", "running", [Message("user", "And?")])
    assert await resume(store, Remembering(session="ada")) == "ada"
    assert capsys.readouterr() == ("", "")


# As a person uses it


def test_a_conversation_goes_on_in_another_run(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Hello Ada.")
    assert run("memory", "--session", "ada", "--prompt", "I am Ada.").status == 0
    assert run("stream", "--continue", "--prompt", "Who am I?") == (
        0,
        "Who am I?\n",
        "chatbots: This goes on with ada.\n",
    )
    assert [text for _, text in upstream.said(2)] == ["I am Ada.", "Hello Ada.", "Who am I?"]
    run("stream", "--prompt", "Anew.")
    assert upstream.said(3) == [("user", "Anew.")]


def test_nothing_to_continue_is_an_error(upstream: Upstream, run: Runner) -> None:
    ran = run("memory", "--continue", "--prompt", "Hi")
    assert (ran.status, ran.out, upstream.connections) == (1, "", 0)
    assert ran.err.startswith("chatbots: error: There is no conversation to continue. ")


@pytest.mark.parametrize("session", [(), ("--session", "ada")])
def test_one_request_id_is_asked_once(
    upstream: Upstream, run: Runner, session: tuple[str, ...]
) -> None:
    def ask(said: str) -> Any:
        return run("memory", "--json", *session, "--request-id", "r7", "--prompt", said)

    upstream.answer("Once.")
    first, again, other = ask("Hi"), ask("Hi"), ask("Hello")
    assert (first.status, again.status, other.status) == (0, 0, 1)
    replies = [json.loads(ran.out) for ran in (first, again)]
    assert [reply["text"] for reply in replies] == ["Once."] * 2
    assert {reply["request_id"] for reply in replies} == {"r7"}
    assert {reply["session"] for reply in replies} == {session[-1] if session else "r7"}
    assert again.err == "chatbots: This request was answered before; here it is again.\n"
    assert json.loads(other.out)["error"]["code"] == "request_id_conflict"
    assert len(upstream.calls) == 1


def test_a_request_that_failed_is_not_asked_again(upstream: Upstream, run: Runner) -> None:
    upstream.answer(status=400, error="No.")
    argv = ("memory", "--session", "ada", "--request-id", "r7", "--prompt", "Hi")
    assert run(*argv).status == 1
    again = run(*argv)
    assert (again.status, again.out, len(upstream.calls)) == (1, "", 1)
    assert "Ask again with a new request id." in again.err


def test_the_program_without_memory_takes_no_session(
    run: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (("--session", "ada"), ("--continue",), ("--request-id", "r")):
        with pytest.raises(SystemExit) as caught:
            run("nomem", *flags, "--prompt", "Hi")
        assert caught.value.code == 2
        assert "unrecognized arguments: --" in capsys.readouterr().err
