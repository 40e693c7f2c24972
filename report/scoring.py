"""The rule by which a client is judged: what it must do under a fault, and what it did."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final, NamedTuple

from msgspec import Struct

SDK_ERRORS: Final = "openai.OpenAIError"
"""The root of the openai SDK's exceptions, on which most other clients stand."""
HEALTHY: Final = "stop"
"""The finish reason of an answer that is whole."""


class Must(Enum):
    """What a client one can trust does under a fault."""

    ANSWER = "give the whole answer"
    ERROR = "raise an error"
    REASON = "end, and show why the answer is cut"
    EITHER = "give the whole answer or raise an error"


class Raised(Struct, frozen=True):
    """An exception that reached the user: its class and those it inherits from, and its words."""

    classes: list[str]
    message: str


class Told(Struct, frozen=True, kw_only=True):
    """What the user of a client sees of one answer.

    `finish` is the finish reason that the client's documented result shows, None where it
    shows that there was none.
    """

    text: str
    finish: str | None = None
    raised: Raised | None = None
    seconds: float = 0.0


class Habits(NamedTuple):
    """What a client's documentation promises: its own errors, and where it shows a finish reason.

    *sign* is empty where the documented result has no finish reason.
    """

    errors: tuple[str, ...]
    sign: str


class Outcome(Enum):
    """What came of one answer, from the best to the worst; the value is the mark in the table."""

    ANSWER = "answer"
    REASON = "reason"
    ERROR = "error"
    PASSED_ON = "sdk error"
    SIGN = "sign"
    NEEDLESS = "needless"
    RAW = "raw"
    HANG = "hang"
    WRONG_TEXT = "wrong text"
    FALSE_COMPLETE = "false"


MEANING: Final[Mapping[Outcome, str]] = {
    Outcome.ANSWER: "the whole answer, byte for byte",
    Outcome.REASON: "the answer that the server cut, and its reason is shown",
    Outcome.ERROR: "an exception of the client's own documented tree",
    Outcome.PASSED_ON: "an exception of the openai SDK, passed on by a client that stands on it",
    Outcome.SIGN: "ends normally, but the caller can see that it is not whole "
    "by the finish reason in the documented result",
    Outcome.NEEDLESS: "a typed error, though the whole answer was there",
    Outcome.RAW: "any other exception: of the HTTP library, of the JSON parser, one of Python's",
    Outcome.HANG: "still waiting when the watchdog ended it",
    Outcome.WRONG_TEXT: "ends normally, with a text that was not the answer, and no sign of it",
    Outcome.FALSE_COMPLETE: "a false complete: ends normally, as if the answer was whole",
}
RIGHT: Final = frozenset({Outcome.ANSWER, Outcome.REASON, Outcome.ERROR, Outcome.PASSED_ON})
"""What counts as right."""


def judge(must: Must, told: Told | None, habits: Habits, whole: Collection[str]) -> Outcome:
    """Judge what a client *told*, None where the watchdog ended it.

    *whole*: the texts that are the whole answer.
    """
    if told is None:
        return Outcome.HANG
    if told.raised is not None:
        return judge_error(must, told.raised, habits)
    return judge_end(must, told, habits, whole)


def judge_error(must: Must, raised: Raised, habits: Habits) -> Outcome:
    """Judge an answer that ended with an exception."""
    own = not set(habits.errors).isdisjoint(raised.classes)
    if not own and SDK_ERRORS not in raised.classes:
        return Outcome.RAW
    if must is Must.ANSWER:
        return Outcome.NEEDLESS
    return Outcome.ERROR if own else Outcome.PASSED_ON


def judge_end(must: Must, told: Told, habits: Habits, whole: Collection[str]) -> Outcome:
    """Judge an answer that ended normally."""
    shown = told.finish if habits.sign else HEALTHY
    if must in (Must.ANSWER, Must.EITHER) and told.text in whole:
        return Outcome.ANSWER
    if must is Must.REASON and shown not in (None, HEALTHY):
        return Outcome.REASON
    if shown != HEALTHY:
        return Outcome.SIGN
    cut = any(text.startswith(told.text) for text in whole)
    return Outcome.FALSE_COMPLETE if cut or must is Must.REASON else Outcome.WRONG_TEXT


def leaks(key: str, *seen: str) -> bool:
    """Tell whether the *key* is in anything that was *seen*."""
    return any(key in text for text in seen)
