"""Who answers: the fake server with the fault a prompt names, and servers it has no name for."""

from __future__ import annotations

import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Final

import msgspec
from anyio.from_thread import start_blocking_portal

from chatbots.testing import Answer, FakeOpenAI
from chatbots.testing.http1 import EVENT_STREAM, JSON, Exchange
from chatbots.testing.requests import ChatRequest
from tests.faults.expected import NO_SERVER, QUOTED, TEXT
from tests.faults.trial import THROUGH
from tests.provider.tls import server_with_its_own_certificate

CANARY: Final = "canary0123456789abcdef"
"""The key: it looks like none, so only who knows it can take it out."""
LATE: Final = 2.0
"""Seconds a server may take to read a request."""


class Upstream:
    """The servers, and what they were asked."""

    def __init__(self, fake: FakeOpenAI, quoting: FakeOpenAI, elsewhere: Mapping[str, str]) -> None:
        self._fakes = (fake, quoting)
        self._urls = dict.fromkeys(QUOTED, quoting.base_url) | dict(elsewhere)

    def url_for(self, fault: str) -> str:
        """Return the base URL of who fails like that."""
        return self._urls.get(fault, self._fakes[0].base_url)

    def paths_asked(self, prompt: str, *, expected: int) -> tuple[str, ...]:
        """Return where the requests with *prompt* went; wait a little for so many.

        On a busy machine a server learns late of a client that has given up on it.
        """
        asked = msgspec.json.encode(prompt)
        until = monotonic() + LATE
        while True:
            calls = [call for fake in self._fakes for call in fake.calls if asked in call.body]
            if len(calls) >= expected or monotonic() > until:
                return tuple(call.path for call in calls)
            sleep(0.01)


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Serve from a thread of its own, so that programs can have the main one."""
    refusing = socket.socket()
    refusing.bind(("127.0.0.1", 0))  # and does not listen
    with (
        refusing,
        unheard(),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeOpenAI(rule=Faults().rule)) as fake,
        portal.wrap_async_context_manager(FakeOpenAI(player=quote_the_key)) as quoting,
        portal.wrap_async_context_manager(server_with_its_own_certificate()) as port,
    ):
        elsewhere = {
            "refused": f"http://127.0.0.1:{refusing.getsockname()[1]}/v1",
            "certificate": f"https://127.0.0.1:{port}/v1",
        }
        assert elsewhere.keys() == NO_SERVER.keys()
        yield Upstream(fake, quoting, elsewhere)


@contextmanager
def unheard() -> Iterator[None]:
    """Leave out what the servers log: it is not of the programs under test."""
    here = threading.get_ident()

    def is_ours(record: logging.LogRecord) -> bool:
        return record.thread == here

    with ExitStack() as stack:
        for name in ("asyncio", "anyio.streams.tls"):
            logging.getLogger(name).addFilter(is_ours)
            stack.callback(logging.getLogger(name).removeFilter, is_ours)
        yield


class Faults:
    """Gives each prompt the faults it names: one after the other, the last again and again."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def rule(self, request: ChatRequest) -> Answer:
        prompt = request.last_said
        named = prompt.partition(THROUGH)[0].split(",")
        fault = named[min(self._asked[prompt], len(named) - 1)]
        self._asked[prompt] += 1
        return Answer(text=TEXT, fault=fault)


async def quote_the_key(exchange: Exchange) -> None:
    """Fail as the prompt says, and tell the caller's key in it."""
    request = msgspec.json.decode(exchange.call.body, type=ChatRequest)
    fault = request.last_said.partition(THROUGH)[0]
    said = f"This is no key: {exchange.call.headers['authorization'].split()[-1]}"
    told = msgspec.json.encode({"error": {"message": said, "type": "server_error"}})
    match fault:
        case "quoted-401":
            await exchange.respond(401, told, {"content-type": JSON})
        case "quoted-500":
            await exchange.respond(500, told, {"content-type": JSON})
        case "quoted-text":
            await exchange.respond(500, said.encode(), {"content-type": "text/plain"})
        case "quoted-redirect":
            await exchange.respond(307, told, {"location": f"/v1/{said.split()[-1]}"})
        case "quoted-status-line":
            await exchange.raw(said.encode() + b"\r\n\r\n")
        case "quoted-midstream" if request.stream:
            begun = {"choices": [{"index": 0, "delta": {"content": TEXT.split()[0]}}]}
            await exchange.start(200, {"content-type": EVENT_STREAM})
            await exchange.send(b"data: " + msgspec.json.encode(begun) + b"\n\n")
            await exchange.finish(b"data: " + told + b"\n\n")
        case _:
            data = told if fault in ("quoted-in-200", "quoted-midstream") else said.encode()
            body = b"data: " + data + b"\n\n" if request.stream else data
            kind = EVENT_STREAM if request.stream else JSON
            await exchange.respond(200, body, {"content-type": kind})
