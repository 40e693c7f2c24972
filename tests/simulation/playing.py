"""A scripted conversation, played through several lives: crash, start again, ask again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final
from unittest import mock

import anyio
import msgspec
from anyio.abc import ObjectSendStream

from chatbots.deltas import Delta, Done, Failed, Notice, TextDelta
from chatbots.errors import ProviderError
from chatbots.interfaces import ChatService, SessionStore, Sink
from chatbots.messages import Message, ModelAnswer, ModelRequest, Prompt, Turn
from chatbots.provider.wire import encode_request
from chatbots.sampling import Sampling
from chatbots.services import narration
from chatbots.services.memory import MemoryChat
from chatbots.services.streaming import StreamingChat
from chatbots.tool_calls import ToolCall
from chatbots.tools.registry import ToolRegistry
from chatbots.tools.tool import tool
from tests.chaos.asked import BEFORE_TOOL, TOOL, Asked, draw, id_in, wants_tool, words_for
from tests.chaos.checking import Rules, Tally, check
from tests.chaos.clients import Attempt, History
from tests.chaos.poison import why_refused
from tests.chaos.upstream import Read
from tests.simulation.disks import Disk, SQLiteDisk
from tests.simulation.life import Clock, Life

SESSIONS: Final = ("a", "a", "b")
"""The session of each client: two share one."""
REQUESTS: Final = 2
"""What each client asks."""
LIVES: Final = 3
"""Lives that may end in a crash; the next does not."""
STEPS: Final = 150
"""About as many steps as a life has."""


class Play:
    """Everything that one *seed* stands for; *dies_at* are the steps of crashes, or else drawn."""

    def __init__(self, seed: int, disk: Disk, dies_at: Sequence[int] | None = None) -> None:
        self.random = Random(seed)
        drawn = [self.random.randrange(1, STEPS) for _ in range(LIVES)]
        self.dies_at = drawn if dies_at is None else dies_at
        self.disk = disk
        self.clock = Clock()
        self.reads: list[Read] = []
        self.runs: list[str] = []
        self.crashes = 0
        self.histories = [
            [History(draw(self.random, session, f"r{number}-{count}")) for count in range(REQUESTS)]
            for number, session in enumerate(SESSIONS)
        ]

    async def run(self) -> Tally:
        """Live and die; return what is wrong in the end."""
        for step in self.dies_at:
            await self._live(step)
        for number, histories in enumerate(self.histories):
            # What is remembered has to be taken by the server once more.
            session, name = histories[0].asked.session, f"last{number}"
            histories.append(History(Asked(session, name, "memory", f"{name} 3 words")))
        await self._live(None)
        life = Life(None, self.disk.snapshot)
        store = self.disk.opened(life)
        stored: dict[str, Sequence[Turn]] = {
            name: await store.load(name) for name in dict.fromkeys(SESSIONS)
        }
        await self.disk.close()
        every = [history for histories in self.histories for history in histories]
        tally = check(every, stored, self.reads, self.runs, Rules(slack=0.0))
        tally.counts["crashes"] = self.crashes
        return tally

    async def _live(self, dies_at: int | None) -> None:
        life = Life(dies_at, self.disk.snapshot)
        store = self.disk.opened(life)
        with life.scope:
            async with anyio.create_task_group() as tasks:
                for histories in self.histories:
                    tasks.start_soon(self._ask_all, life, store, histories)
        await self.disk.close()
        if life.dead:
            self.crashes += 1
            self.disk.restore(life.left)

    async def _ask_all(self, life: Life, store: SessionStore, histories: list[History]) -> None:
        for history in histories:
            while not history.ended:
                leaves_at = self.random.randrange(40) if self.random.random() < 0.1 else None
                await _Asking(self, life, history, leaves_at).ask(store)


class _Asking:
    """One request, asked once."""

    def __init__(self, play: Play, life: Life, history: History, leaves_at: int | None) -> None:
        self.play = play
        self.life = life
        self.history = history
        self.attempt = Attempt()
        self.scope = anyio.CancelScope()
        self.leaves_at = leaves_at
        self.steps = 0

    async def ask(self, store: SessionStore) -> None:
        """Ask until there is an end: of the answer, of the life, of the client's patience."""
        asked = self.history.asked
        self.history.attempts.append(self.attempt)
        model = _Model(self)
        kind = MemoryChat if asked.bot == "memory" else StreamingChat
        service: ChatService = kind(model, store)
        prompt = Prompt(
            messages=(Message("user", asked.prompt),),
            request_id=asked.request_id,
            session=asked.session,
            tools=self._tools(),
        )
        with self.scope:
            await service.respond(prompt, _Screen(self))
        if self.scope.cancelled_caught and not self.life.dead:
            self.attempt.end = "left"

    async def step(self) -> None:
        """Be at an await of this request: its client may leave."""
        self.steps += 1
        if self.steps == self.leaves_at:
            self.scope.cancel()
        await self.life.step()

    def _tools(self) -> ToolRegistry:
        @tool(name=TOOL)
        async def note(request_id: str) -> str:
            """Note that a request was made."""
            await self.step()
            if not self.life.dead:
                self.play.runs.append(request_id)
            await self.step()
            return "noted"

        return ToolRegistry([note])


class _Screen(ObjectSendStream[Delta]):
    """Who sees the answer, and remembers it after the crash."""

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking

    async def send(self, item: Delta) -> None:
        asking, attempt = self._asking, self._asking.attempt
        at = asking.play.clock.now
        await asking.step()
        if asking.life.dead:
            return
        match item:
            case TextDelta(text):
                attempt.texts.append(text)
                attempt.at.append(at)
            case Notice("replayed"):
                attempt.replayed = True
            case Done(state=state, stored=stored):
                attempt.end, attempt.stored = state, stored
                asking.history.ended = True
            case Failed(error=error):
                attempt.end, attempt.code = "failed", error.code
                asking.history.ended = True
            case _:
                pass
        await asking.step()

    async def aclose(self) -> None:
        pass


class _Model:
    """Answers by the prompt, word by word, in virtual time; judges what it is sent."""

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        play, life = self._asking.play, self._asking.life
        prompt = next(m.content for m in reversed(request.messages) if m.role == "user")
        again = request.messages[-1].role == "tool"
        if not life.dead:
            play.reads.append(Read(prompt, again, _refused(request)))
        await self._asking.step()
        calls = wants_tool(prompt) and not again
        text = BEFORE_TOOL if calls else words_for(prompt)
        pieces = text.split(" ")
        breaks = play.random.randrange(len(pieces)) if play.random.random() < 0.1 else None
        for number, piece in enumerate(pieces):
            await self._asking.step()
            if number == breaks:
                raise ProviderError("stream_interrupted", "The stream broke off.")
            play.clock.now += play.random.choice((0.01, 0.1, 0.4))
            if request.stream and (said := piece + " " * (number < len(pieces) - 1)):
                await out.send(TextDelta(said))
        if not request.stream:
            await out.send(TextDelta(text))
        called = ToolCall("c1", TOOL, msgspec.json.encode({"request_id": id_in(prompt)}).decode())
        return ModelAnswer(
            text=text, state="completed", reason="stop", tool_calls=(called,) if calls else ()
        )


def _refused(request: ModelRequest) -> str | None:
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    return why_refused(msgspec.json.decode(msgspec.json.encode(body["messages"])))


@contextmanager
def simulated(play: Play) -> Iterator[None]:
    """Put the play's clock and its steps in the place of the real ones."""
    with mock.patch.object(narration, "monotonic", play.clock):
        if isinstance(play.disk, SQLiteDisk):
            with play.disk.in_steps():
                yield
        else:
            yield
