"""What shape an answer is asked in, and how its text becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Generic, TypeAlias

import msgspec
from msgspec import Struct

from chatbots.errors import ProviderError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    OutputT_co = TypeVar("OutputT_co", default=object, covariant=True)
else:
    # Python itself knows defaults of type variables from 3.13 on (PEP 696).
    from typing import TypeVar

    OutputT_co = TypeVar("OutputT_co", covariant=True)

T = TypeVar("T")

Schema: TypeAlias = Mapping[str, object]
"""A JSON schema."""

WRAPPER: Final = "value"
"""The property that holds a value which is no object: the API wants an object at the root."""


class _Wrapped(Struct):
    value: msgspec.Raw


class OutputFormat(Struct, Generic[OutputT_co], frozen=True, kw_only=True):
    """A shape for an answer: `schema` for the model, `parse` for the text that comes back.

    `name` has 1 to 64 letters, digits, `_` and `-`; `strict` asks the server to allow nothing else
    (OpenAI's API reference, chat completions, `response_format`).
    `wrapped`: the schema is that of an object whose only property, `value`, is what is wanted.
    `parse` raises `ValueError`, with a message from which the model can repair its answer.
    """

    name: str
    schema: Schema
    parse: Callable[[str], OutputT_co]
    strict: bool = False
    wrapped: bool = False

    def value_of(self, text: str) -> OutputT_co:
        """Return the value in *text*; raises `ProviderError` (`output_invalid`)."""
        try:
            return self.parse(text)
        except (ValueError, RecursionError) as error:
            raise self._invalid(error) from error

    def text_of(self, answer: str) -> str:
        """Return the JSON of the value in what a model answered; raises as `value_of` does."""
        if self.wrapped:
            try:
                answer = bytes(msgspec.json.decode(answer, type=_Wrapped).value).decode()
            except (ValueError, RecursionError) as error:
                raise self._invalid(error) from error
        self.value_of(answer)
        return answer

    def _invalid(self, error: Exception) -> ProviderError:
        return ProviderError(
            "output_invalid",
            f"The answer does not fit the schema {self.name!r}: {error}.",
            hint="Ask again, make the schema simpler, or ask another model.",
        )
