"""A tool: a function the model may call, and how it is to be called."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from types import MethodType
from typing import Any, Final, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from msgspec import Struct
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import ToolContext, ToolSpec, check_tool_name
from chatbots.tools.schema import Shape, shape_of, shape_of_schema, underlying

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds a call may take."""
MAX_RESULT: Final = 64 * 1024
"""Characters a result may have: the model reads all of it, again in every later request."""


class Marks(Struct, frozen=True, kw_only=True):
    """How a tool is to be called.

    `timeout` is in seconds, `max_result` in characters. `confirm`: a person is asked before.
    `idempotent`: twice is as good as once. `remote`: it may be called from another process.
    `strict`: False to let the model write what does not fit; it is told then.
    """

    timeout: float = DEFAULT_TIMEOUT
    max_result: int = MAX_RESULT
    confirm: bool = False
    idempotent: bool = False
    remote: bool = False
    strict: bool = True

    def __post_init__(self) -> None:
        for name, value in (("timeout", self.timeout), ("max_result", self.max_result)):
            if not (math.isfinite(value) and value > 0):
                raise InvalidRequest(
                    "invalid_request", f"A tool's {name} must be more than 0, not {value}."
                )


class Described(Protocol):
    """A tool that says itself what it takes; marks of a `Tool` are attributes it may have."""

    @property
    def name(self) -> str:
        """What the model calls it."""
        ...

    @property
    def description(self) -> str:
        """What the model is told of it."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """The JSON schema of an object."""
        ...

    def execute(self, ctx: ToolContext, args: dict[str, Any], /) -> object | Awaitable[object]:
        """Return the result."""
        ...


class Tool(Generic[P, R_co]):
    """A function the model may call; it can still be called as a function.

    Its schema is made on first use, and raises `InvalidRequest` where there is none.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        marks: Marks | None = None,
        shape: Callable[[], Shape] | None = None,
    ) -> None:
        self.name = name or _name_of(function)
        self.function = function
        self.marks = marks or Marks()
        self._description = description
        self._make_shape = shape or partial(shape_of, function, name=self.name)
        check_tool_name(self.name)
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool[..., R_co]:
        """Return the tool of an *instance*, for a method."""
        if instance is None:
            return self
        bound = MethodType(self.function, instance)
        return Tool(bound, name=self.name, description=self._description, marks=self.marks)

    @property
    def is_async(self) -> bool:
        """Whether a call is awaited; others run in a thread."""
        return inspect.iscoroutinefunction(underlying(self.function))

    @cached_property
    def shape(self) -> Shape:
        """What it takes."""
        return self._make_shape()

    @cached_property
    def spec(self) -> ToolSpec:
        """What the model sees of it."""
        return ToolSpec(
            name=self.name,
            description=self._description or self.shape.description,
            parameters=self.shape.parameters,
            strict=self.shape.strict and self.marks.strict,
        )


class _Decorator(Protocol):
    def __call__(self, function: Callable[P, R_co], /) -> Tool[P, R_co]: ...


@overload
def tool(function: Callable[P, R_co], /) -> Tool[P, R_co]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_result: int = MAX_RESULT,
    confirm: bool = False,
    idempotent: bool = False,
    remote: bool = False,
    strict: bool = True,
) -> _Decorator: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    **marks: Any,
) -> Any:
    """Make a function a tool: `@tool`, or `@tool(confirm=True)` and other fields of `Marks`.

    The model is told its docstring, its type hints and what the docstring says of parameters;
    the name and the description can be given instead.
    """
    made = partial(Tool[..., Any], name=name, description=description, marks=Marks(**marks))
    return made if function is None else made(function)


def tool_of(given: object) -> Tool[..., Any]:
    """Return the tool that is *given* as one, as a function, or as an object; see `Described`.

    Raises `InvalidRequest` for anything else.
    """
    if isinstance(given, Tool):
        return cast("Tool[..., Any]", given)
    if all(hasattr(given, name) for name in ("name", "description", "parameters", "execute")):
        return _described(cast("Described", given))
    if callable(given):
        return Tool(given)
    raise InvalidRequest(
        "invalid_request",
        f"That is no tool: {given!r}.",
        hint="A tool is a function, or has a name, a description, parameters and execute.",
        param="tools",
    )


def _described(given: Described) -> Tool[..., Any]:
    said = {name: getattr(given, name, None) for name in Marks.__struct_fields__}
    description = given.description

    def shape() -> Shape:
        return shape_of_schema(description, given.parameters, given.execute, name=given.name)

    marks = replace(Marks(), **{name: value for name, value in said.items() if value is not None})
    return Tool(given.execute, name=given.name, description=description, marks=marks, shape=shape)


def _name_of(function: Callable[..., object]) -> str:
    while isinstance(function, partial):
        function = cast("partial[object]", function).func
    return getattr(function, "__name__", type(function).__name__)
