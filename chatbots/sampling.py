"""How the model picks words."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from chatbots.errors import InvalidRequest

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How long a reasoning model may think; which of them a model knows, its server says."""

MAX_STOPS: Final = 4

_LEAST: Final = -(2**63)
_NUMBERS: Final = {
    "temperature": (float | int, 0, 2),
    "top_p": (float | int, 0, 1),
    "frequency_penalty": (float | int, -2, 2),
    "presence_penalty": (float | int, -2, 2),
    "max_tokens": (int, 1, 2**31 - 1),
    "seed": (int, _LEAST, -_LEAST - 1),
    "logprobs": (int, 0, 20),
}


class Sampling(Struct, frozen=True, kw_only=True):
    """How the model picks words; what is None is left to the server.

    `temperature` is 0 to 2, `top_p` 0 to 1, the penalties -2 to 2.
    `max_tokens` bounds the answer, in tokens; `stop` are up to four texts that end it, unsaid.
    `seed` makes repeated answers alike, `logprobs` asks for so many alternatives (0 to 20)
    beside the probability of each token.
    Raises `InvalidRequest` for values outside (OpenAI's API reference, chat completions).
    """

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    logprobs: int | None = None
    reasoning_effort: Effort | None = None

    def __post_init__(self) -> None:
        for name, (kind, low, high) in _NUMBERS.items():
            value = getattr(self, name)
            # NaN is in no range.
            if value is not None and not (isinstance(value, kind) and low <= value <= high):
                whole = "whole " if kind is int else ""
                raise _refused(name, f"a {whole}number from {low:,} to {high:,}", value)
        if self.stop is not None and not (len(self.stop) <= MAX_STOPS and all(self.stop)):
            raise _refused("stop", f"at most {MAX_STOPS} texts, none empty", self.stop)
        if self.reasoning_effort not in (None, *get_args(Effort)):
            known = ", ".join(get_args(Effort))
            raise _refused("reasoning_effort", f"one of {known}", self.reasoning_effort)

    def over(self, default: Sampling) -> Sampling:
        """These values, and the *default*'s where there is none; an explicit 0 stays 0."""
        if UNSAID in (self, default):
            return default if self == UNSAID else self
        names = self.__struct_fields__
        own = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(default, **own)


UNSAID: Final = Sampling()
"""Nothing said: all of it is left to the server."""


def _refused(name: str, wanted: str, value: object) -> InvalidRequest:
    return InvalidRequest(
        "invalid_request", f"The {name} must be {wanted}, not {value!r}.", param=name
    )
