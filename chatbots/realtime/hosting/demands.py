"""What a host asks of whoever does the hearing, the thinking and the speaking."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from chatbots.realtime.events.session import Session, Transcription
from chatbots.realtime.hosting.answer import Answer


class Respond(Struct, frozen=True):
    """Give this answer, by its verbs; the client has been told that it began.

    `answer.manner` says how (the session's manner, with what was said for this response alone),
    `answer.context` is what it answers.
    """

    answer: Answer


class Cancelled(Struct, frozen=True):
    """Stop giving this answer: the client has been told that it is over, and how."""

    answer: Answer


class Heard(Struct, frozen=True, gc=False):
    """The user's audio went on, in the session's input format: for whoever detects voice."""

    audio: bytes


class Cleared(Struct, frozen=True, gc=False):
    """The user's audio so far is forgotten: whoever detects voice begins anew."""


class Spoken(Struct, frozen=True, gc=False):
    """The user's audio became the message *item_id*.

    *live*: it was heard before, piece by piece; else it came with the item, whole.
    *transcription* says how it is to be written down for the client; None: it is not, but for
    whoever answers. Tell `transcribed` or `not_transcribed` what came of it.
    """

    item_id: str
    audio: bytes
    transcription: Transcription | None
    live: bool = True


class Configured(Struct, frozen=True, gc=False):
    """The session is now this."""

    session: Session


Demand: TypeAlias = Respond | Cancelled | Heard | Cleared | Spoken | Configured
