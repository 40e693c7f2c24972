"""The bot that is talked to: it hears and speaks, and remembers as the others do."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Unpack

import anyio

from chatbots.errors import InvalidRequest
from chatbots.flow.calling import Asking
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import SessionStore, Sink
from chatbots.messages import FinalState, Message, Prompt, Turn, Usage
from chatbots.realtime.conversion import Sounding
from chatbots.realtime.events.session import Session
from chatbots.realtime.session import RealtimeSession
from chatbots.services.call import VoiceCall
from chatbots.services.conversation import Conversation
from chatbots.services.realtime_chat import RealtimeChat
from chatbots.services.recall import Explanation
from chatbots.services.remember import Remembered
from chatbots.services.speech import Speech
from chatbots.services.spoken import Opening, SpokenModel
from chatbots.services.take_turn import Manner


class VoiceChat:
    """A `ChatService` that answers aloud; see `RealtimeChat`, which holds its sessions open.

    A call has a session of its own.
    """

    def __init__(
        self,
        opening: Opening,
        store: SessionStore,
        manner: Manner | None = None,
        *,
        speech: Speech | None = None,
    ) -> None:
        self.speech = speech or Speech()
        self._opening = opening
        self._store = store
        self._manner = manner or Manner()
        self._written = RealtimeChat(self._speaking, store, self._manner, bot="voice")

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*, which is written, aloud; see `ChatService.respond`."""
        await self._written.respond(prompt, Sounding(out, self.speech.kind))

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what a realtime session would be told for *prompt* now."""
        return await self._written.explain(prompt)

    async def aclose(self) -> None:
        """Close every session but those of calls. May be called again."""
        await self._written.aclose()

    def model(self, *, plays: bool) -> SpokenModel:
        """Return a model over a realtime session of its own."""
        return SpokenModel(self._opening, self.speech, plays=plays)

    def remembered(self, model: SpokenModel) -> Remembered:
        """Return what asks *model* and remembers its answers as they were heard."""
        store = _AsHeard(self._store, model)
        return Remembered(model, store, self._manner, stream=True)

    def _speaking(
        self, model: str | None, config: Session
    ) -> AbstractAsyncContextManager[RealtimeSession]:
        return self._opening(model, self.speech.told(config))


class VoiceBot(Conversation):
    """A bot to talk to: in writing as to the others, and aloud within its `async with`.

    With *plays*, the call's `played` will say what was heard; else all of it counts as heard.
    """

    def __init__(
        self,
        service: VoiceChat,
        store: SessionStore,
        *,
        plays: bool = False,
        **defaults: Unpack[Asking],
    ) -> None:
        super().__init__(service, store, **defaults)
        self._chat = service
        self._plays = plays
        self._call: VoiceCall | None = None

    async def __aenter__(self) -> VoiceCall:
        """Call; raises `ChatError`, `InvalidRequest` for a second call at once."""
        if self._call is not None:
            raise InvalidRequest(
                "invalid_request", "This bot is in a call.", hint="Make a bot for each call."
            )
        model = self._chat.model(plays=self._plays)
        remembered, speech = self._chat.remembered(model), self._chat.speech
        self._call = VoiceCall(model, remembered, self.prompt, speech=speech)
        try:
            return await self._call.__aenter__()
        except BaseException:
            self._call = None
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if (call := self._call) is not None:
            self._call = None
            await call.__aexit__(kind, error, trace)

    async def run(self, audio: AsyncIterable[bytes], out: Sink) -> None:
        """Hear *audio* to its end, and answer what is said in it into *out*; see `send_audio`.

        Raises the `ChatError` that ended the call before.
        """
        with unwrapped():
            async with self as call, anyio.create_task_group() as tasks:
                tasks.start_soon(_say, call, audio)
                async for delta in call.deltas:
                    await out.send(delta)


async def _say(call: VoiceCall, audio: AsyncIterable[bytes]) -> None:
    await call.hear(audio)
    await call.finish()


class _AsHeard:
    """A `SessionStore` that keeps of an answer of *model* what was heard, and what was not."""

    def __init__(self, store: SessionStore, model: SpokenModel) -> None:
        self.begin = store.begin
        self.checkpoint = store.checkpoint
        self.load = store.load
        self.mark = store.mark
        self.forget = store.forget
        self._store = store
        self._model = model

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        """Keep how the turn ended."""
        heard = self._model.kept(answer)
        return await self._store.finish(turn, heard, state=state, reason=reason, usage=usage)
