"""What a store promises to keep: answers, marks, and nothing of what was forgotten."""
# ruff: noqa: D102 (the tests' names are sentences)

from __future__ import annotations

from collections.abc import Sequence

import anyio
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.messages import Message, Usage
from chatbots.testing.promises import promised, settle
from chatbots.testing.store_order import ANSWER, HELLO, STATES, StoreMaker, taken
from chatbots.tool_calls import ToolCall


class KeepsAnswers(StoreMaker):
    """What is kept of an answer."""

    async def test_a_checkpoint_can_be_loaded(self) -> None:
        async with self._store() as store:
            turn = await store.begin("s", "r1", HELLO)
            for text in ("Hel", "Hello"):
                await store.checkpoint(turn, [Message("assistant", text)])
                loaded = await store.load("s")
                promised(loaded[0].text == text, "a checkpoint replaces the answer so far")
                promised(loaded[0].state == "streaming", "a turn with a checkpoint is streaming")

    async def test_a_checkpoint_before_tools_says_so(self) -> None:
        calls = (ToolCall("c1", "get_weather", '{"city":"Rome"}'),)
        asked = Message("assistant", "Let me see.", tool_calls=calls)
        async with self._store() as store:
            turn = await store.begin("s", "r1", HELLO)
            await store.checkpoint(turn, [asked], state="waiting_for_tools")
            (loaded,) = await store.load("s")
            promised(loaded.state == "waiting_for_tools", f"the state is {loaded.state}")
            promised(loaded.answer == (asked,), "the calls are kept with the answer so far")
            await store.checkpoint(turn, [asked, Message("tool", "Sun.", tool_call_id="c1")])
            (loaded,) = await store.load("s")
            promised(loaded.state == "streaming", "and the turn streams on after them")

    async def test_finish_keeps_the_answer_and_how_it_ended(self) -> None:
        usage = Usage(input_tokens=3, output_tokens=5, total_tokens=8)
        answers: list[Sequence[Message]] = [
            ANSWER,
            (),
            (*ANSWER, Message("assistant", "👍\n", heard_ms=40, unheard="!")),
        ]
        async with self._store() as store:
            for state in STATES:
                for answer in answers:
                    name = f"{state}-{len(answer)}"
                    turn = await store.begin("s", name, HELLO)
                    await store.checkpoint(turn, [Message("assistant", "Hel")])
                    final = await store.finish(turn, answer, state=state, reason="why", usage=usage)
                    promised(final.state == state, f"the state is {final.state}, not {state}")
                    promised(list(final.answer) == list(answer), "finish keeps the whole answer")
                    promised((final.reason, final.usage) == ("why", usage), "and why, and usage")
                    promised((await store.load("s"))[-1] == final, "load returns what finish did")

    async def test_a_turn_ends_once(self) -> None:
        async with self._store() as store:
            final = await taken(store, "r1")
            try:
                await store.finish(final, (), state="failed")
            except ValueError:
                pass
            else:
                promised(False, "finishing a turn that is final raises ValueError")
            promised(list(await store.load("s")) == [final], "a final turn does not change")

    async def test_two_turns_of_two_sessions_are_kept_apart(self) -> None:
        async with self._store() as store:
            one = await store.begin("one", "r", HELLO)
            two = await store.begin("two", "r", HELLO)
            await store.finish(one, ANSWER, state="completed")
            loaded = await store.load("two")
            promised(list(loaded) == [two], f"the other session's turn is still open: {loaded}")


class KeepsMarks(StoreMaker):
    """What is chosen of a long session, and what is noted of its turns."""

    async def test_the_last_turns_can_be_loaded_alone(self) -> None:
        async with self._store() as store:
            for number in range(1, 6):
                await taken(store, f"r{number}")
            for last, wanted in ((2, [4, 5]), (0, []), (9, [1, 2, 3, 4, 5])):
                seqs = [turn.seq for turn in await store.load("s", last=last)]
                promised(seqs == wanted, f"the last {last} of 5 turns are {wanted}, not {seqs}")

    async def test_pinned_turns_and_the_newest_summary_come_with_the_last(self) -> None:
        async with self._store() as store:
            for number in range(1, 7):
                await taken(store, f"r{number}")
            await store.mark("s", 1, pinned=True)
            await store.mark("s", 2, summary="Old.")
            await store.mark("s", 4, summary="New.")
            turns = await store.load("s", last=1)
            seqs = [turn.seq for turn in turns]
            promised(seqs == [1, 4, 6], f"the last, the pinned, the summary: 1, 4, 6, not {seqs}")
            promised(turns[0].pinned and turns[1].summary == "New.", "with what was noted")

    async def test_what_is_not_marked_stays_as_it_is(self) -> None:
        async with self._store() as store:
            turn = await taken(store, "r1")
            await store.mark("s", 1, pinned=True)
            await store.mark("s", 1, summary="Hello.")
            wanted = [replace(turn, pinned=True, summary="Hello.")]
            promised(list(await store.load("s")) == wanted, "a mark changes nothing else")
            await store.mark("s", 1, pinned=False)
            wanted = [replace(turn, summary="Hello.")]
            promised(list(await store.load("s")) == wanted, "and a pin can be taken out")

    async def test_a_turn_that_is_not_there_cannot_be_marked(self) -> None:
        async with self._store() as store:
            await taken(store, "r1")
            for session, seq in (("s", 2), ("another", 1)):
                try:
                    await store.mark(session, seq, pinned=True)
                except InvalidRequest as error:
                    promised(error.code == "session_not_found", f"the code is not {error.code}")
                else:
                    promised(False, f"there is no turn {seq} of {session!r} to be marked")


class Forgets(StoreMaker):
    """What is left of a session that was forgotten."""

    async def test_a_forgotten_session_is_gone_and_starts_anew(self) -> None:
        async with self._store() as store:
            await taken(store, "r1")
            await taken(store, "r1", session="another")
            await store.forget("s")
            promised(not await store.load("s"), "a forgotten session has no turns")
            promised(len(await store.load("another")) == 1, "another session stays")
            promised((await taken(store, "r1")).seq == 1, "its next turn is the first")

    async def test_forgetting_a_session_nobody_used_is_no_error(self) -> None:
        async with self._store() as store:
            await store.forget("s")

    async def test_a_turn_that_runs_when_forgotten_finishes_into_nothing(self) -> None:
        async with self._store() as store:
            running = await store.begin("s", "r1", HELLO)
            await store.forget("s")
            await store.checkpoint(running, ANSWER)
            ended = await store.finish(running, ANSWER, state="completed")
            promised(not await store.load("s"), "what ends after it was forgotten is not kept")
            promised(ended.seq == 0, "who ends a turn is told that its session was forgotten")

    async def test_the_next_turn_does_not_wait_for_a_forgotten_one(self) -> None:
        async with self._store() as store:
            old = await store.begin("s", "old", HELLO)
            await store.forget("s")
            new = await store.begin("s", "new", HELLO)
            await store.finish(old, ANSWER, state="completed")
            promised(list(await store.load("s")) == [new], "the forgotten turn's end changes none")

    async def test_who_waited_for_a_forgotten_turn_waits_no_more(self) -> None:
        async with self._store() as store, anyio.create_task_group() as tasks:
            await store.begin("s", "r1", HELLO)
            tasks.start_soon(taken, store, "r2")
            await settle()
            await store.forget("s")
