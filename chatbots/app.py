"""The one module that knows every concrete class and wires them together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import anyio

from chatbots.clients import Local, clients_for, realtime_client, realtime_dialer
from chatbots.embedded import Embeddings, Inputs
from chatbots.errors import ConfigurationError
from chatbots.flow.bot import Bot
from chatbots.flow.calling import Asking
from chatbots.interfaces import ChatModel, ChatService, SessionStore
from chatbots.local.tool_routing import ToolRouting
from chatbots.model_names import LOCAL
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.client import OpenAIClient
from chatbots.provider.embeddings import OpenAIEmbedder
from chatbots.provider.patience import Patience
from chatbots.sampling import Sampling
from chatbots.served import application_of, response_of
from chatbots.services.conversation import Conversation
from chatbots.services.memory import MemoryChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.services.take_turn import Manner
from chatbots.sessions.tokens import Count, estimate
from chatbots.settings import Settings
from chatbots.speech.dialing import SpeechDialer
from chatbots.stores import Store, store_of
from chatbots.windows import window_of

if TYPE_CHECKING:
    from chatbots.realtime.transport import WebSocketDialer
    from chatbots.server.access import Guard
    from chatbots.server.application import Application
    from chatbots.services.realtime import RealtimeClient
    from chatbots.services.realtime_chat import RealtimeChat
    from chatbots.services.speech import Speech
    from chatbots.services.voice import VoiceBot, VoiceChat
    from chatbots.tool_calls import Confirm


class Chatbots:
    """The bots of an application, on one model, one client and one store.

    Use it as an async context manager, or call `aclose`.
    *settings* are read from the environment and `.env` if not given.
    *client* is an `AsyncOpenAI` and *store* a `SessionStore` of your own; both stay open.
    *count_tokens* counts those of a text, where an estimate is not good enough.
    *dialer* opens the sockets of realtime sessions, where `websockets` is not to.

    Nothing is sent before the first turn.
    Raises `ConfigurationError` (`not_configured`) where there is nobody to ask.
    """

    sse = staticmethod(response_of)

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        client: OpenAIClient | None = None,
        store: SessionStore | None = None,
        count_tokens: Count | None = None,
        dialer: WebSocketDialer | None = None,
    ) -> None:
        self.settings = Settings.load() if settings is None else settings
        self._clients = clients_for(self.settings, client)
        self._chat = OpenAIChat(
            self._clients.get,
            model=LOCAL if self.settings.wants_local else self.settings.openai_model,
            sampling=Sampling(
                temperature=self.settings.openai_temperature,
                max_tokens=self.settings.openai_max_tokens,
            ),
            # The model on this machine answers to any name: another would be the same.
            fallbacks=() if self.settings.wants_local else self.settings.fallback_models,
            patience=Patience(
                # It may have to load first, and to read a long past on a small machine.
                first_token=math.inf
                if self.settings.wants_local
                else self.settings.chatbots_first_token_timeout,
                gap=self.settings.chatbots_gap_timeout,
            ),
        )
        self._embedder = OpenAIEmbedder(
            self._clients.get,
            model=self.settings.openai_embedding_model,
            timeout=self.settings.chatbots_timeout,
        )
        self._given_store = store
        self._own_store: Store | None = None
        self._given_dialer = dialer
        self._own_dialer: WebSocketDialer | None = None
        self._held: dict[Speech | None, RealtimeChat | VoiceChat] = {}
        # One for all bots: what servers say of their models is the same for all.
        self._window = window_of(self.settings, count_tokens or estimate)

    @property
    def store(self) -> SessionStore:
        """The store of the sessions; one of our own is made when it is asked for."""
        # Not `store or ...`: a store that counts its sessions is false while it has none.
        if self._given_store is not None:
            return self._given_store
        self._own_store = self._own_store or store_of(self.settings)
        return self._own_store

    def stateless(self, **defaults: Unpack[Asking]) -> Bot:
        """Return a bot that answers each prompt on its own.

        *defaults* are keywords of `ask` that hold for every turn.
        """
        return Bot(StatelessChat(self._model, self._manner), **self._timed(defaults))

    def memory(self, **defaults: Unpack[Asking]) -> Conversation:
        """Return a bot that remembers; without a `session=`, a conversation of its own."""
        return self._conversation(MemoryChat(self._model, self.store, self._manner), defaults)

    def streaming(self, **defaults: Unpack[Asking]) -> Conversation:
        """Return a bot that remembers and answers as the answer forms; see `memory`."""
        return self._conversation(StreamingChat(self._model, self.store, self._manner), defaults)

    def realtime(self, **defaults: Unpack[Asking]) -> Conversation:
        """Return a bot that remembers and answers over a realtime session; see `memory`.

        The session stays open between the turns.
        The model on this machine needs none to write: there it is the streaming bot.
        """
        if isinstance(self._clients, Local):
            return self.streaming(**defaults)
        defaults.setdefault("model", self.settings.openai_realtime_model)
        defaults["max_tokens"] = defaults.get("max_tokens") or self.settings.openai_max_tokens
        if None not in self._held:
            self._held[None] = self._realtime_chat()
        return self._conversation(self._held[None], defaults)

    def realtime_client(
        self, *, tools: Iterable[object] | None = None, on_confirm: Confirm | None = None
    ) -> RealtimeClient:
        """Return what opens realtime sessions, for programs that hold them themselves.

        Where nobody else is named they are held with the speech stack on this machine.
        """
        return realtime_client(self.settings, self._dialer, tools=tools, on_confirm=on_confirm)

    def voice(
        self, *, plays: bool = False, speech: Speech | None = None, **defaults: Unpack[Asking]
    ) -> VoiceBot:
        """Return a bot that hears and speaks; see `memory`, and `VoiceBot` for *plays*.

        *speech* says how, the settings what it leaves out.
        Between turns that are written a session stays open; a call has one of its own.
        """
        from chatbots.services.speech import Speech
        from chatbots.services.voice import VoiceBot, VoiceChat

        speech = (speech or Speech()).by_default(
            voice=self.settings.openai_voice,
            transcriber=self.settings.openai_transcription_model,
        )
        defaults.setdefault("model", self.settings.openai_realtime_model)
        chat = self._held.get(speech)
        if not isinstance(chat, VoiceChat):
            opening = self.realtime_client().session
            chat = VoiceChat(opening, self.store, self._manner, speech=speech)
            self._held[speech] = chat
        return VoiceBot(chat, self.store, plays=plays, **self._timed(defaults))

    async def embed(
        self, inputs: Inputs, *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector for each of *inputs*; see `Embedder`. The local model makes none."""
        if isinstance(self._clients, Local):
            raise ConfigurationError(
                "not_configured",
                "The local model does not embed texts.",
                hint="Ask one that does, with OPENAI_API_KEY or OPENAI_BASE_URL.",
            )
        return await self._embedder.embed(inputs, model=model, dimensions=dimensions)

    def asgi(self, *, tools: Iterable[object] = (), guard: Guard | None = None) -> Application:
        """Return the server as an ASGI application, to be mounted in one of your own.

        *tools* are those its clients may have run. *guard* lets callers in; if not given,
        everybody: the application in front is then who knows them.
        Raises `ConfigurationError` (`extra_missing`).
        """
        return application_of(
            self.settings,
            self._model,
            self._manner,
            embedder=self,
            store=lambda: self.store,
            prepare=self._clients.get,
            tools=tools,
            guard=guard,
        )

    async def aclose(self) -> None:
        """Give back the client, the sockets, the local model and the store; also twice."""
        for chat in self._held.values():
            await chat.aclose()
        if isinstance(self._own_dialer, SpeechDialer):
            await self._own_dialer.aclose()
        if self._own_store is not None:
            await self._own_store.aclose()
        await self._clients.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.aclose()

    @property
    def _model(self) -> ChatModel:
        # The model on this machine calls nothing by itself.
        return ToolRouting(self._chat) if isinstance(self._clients, Local) else self._chat

    @property
    def _dialer(self) -> WebSocketDialer:
        if self._given_dialer is not None:
            return self._given_dialer
        self._own_dialer = self._own_dialer or realtime_dialer(self.settings)
        return self._own_dialer

    @property
    def _manner(self) -> Manner:
        return Manner(
            instructions=self.settings.assistant_instructions,
            max_chars=self.settings.chatbots_max_prompt_chars,
            window=self._window,
            secrets=self.settings.secrets,
        )

    def _realtime_chat(self) -> RealtimeChat:
        from chatbots.services.realtime_chat import RealtimeChat

        return RealtimeChat(self.realtime_client().session, self.store, self._manner)

    def _conversation(self, service: ChatService, defaults: Asking) -> Conversation:
        return Conversation(service, self.store, **self._timed(defaults))

    def _timed(self, defaults: Asking) -> Asking:
        defaults.setdefault("timeout", self.settings.chatbots_timeout)
        return defaults
