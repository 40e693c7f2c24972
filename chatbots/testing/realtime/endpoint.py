"""Where realtime sessions are opened on the fake server, and what they are then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import anyio
import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from chatbots.realtime.events.beta import in_ga, manner
from chatbots.realtime.events.event import BETA, GA
from chatbots.realtime.events.server import RateLimit
from chatbots.realtime.events.session import Session
from chatbots.realtime.hosting.configuring import session_of, updated
from chatbots.realtime.hosting.host import Host
from chatbots.testing import bodies
from chatbots.testing.bodies import Json
from chatbots.testing.desk import Desk
from chatbots.testing.faults.names import find
from chatbots.testing.http1 import Exchange, reply
from chatbots.testing.realtime.conversing import Conversing
from chatbots.testing.realtime.faults import OPENING
from chatbots.testing.realtime.socket import Socket
from chatbots.testing.realtime.talk import Talk
from chatbots.testing.requests import Refusal, read

LIFETIME: Final = 3600
"""Seconds of a session (OpenAI's guide "Realtime conversations")."""
BETA_SECRET: Final = 60
"""Seconds in which a session made in the beta dialect is to be opened."""
PREFIX: Final = "ek_"
TRANSCRIBER: Final = "gpt-realtime-whisper"
LIMITS: Final = (
    RateLimit("requests", 1000, 999, 0.06),
    RateLimit("tokens", 40_000, 39_000, 1.5),
)
REFUSALS: Final[Mapping[str, Callable[[float], Refusal]]] = {
    "hs-401": lambda _: Refusal(401, "Incorrect API key provided.", code="invalid_api_key"),
    "hs-429": lambda seconds: Refusal(
        429,
        "Rate limit reached.",
        type="requests",
        code="rate_limit_exceeded",
        headers={"retry-after": f"{seconds:g}"},
    ),
    "hs-503": lambda _: Refusal(503, "The engine is overloaded.", type="server_error"),
}
SUBPROTOCOL: Final = "realtime"
KEY_PROTOCOL: Final = "openai-insecure-api-key."
BETA_PROTOCOL: Final = "openai-beta.realtime-v1"


class Realtime:
    """Serves sessions, and the secrets that open them; *talks* gets what is said.

    *check* raises `Refusal` for a model that does not exist.
    """

    def __init__(
        self, desk: Desk, talks: list[Talk], check: Callable[[str], None], *, seed: int = 0
    ) -> None:
        self._desk = desk
        self._talks = talks
        self._check = check
        self._seed = seed
        self._made: dict[str, Session] = {}
        """By their secrets, and by their ids."""

    def opens(self, key: str) -> bool:
        """Tell whether a *key* is a secret that was made here."""
        return key.startswith(PREFIX) and key in self._made

    async def connect(self, exchange: Exchange) -> None:
        """Serve a session on a socket."""
        call = exchange.call
        query = dict(parse_qsl(urlsplit(call.target).query))
        known = (key_of(call.headers), query.get("session_id"))
        session = next((self._made[one] for one in known if one in self._made), session_of())
        if query.get("intent") == "transcription":
            session = replace(session, type="transcription", model=session.model or TRANSCRIBER)
        model = query.get("model") or query.get("deployment") or str(session.model or "")
        if not model:
            raise Refusal(400, "You must provide a model parameter.", param="model")
        self._check(model)
        fault, number = self._fault(model)
        exchange.call.fault = fault
        if (refusal := REFUSALS.get(fault)) is not None:
            raise refusal(number)
        if fault == "hs-hang":
            await anyio.sleep_forever()
        offered = subprotocols(call.headers)
        dated = "deployment" in query or "openai-beta" in call.headers
        socket = Socket(exchange, protocols=[SUBPROTOCOL] if SUBPROTOCOL in offered else [])
        socket.deaf = fault == "no-pong"
        if not await socket.accept(spoiled=fault == "hs-bad-accept"):
            return
        lifetime = number if fault == "session-expired" else LIFETIME
        host = Host(
            model=model,
            dialect=BETA if dated or BETA_PROTOCOL in offered else GA,
            session=session,
            expires_at=int(time.time() + lifetime),
            limits=LIMITS,
        )
        talk = Talk(call=call, dialect=host.dialect, model=model, changed=exchange.changed)
        self._talks.append(talk)
        chance = Random(f"{self._seed}/{call.number}")  # noqa: S311 (no secret)
        await Conversing(socket, host, talk, self._desk, chance).run(lifetime)

    def _fault(self, model: str) -> tuple[str, float]:
        """Return the fault that strikes this session from its beginning, and its number."""
        try:
            chosen = find(self._desk.fault(model))
        except ValueError as error:
            raise Refusal(404, str(error), param="model", code="model_not_found") from error
        name = self._desk.fault(model).partition(":")[0]
        if name not in OPENING:
            return "", 0
        self._desk.fault(model, take=True)
        return name, chosen.number

    async def make_secret(self, exchange: Exchange) -> None:
        """Answer `POST /v1/realtime/client_secrets`."""
        asked = read(exchange.call.body, SecretRequest)
        session, secret = self._make(exchange, asked.session)
        expires_at = int(time.time()) + asked.expires_after.seconds
        said: Json = {"value": secret, "expires_at": expires_at}
        await reply(exchange, {**said, "session": msgspec.to_builtins(session)})

    async def make_session(self, exchange: Exchange) -> None:
        """Answer `POST /v1/realtime/sessions`, in the beta dialect."""
        session, secret = self._make(exchange, in_ga(read(exchange.call.body, Session)))
        said: Json = manner(msgspec.to_builtins(session), BETA)
        said["client_secret"] = {"value": secret, "expires_at": int(time.time()) + BETA_SECRET}
        await reply(exchange, said)

    def _make(self, exchange: Exchange, asked: Session) -> tuple[Session, str]:
        number = exchange.call.number
        name, secret = bodies.token_like("sess_", number, 21), bodies.token_like(PREFIX, number, 32)
        session = replace(updated(session_of(), asked), id=name)
        self._made |= {name: session, secret: session}
        return session, secret


class ExpiresAfter(Struct, frozen=True):
    """When a secret opens nothing more."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7200)] = 600


class SecretRequest(Struct):
    """The body of `POST /v1/realtime/client_secrets`."""

    session: Session = Session()
    expires_after: ExpiresAfter = ExpiresAfter()


def subprotocols(headers: Mapping[str, str]) -> list[str]:
    """Return the subprotocols that a handshake offers."""
    return [one.strip() for one in headers.get("sec-websocket-protocol", "").split(",")]


def key_of(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request: a browser has only the subprotocols of a socket for it."""
    if "api-key" in headers:
        return headers["api-key"].strip()
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return key.strip()
    offered = (one for one in subprotocols(headers) if one.startswith(KEY_PROTOCOL))
    return next((one.removeprefix(KEY_PROTOCOL) for one in offered), None)
