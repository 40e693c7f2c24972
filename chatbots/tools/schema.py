"""A function's signature becomes a JSON schema and what checks a call against it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_args, get_type_hints

from msgspec import Struct

from chatbots.errors import InvalidRequest
from chatbots.json_schema import BadSchema, joined, mistakes_in, strict, told
from chatbots.output import Schema
from chatbots.tool_calls import ToolContext
from chatbots.tools.arguments import WHITE, read_arguments
from chatbots.tools.docstring import read_docstring

if TYPE_CHECKING:
    from pydantic import BaseModel

_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Shape(Struct, frozen=True, kw_only=True):
    """What a tool takes: `parameters` as a JSON schema, `strict` if strict mode can say them.

    `bind` makes of a call's arguments, as JSON text, what runs the tool with them;
    it raises `ValueError`, for the model to read, where they do not fit.
    """

    description: str
    parameters: Schema
    strict: bool
    bind: Callable[[str, ToolContext], Callable[[], object]]


def shape_of(function: Callable[..., object], *, name: str) -> Shape:
    """Return what the tool *name* takes that is this *function*.

    Raises `InvalidRequest` where pydantic cannot say what a parameter is.
    """
    described = underlying(function)
    signature, hints = _signature(function, described, name)
    description, meanings = read_docstring(inspect.getdoc(described))
    taken: dict[str, Any] = {}
    context: str | None = None
    for parameter in signature.parameters.values():
        hint = hints.get(parameter.name, Any)
        if parameter.kind in _VARIADIC:
            raise _unusable(name, f"the model cannot give it {parameter}")
        if hint is ToolContext or ToolContext in get_args(hint):
            context = parameter.name
        else:
            taken[parameter.name] = _field(parameter, hint, meanings.get(parameter.name))
    model, fields = _model(name, taken)

    def bind(text: str, here: ToolContext) -> Callable[[], object]:
        values = _checked(model, text, fields, signature)
        if context is not None:
            values[context] = here
        ordered = {key: values[key] for key in signature.parameters if key in values}
        bound = inspect.BoundArguments(signature, cast("Any", ordered))
        return functools.partial(function, *bound.args, **bound.kwargs)

    return _shape(description, _schema(model), bind, closing=True)


def shape_of_schema(
    description: str, parameters: Schema, execute: Callable[..., object], *, name: str
) -> Shape:
    """Return what a tool takes that says so itself, as a JSON schema.

    *execute* is called with the context and the arguments, as a dict.
    Raises `InvalidRequest` for a schema that is none.
    """
    try:
        mistakes = mistakes_in(parameters)
    except BadSchema as error:
        raise _unusable(name, f"its JSON schema is none: {error}") from error

    def bind(text: str, here: ToolContext) -> Callable[[], object]:
        arguments = read_arguments(text)
        if wrong := joined(mistakes(arguments)):
            raise ValueError(wrong)
        return functools.partial(execute, here, arguments)

    return _shape(description, parameters, bind, closing=False)


def _shape(
    description: str,
    schema: Schema,
    bind: Callable[[str, ToolContext], Callable[[], object]],
    *,
    closing: bool,
) -> Shape:
    """Make the shape, strict where that can be said; *closing* it may change the schema."""
    closed = strict(schema)
    is_strict = closed is not None and (closing or closed == schema)
    parameters = closed if closed is not None and is_strict else schema
    return Shape(description=description, parameters=parameters, strict=is_strict, bind=bind)


def underlying(function: Callable[..., object]) -> Callable[..., object]:
    """Return where the hints and the docstring of *function* are."""
    while isinstance(function, functools.partial):
        function = cast("functools.partial[object]", function).func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return cast("Callable[..., object]", type(function).__call__)


def _signature(
    function: Callable[..., object], described: Callable[..., object], name: str
) -> tuple[inspect.Signature, dict[str, Any]]:
    hinted = described.__init__ if inspect.isclass(described) else described
    try:
        return inspect.signature(function), get_type_hints(hinted, include_extras=True)
    except (NameError, TypeError, ValueError) as error:
        raise _unusable(name, f"its signature cannot be read: {error}") from error


def _field(parameter: inspect.Parameter, hint: Any, meaning: str | None) -> tuple[Any, Any]:
    """Return a field of a model for a parameter: its type, what it means, its default."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    default = parameter.default
    said: tuple[object, ...] = getattr(hint, "__metadata__", ())
    told = (default, *said)
    text = next((one for one in said if isinstance(one, str)), None)
    if text is None and not any(isinstance(one, FieldInfo) and one.description for one in told):
        text = meaning
    hint = Annotated[hint, Field(description=text)] if text else hint
    # By an alias: a model may have no field of some names.
    hint = Annotated[hint, Field(alias=parameter.name)]
    return hint, ... if default is inspect.Parameter.empty else default


def _model(name: str, taken: dict[str, Any]) -> tuple[type[BaseModel], dict[str, str]]:
    from pydantic import ConfigDict, create_model
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    fields = {f"p{number}": key for number, key in enumerate(taken)}
    try:
        config = ConfigDict(extra="forbid")
        made: Any = {field: taken[key] for field, key in fields.items()}
        return create_model(name, __config__=config, **made), fields
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise _unusable(name, error.message.partition("\n")[0]) from error


def _checked(
    model: type[BaseModel], text: str, fields: dict[str, str], signature: inspect.Signature
) -> dict[str, object]:
    """Return the values for the parameters; those that were not given keep their defaults."""
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo

    try:
        made = model.model_validate_json(text.strip(WHITE) or "{}", strict=True)
    except ValidationError as error:
        raise ValueError(told(error)) from None
    return {
        key: getattr(made, field)
        for field, key in fields.items()
        if field in made.model_fields_set
        or isinstance(signature.parameters[key].default, FieldInfo)
    }


def _schema(model: type[BaseModel]) -> dict[str, object]:
    from pydantic.errors import PydanticInvalidForJsonSchema
    from pydantic.json_schema import GenerateJsonSchema

    class Quiet(GenerateJsonSchema):
        # A default that JSON cannot say is the function's own business.
        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012

    try:
        schema = model.model_json_schema(schema_generator=Quiet)
    except PydanticInvalidForJsonSchema as error:
        raise _unusable(model.__name__, error.message) from error
    return cast("dict[str, object]", _untitled(schema))


def _untitled(schema: object) -> object:
    """Leave out the titles, which say what the names say, and cost tokens."""
    if isinstance(schema, list):
        return [_untitled(one) for one in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, object] = {}
    for key, value in cast("dict[str, Any]", schema).items():
        if key in ("properties", "$defs"):
            made[key] = {name: _untitled(one) for name, one in value.items()}
        elif key != "title":
            literal = key in ("default", "enum", "const", "examples")
            made[key] = value if literal else _untitled(value)
    return made


def _unusable(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        "invalid_request",
        f"{name!r} cannot be a tool: {why.rstrip('.')}.",
        hint="Give each parameter a type that pydantic knows.",
        param="tools",
    )
