"""What a model may call, how it calls, what comes back; and the seam behind which it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias, cast

from msgspec import Struct

from chatbots.errors import InvalidRequest
from chatbots.output import Schema

ToolChoice: TypeAlias = str
"""`auto`, `none`, `required`, or the name of the tool that must be called."""

CHOICES: Final = ("auto", "none", "required")

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ToolCall(Struct, frozen=True):
    """A call of a tool, as the model asked for it; `arguments` is JSON text, whole."""

    id: str
    name: str
    arguments: str


class ToolResult(Struct, frozen=True, omit_defaults=True):
    """What the model is told of its call; of an error, JSON with the one field `error`."""

    call_id: str
    content: str
    is_error: bool = False


class ToolSpec(Struct, frozen=True, omit_defaults=True):
    """A tool as the model sees it: `parameters` is the JSON schema of an object.

    `strict`: the server lets the model write nothing that does not fit the schema.
    Raises `InvalidRequest` for a name the API does not take
    (OpenAI's API reference, chat completions, `tools`).
    """

    name: str
    description: str
    parameters: Schema
    strict: bool = False

    def __post_init__(self) -> None:
        check_tool_name(self.name)

    @classmethod
    def of(cls, said: object) -> ToolSpec:
        """Return the tool that is *said* in one of the three shapes in use.

        Nested, as chat completions has it: `{"type": "function", "function": {"name": ...}}`;
        flat, as realtime and responses have it: `{"type": "function", "name": ...}`;
        bare: `{"name": ..., "parameters": ...}`. Raises `InvalidRequest` for anything else.
        """
        fields = _function(said)
        nothing: Schema = {"type": "object", "properties": {}}
        parameters = nothing if (given := fields.get("parameters")) is None else given
        if not isinstance(parameters, Mapping):
            raise _unusable(f"The parameters of the tool are no JSON schema: {parameters!r:.100}.")
        return cls(
            name=cast("str", fields.get("name")),
            description=str(fields.get("description") or ""),
            parameters=dict(cast("Schema", parameters)),
            strict=fields.get("strict") is True,
        )


class Confirm(Protocol):
    """Asks a person whether a call may run; a plain function will do as well."""

    def __call__(
        self, call: ToolCall, arguments: Mapping[str, object], digest: str, /
    ) -> bool | Awaitable[bool]:
        """Tell whether *call* may run with *arguments*, whose SHA-256 is *digest*, in hex."""
        ...


async def _unheard(message: str, fraction: float | None) -> None:
    """Tell nobody."""


class ToolContext(Struct, frozen=True, kw_only=True):
    """The turn a tool is called in; a tool that wants it has a parameter of this type.

    `deadline` is when the turn ends, by the clock of `anyio.current_time`.
    `user` is who asks, as far as the application has said so.
    `confirm` asks a person; None where there is nobody to ask.
    """

    request_id: str
    call_id: str = ""
    session: str | None = None
    user: str | None = None
    deadline: float = math.inf
    confirm: Confirm | None = None
    report: Callable[[str, float | None], Awaitable[None]] = _unheard

    async def progress(self, message: str, fraction: float | None = None) -> None:
        """Tell whoever reads the reply how far the tool is; *fraction* is 0 to 1."""
        await self.report(message, fraction)


class ToolRunner(Protocol):
    """Tools, and what runs them."""

    def specs(self) -> Sequence[ToolSpec]:
        """Return the tools as the model sees them; made on first use, the same ever after."""
        ...

    async def run(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Run one call and return its result, an error the model can recover from included.

        Raises nothing for what a tool or a model does wrong; cancelling goes through.
        """
        ...


def check_tool_name(name: object) -> None:
    """Raise `InvalidRequest` where *name* cannot be the name of a tool."""
    if not (isinstance(name, str) and _NAME.fullmatch(name)) or name in CHOICES:
        raise _unusable(
            f"A tool cannot have the name {name!r:.100}.",
            "A name has 1 to 64 letters, digits, _ and -; auto, none and required mean something.",
        )


def tool_choice_of(said: object) -> ToolChoice:
    """Return the choice *said* in any spelling in use; raises `InvalidRequest` for none.

    `"auto"`, `"none"`, `"required"`, a tool's name, `{"name": ...}`,
    `{"type": "function", "name": ...}`, `{"type": "function", "function": {"name": ...}}`.
    """
    if isinstance(said, str) and said in CHOICES:
        return said
    name = said if isinstance(said, str) else _function(said).get("name")
    check_tool_name(name)
    return cast("ToolChoice", name)


def _function(said: object) -> Mapping[str, object]:
    """Return the fields of the function, however deep they lie."""
    if isinstance(said, Mapping):
        fields = cast("Mapping[str, object]", said)
        inner = fields.get("function", fields)
        if fields.get("type", "function") == "function" and isinstance(inner, Mapping):
            return cast("Mapping[str, object]", inner)
    raise _unusable(f"That names no function a model could call: {said!r:.100}.")


def _unusable(message: str, hint: str | None = None) -> InvalidRequest:
    return InvalidRequest("invalid_request", message, hint=hint, param="tools")
