"""What a store promises of a process that is killed: P1, P2, P3, and what follows of P4, P6, P8.

    class TestMyStore(DurableStoreContract):
        factory = "package.module:function"

The function is given a folder and returns the store that is kept there. Each test takes a turn
with it in another process, kills that process with -9, and opens the store again.
"""
# ruff: noqa: D102 (the tests' names are sentences)

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import anyio

from chatbots.interfaces import SessionStore
from chatbots.messages import Turn
from chatbots.sessions.turn import CRASHED
from chatbots.sessions.window import visible
from chatbots.testing.dying import ASKED, CALLING, DONE, SHOWN, USAGE, open_store
from chatbots.testing.promises import opened, promised
from chatbots.testing.store_order import StoreMaker


class DurableMaker(StoreMaker):
    """Where a suite gets its stores from that outlive a process."""

    factory: ClassVar[str] = ""
    """`package.module:function` of a function that is given a folder and returns a store."""

    @asynccontextmanager
    async def make_store(self) -> AsyncGenerator[SessionStore]:
        with TemporaryDirectory() as folder:
            async with open_store(self.factory, Path(folder)) as store:
                yield store

    @asynccontextmanager
    async def killed(self, step: str) -> AsyncGenerator[SessionStore]:
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "chatbots.testing.dying", self.factory, folder, step]
            died = await anyio.run_process(command, check=False, stderr=subprocess.PIPE)
            promised(died.returncode == -signal.SIGKILL, died.stderr.decode())
            async with open_store(self.factory, Path(folder)) as store:
                yield store

    def _killed(self, step: str) -> AbstractAsyncContextManager[SessionStore]:
        return opened(self.killed(step), patience=self.patience)


async def only(store: SessionStore) -> Turn:
    """Return the turn that was taken, which must be the only one."""
    turns = await store.load("s")
    promised(len(turns) == 1, f"the turn is there once, not {len(turns)} times")
    return turns[0]


class P1AcceptedIsDurable(DurableMaker):
    """P1: what the user said survives, once it was accepted."""

    async def test_what_was_accepted_survives_a_kill(self) -> None:
        async with self._killed("accepted") as store:
            turn = await only(store)
            promised(turn.said == ASKED, f"what was said is kept, not {turn.said}")
            ended = (turn.state, turn.reason)
            promised(ended == ("interrupted", CRASHED), f"the turn is interrupted, not {ended}")

    async def test_the_session_goes_on_after_a_kill(self) -> None:
        async with self._killed("accepted") as store:
            promised((await store.begin("s", "r2", ASKED)).seq == 2, "the next turn is the second")


class P2DoneIsDurable(DurableMaker):
    """P2: an answer survives, once it was said to be done."""

    async def test_what_was_done_survives_a_kill(self) -> None:
        async with self._killed("done") as store:
            turn = await only(store)
            promised(turn.answer == DONE, f"the answer is kept to the byte, not {turn.answer}")
            ended = (turn.state, turn.reason, turn.usage)
            promised(ended == ("completed", "stop", USAGE), f"and how it ended: {ended}")


class P3ShownIsNearlyDurable(DurableMaker):
    """P3: what was checkpointed of an answer survives, and is marked as partial."""

    async def test_what_was_checkpointed_survives_a_kill(self) -> None:
        async with self._killed("shown") as store:
            turn = await only(store)
            promised(turn.answer == SHOWN, f"the partial answer is kept, not {turn.answer}")
            promised(turn.state == "interrupted", f"and marked so, not as {turn.state}")


class P4OnceAcrossAKill(DurableMaker):
    """P4: the same request after a kill makes no second turn."""

    async def test_the_same_request_after_a_kill_gets_the_turn_it_made(self) -> None:
        async with self._killed("shown") as store:
            turn = await store.begin("s", "r1", ASKED)
            promised((turn.seq, turn.state) == (1, "interrupted"), f"its own turn, not {turn}")
            promised(await only(store) == turn, "and no other")


class P6NeverPoisoned(DurableMaker):
    """P6: what is stored can be sent, whatever a process died of."""

    async def test_each_call_of_a_killed_turn_has_a_result_when_it_is_sent(self) -> None:
        async with self._killed("calling") as store:
            sent = visible(await store.load("s"))
            calls = [call.id for message in sent for call in message.tool_calls]
            results = [message.tool_call_id for message in sent if message.role == "tool"]
            promised(calls == results != [], f"calls {calls} have the results {results}")


class P8ToolsAreToldOf(DurableMaker):
    """P8: that a tool may have been run is known after a kill, and it is not run again."""

    async def test_calls_are_kept_before_they_are_run(self) -> None:
        async with self._killed("calling") as store:
            turn = await only(store)
            promised(turn.answer == CALLING, f"the calls are kept, not {turn.answer}")
            again = await store.begin("s", "r1", ASKED)
            promised(again.state == "interrupted", "and the same request does not run them again")
