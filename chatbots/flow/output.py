"""A type or a JSON schema becomes the shape that an answer is asked in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from chatbots.errors import InvalidRequest
from chatbots.json_schema import BadSchema, joined, mistakes_in, strict, told, wrapped
from chatbots.output import OutputFormat, Schema


def output_format(output_type: object) -> OutputFormat:
    """Return the shape for *output_type*.

    That is any type pydantic knows: a model, a dataclass, a `TypedDict`, `list[int]`, a `Literal`;
    or a JSON schema as a mapping, draft 2020-12 if it names no other; or an `OutputFormat`.
    Raises `InvalidRequest` for anything else.
    """
    if isinstance(output_type, OutputFormat):
        return cast("OutputFormat", output_type)
    if isinstance(output_type, Mapping):
        return _of_schema(dict(cast("Schema", output_type)))
    return _of_type(output_type)


def _of_type(output_type: Any) -> OutputFormat:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    try:
        adapter = TypeAdapter[Any](output_type)
        schema = adapter.json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        why = error.message.partition("\n")[0]
        raise _unusable(f"{output_type!r} has no JSON schema", why) from error

    def parse(text: str) -> object:
        try:
            return adapter.validate_json(text)
        except ValidationError as error:
            raise ValueError(told(error)) from error

    return _made(schema, parse, closing=True)


def _of_schema(schema: dict[str, object]) -> OutputFormat:
    try:
        mistakes = mistakes_in(schema)
    except BadSchema as error:
        raise _unusable("The JSON schema is none", str(error)) from error

    def parse(text: str) -> object:
        value = msgspec.json.decode(text)
        try:
            wrong = joined(mistakes(value))
        except BadSchema as error:
            raise _unusable(
                "The JSON schema refers to what it does not hold", str(error)
            ) from error
        if wrong:
            raise ValueError(wrong)
        return value

    return _made(schema, parse, closing=False)


def _made(
    schema: dict[str, object], parse: Callable[[str], object], *, closing: bool
) -> OutputFormat:
    """Put *schema* into the form the API takes; *closing* it may make it stricter than it was."""
    title = re.sub(r"[^a-zA-Z0-9_-]", "_", str(schema.get("title", "")))[:64]
    bare = schema.get("type") != "object"
    asked = wrapped(schema) if bare else schema
    closed = strict(asked)
    is_strict = closed is not None and (closing or closed == asked)
    return OutputFormat(
        name=title or "answer",
        schema=closed if closed is not None and is_strict else asked,
        parse=parse,
        strict=is_strict,
        wrapped=bare,
    )


def _unusable(what: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        "invalid_request",
        f"{what}: {why.rstrip('.')}.",
        hint="An output type is a type that pydantic knows, or a JSON schema.",
        param="output_type",
    )
