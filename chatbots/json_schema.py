"""JSON schemas as the API takes them, strict where that can be said, and what does not fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from chatbots.output import WRAPPER, Schema

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_MISTAKES: Final = 10
MAX_MISTAKE: Final = 300
"""How many mistakes are told of one value, and how much of each, in characters."""

# What strict mode takes, by the guide to structured outputs in OpenAI's API documentation.
_SHAPES: Final = frozenset({"type", "enum", "const", "$ref", "anyOf", "oneOf"})
_INNER: Final = frozenset({"properties", "$defs", "items", "anyOf", "oneOf"})
_KEPT: Final = frozenset({"type", "enum", "const", "$ref", "title", "description", "pattern"}) | {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minItems", "maxItems", "format"),
}
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_TOLD: Final = frozenset({"minLength", "maxLength", "uniqueItems", "format", "default"})
"""What strict mode does not take is said in the description instead."""
_DROPPED: Final = frozenset({"required", "examples", "discriminator", "deprecated", "$schema"})


class BadSchema(ValueError):
    """It is no JSON schema, or refers to what it does not hold."""


class _Loose(Exception):
    """Strict mode cannot say this."""


def wrapped(schema: Schema) -> dict[str, object]:
    """Return the schema of an object whose one property, `value`, has *schema*."""
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    return {
        "type": "object",
        "properties": {WRAPPER: {k: v for k, v in schema.items() if k not in shared}},
        "required": [WRAPPER],
        "additionalProperties": False,
        **shared,
    }


def strict(schema: Schema) -> dict[str, object] | None:
    """Return *schema* as strict mode takes it: closed objects, every property required.

    None where strict mode cannot say it: open objects, tuples, anything at all.
    """
    try:
        return _strict(schema)
    except _Loose:
        return None


def _strict(schema: object) -> dict[str, object]:
    if not (isinstance(schema, Mapping) and schema.keys() & _SHAPES):
        raise _Loose
    made: dict[str, object] = {}
    told: list[str] = []
    for key, value in cast("Schema", schema).items():
        if key in _INNER:
            made["anyOf" if key == "oneOf" else key] = _inside(key, value)
        elif key in _KEPT and (key != "format" or value in _FORMATS):
            made[key] = value
        elif key in _TOLD:
            told.append(f"{key}: {msgspec.json.encode(value).decode()}")
        elif key not in _DROPPED and (key, value) != ("additionalProperties", False):
            raise _Loose
    if made.get("type") == "object":
        names = list(cast("Schema", made.setdefault("properties", {})))
        made |= {"required": names, "additionalProperties": False}
    if told:
        made["description"] = f"{made.get('description', '')} ({', '.join(told)})".strip()
    if "$ref" in made and len(made) > 1:  # It may have nothing beside it.
        made["anyOf"] = [{"$ref": made.pop("$ref")}]
    return made


def _inside(key: str, value: object) -> object:
    if key == "items":
        return _strict(value)
    if key in ("anyOf", "oneOf"):
        return [_strict(one) for one in cast("list[object]", value)]
    return {name: _strict(one) for name, one in cast("Schema", value).items()}


def mistakes_in(schema: Schema) -> Callable[[Any], Iterator[str]]:
    """Return what tells the mistakes of a value by *schema*: draft 2020-12 if it names no other.

    Raises `BadSchema`, at once or when a value is looked at.
    """
    import jsonschema
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise BadSchema(f"{error.json_path}: {error.message}") from error
    # With a registry of its own it fetches nothing from elsewhere.
    validator = kind(dict(schema), registry=Registry())

    def mistakes(value: Any) -> Iterator[str]:
        try:
            # Not jsonschema's own words: they quote the value, and errors are logged.
            for one in validator.iter_errors(value):
                yield f"{one.json_path}: {one.validator} must be {one.validator_value!r}"
        except Unresolvable as error:
            raise BadSchema(str(error)) from error

    return mistakes


def told(error: ValidationError) -> str:
    """Return the mistakes pydantic has found, without what was in their place."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return joined(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found)


def joined(mistakes: Iterable[str]) -> str:
    """Return the first of the *mistakes* as one text."""
    return "; ".join(mistake[:MAX_MISTAKE] for mistake in islice(mistakes, MAX_MISTAKES))
