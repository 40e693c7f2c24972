"""A type or a JSON schema becomes the shape that an answer is asked in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, cast

import msgspec

from chatbots.errors import InvalidRequest
from chatbots.json_schema import strict, wrapped
from chatbots.output import OutputFormat, Schema

MAX_MISTAKES: Final = 10
MAX_MISTAKE: Final = 300
"""How many mistakes are told of one answer, and how much of each, in characters."""


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
            found = error.errors(include_url=False, include_context=False, include_input=False)
            told = (f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found)
            raise ValueError(_joined(told)) from error

    return _made(schema, parse, closing=True)


def _of_schema(schema: dict[str, object]) -> OutputFormat:
    import jsonschema
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise _unusable("The JSON schema is none", f"{error.json_path}: {error.message}") from error
    # With a registry of its own it fetches nothing from elsewhere.
    validator = kind(schema, registry=Registry())

    def parse(text: str) -> object:
        value = msgspec.json.decode(text)
        try:
            # Not jsonschema's own words: they quote the answer, and errors are logged.
            wrong = _joined(
                f"{one.json_path}: {one.validator} must be {one.validator_value!r}"
                for one in validator.iter_errors(value)
            )
        except Unresolvable as error:
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


def _joined(mistakes: Iterable[str]) -> str:
    return "; ".join(mistake[:MAX_MISTAKE] for mistake in islice(mistakes, MAX_MISTAKES))


def _unusable(what: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        "invalid_request",
        f"{what}: {why.rstrip('.')}.",
        hint="An output type is a type that pydantic knows, or a JSON schema.",
        param="output_type",
    )
