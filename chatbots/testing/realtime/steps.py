"""One answer as it should be given, and the steps on a socket that a fault makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from chatbots.realtime.events.responses import ResponseFailure, ResponseUsage, TokenDetails
from chatbots.realtime.hosting.answer import Answer as Told
from chatbots.realtime.hosting.configuring import spoken as sounding
from chatbots.realtime.hosting.host import Host
from chatbots.realtime.playback import bytes_per_ms
from chatbots.testing.realtime.sounds import spoken
from chatbots.testing.requests import ChatRequest

if TYPE_CHECKING:  # it checks the names of faults, which are made of these steps
    from chatbots.testing.answers import Answer

CUT: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer was cut, in the words of chat and of realtime."""


class Say(NamedTuple):
    """A text frame."""

    frame: bytes


class Raw(NamedTuple):
    """Bytes for the socket as they are."""

    data: bytes


class Ping(NamedTuple):
    """A ping."""


class Wait(NamedTuple):
    """A silence; without seconds it lasts until the client leaves."""

    seconds: float = math.inf


class Close(NamedTuple):
    """A close frame, and the end; without a code the connection just breaks."""

    code: int | None = None
    reason: str = ""


Step: TypeAlias = Say | Raw | Ping | Wait | Close


class Script(NamedTuple):
    """What is told by `told`, why it is, and to whom; `pieces` are those of the text."""

    told: Told
    answer: Answer
    pieces: list[str]
    request: ChatRequest
    host: Host
    chance: Random

    def frames(self) -> list[Say]:
        """Return what the host has to send by now."""
        return [Say(frame) for frame in self.host.data_to_send()]

    def speak(self, piece: str) -> Iterator[Say]:
        """Say a piece of the text, with its sound."""
        self.told.say(piece)
        if self.told.audible:
            per_ms = bytes_per_ms(sounding(self.host.session).format)
            self.told.sound(spoken(piece, per_ms))
        yield from self.frames()

    def good(self) -> Iterator[Step]:
        """Yield the whole answer."""
        yield from self.frames()
        for piece in self.pieces:
            if self.answer.delay:
                yield Wait(self.answer.delay)
            yield from self.speak(piece)
        yield from self.finish()

    def finish(self) -> Iterator[Say]:
        """Call what is to be called, and end as it is scripted."""
        for name, arguments in self.answer.tool_calls:
            whole = isinstance(arguments, str)
            text = str(arguments) if whole else msgspec.json.encode(arguments).decode()
            self.told.call(name, text[: len(text) // 2], text[len(text) // 2 :])
        answer, usage = self.answer, self.usage()
        if answer.status != 200:
            said = answer.error
            message = said if isinstance(said, str) else f"The fake server says {answer.status}."
            error = ResponseFailure("server_error", str(answer.status), message)
            self.told.end("failed", usage=usage, error=error)
        elif (reason := CUT.get(answer.finish_reason or "")) is not None:
            self.told.end("incomplete", reason, usage=usage)
        else:
            self.told.end(usage=usage)
        yield from self.frames()

    def usage(self) -> ResponseUsage:
        """Count tokens: a word in, or a piece out, is one."""
        asked = sum(len(one.text.split()) for one in self.request.messages)
        out = len(self.pieces)
        audio = out if self.told.audible else 0
        return ResponseUsage(
            asked + out,
            asked,
            out,
            TokenDetails(asked, 0, 0, cached_tokens=0),
            TokenDetails(out - audio, audio),
        )


Steps: TypeAlias = "Callable[[Script, float], Iterable[Step]]"


class SocketFault(NamedTuple):
    """A way to fail on a socket: what it does, and what the number after its name counts."""

    about: str
    steps: Steps
    unit: str = ""
    default: float = 0
