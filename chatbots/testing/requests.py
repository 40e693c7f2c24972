"""What a client may ask, and what it is told if it asks for something else.

The shapes are those of OpenAI's API reference, as far as the fake server reads them;
fields it does not know are let through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")

PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")
MISSING: Final = re.compile(r"missing required field `([^`]+)`")


class Refusal(Exception):
    """The request cannot be answered; `error` is the object in the response's `error` field."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 (the field's own name)
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": type, "param": param, "code": code}
        self.headers = dict(headers or {})


class Part(Struct):
    """One part of a message's content; only text is looked at."""

    type: str
    text: str | None = None


class Said(Struct):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The text of the content, whatever form it came in."""
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class StreamOptions(Struct):
    """What a streamed answer carries besides the text."""

    include_usage: bool = False


class Tool(Struct):
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    parameters: dict[str, Any] = {}  # msgspec makes a fresh one each time

    @property
    def properties(self) -> dict[str, dict[str, object]]:
        """The schema of each parameter."""
        return dict(self.parameters.get("properties", {}))

    @property
    def required(self) -> list[str]:
        """The parameters a call must have."""
        return list(self.parameters.get("required", []))


class Offer(Struct):
    """An entry of `tools`."""

    function: Tool | None = None


class ChatRequest(Struct):
    """The body of `POST /v1/chat/completions`."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Said], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    tools: list[Offer] | None = None

    @property
    def offered(self) -> list[Tool]:
        """The functions the model may call."""
        return [offer.function for offer in self.tools or [] if offer.function is not None]

    @property
    def include_usage(self) -> bool:
        """Whether the stream is to end with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def last_said(self) -> str:
        """What the user said last."""
        return next((said.text for said in reversed(self.messages) if said.role == "user"), "")


class EmbeddingRequest(Struct):
    """The body of `POST /v1/embeddings`."""

    model: Annotated[str, Meta(min_length=1)]
    input: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[
            list[Annotated[str, Meta(min_length=1)] | int | list[int]],
            Meta(min_length=1, max_length=2048),
        ]
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1, le=4096)] = 1536

    @property
    def inputs(self) -> list[str | list[int]]:
        """One entry for each vector to return; a flat list of numbers is one input."""
        if isinstance(self.input, str):
            return [self.input]
        tokens = [token for token in self.input if isinstance(token, int)]
        if not tokens:
            return [entry for entry in self.input if not isinstance(entry, int)]
        if len(tokens) < len(self.input):
            raise Refusal(400, "'$.input' is invalid: it mixes tokens and texts.", param="input")
        return [tokens]


def read(body: bytes, shape: type[T]) -> T:
    """Decode *body* as *shape*; raises `Refusal` (400) where it is not JSON or not that shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise wrong_value(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(
            400,
            "We could not parse the JSON body of your request. "
            f"The API expects a JSON payload, but what was sent was not valid JSON: {error}",
        ) from error


def wrong_value(complaint: str) -> Refusal:
    """Say which parameter is wrong, from msgspec's *complaint*."""
    place = PLACE.search(complaint)
    missing = MISSING.search(complaint)
    steps = [place.group(1) if place else "", missing.group(1) if missing else ""]
    param = ".".join(step for step in steps if step) or None
    if missing:
        return Refusal(
            400,
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    reason = PLACE.sub("", complaint)
    return Refusal(
        400, f"Invalid value for '{param}': {reason}.", param=param, code="invalid_value"
    )
