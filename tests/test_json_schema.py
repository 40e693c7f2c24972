from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from chatbots.json_schema import (
    MAX_MISTAKE,
    MAX_MISTAKES,
    BadSchema,
    joined,
    mistakes_in,
    strict,
    told,
    wrapped,
)

OPEN = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
CLOSED = OPEN | {"required": ["a", "b"], "additionalProperties": False}


def test_an_object_is_closed_and_all_of_it_required() -> None:
    assert strict(OPEN) == CLOSED
    assert strict(OPEN | {"required": ["b"], "additionalProperties": False}) == CLOSED
    assert strict({"type": "object"}) == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("outer", "same"),
    [
        (lambda inner: {"type": "array", "items": inner}, True),
        (lambda inner: {"anyOf": [inner, {"type": "null"}]}, True),
        (lambda inner: {"$ref": "#/$defs/A", "$defs": {"A": inner}}, False),
        (lambda inner: {"type": "object", "properties": {"x": inner}}, False),
    ],
)
def test_objects_within_are_closed_as_well(outer: Any, same: bool) -> None:
    closed = str(strict(outer(OPEN)))
    assert str(CLOSED) in closed
    if same:
        assert strict(outer(OPEN)) == outer(CLOSED)


def test_one_of_becomes_any_of() -> None:
    schema = {"oneOf": [{"type": "string"}], "discriminator": {"propertyName": "kind"}}
    assert strict(schema) == {"anyOf": [{"type": "string"}]}


@pytest.mark.parametrize(
    ("schema", "description"),
    [
        ({"type": "string", "minLength": 3}, "(minLength: 3)"),
        ({"type": "string", "format": "uri", "description": "Where."}, 'Where. (format: "uri")'),
        ({"type": "integer", "default": 3, "description": "How many."}, "How many. (default: 3)"),
        ({"type": "string", "minLength": 3, "default": "x"}, '(minLength: 3, default: "x")'),
    ],
)
def test_what_cannot_be_demanded_is_said(schema: dict[str, object], description: str) -> None:
    assert strict(schema) == {"type": schema["type"], "description": description}


def test_what_can_be_demanded_is_kept() -> None:
    for schema in (
        {"type": "string", "format": "date-time", "pattern": "^2", "description": "When."},
        {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1, "maxItems": 2},
        {"enum": ["a", 1]},
        {"const": "a", "title": "A"},
        {"type": ["string", "null"]},
    ):
        assert strict(schema) == schema


def test_a_reference_stands_alone() -> None:
    assert strict({"$ref": "#/$defs/A", "description": "The owner."}) == {
        "anyOf": [{"$ref": "#/$defs/A"}],
        "description": "The owner.",
    }
    assert strict({"$ref": "#/$defs/A"}) == {"$ref": "#/$defs/A"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "additionalProperties": True},
        {"type": "array", "prefixItems": [{"type": "integer"}]},
        {"type": "array", "items": {}},
        {"type": "array", "items": True},
        {"allOf": [{"type": "integer"}]},
        {"anyOf": [{"type": "integer"}, {"title": "Anything"}]},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "patternProperties": {"^a": {"type": "integer"}}},
    ],
)
def test_what_strict_mode_cannot_say_is_not_strict(schema: dict[str, object]) -> None:
    assert strict(schema) is None


def test_the_schema_given_stays_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
    strict(schema)
    assert schema == {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}


def test_a_wrapped_schema_still_finds_what_it_refers_to() -> None:
    node = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "array",
                "items": {"$ref": "#/$defs/Node"},
            }
        },
    }
    whole = wrapped(node)
    assert whole["properties"] == {"value": {"$ref": "#/$defs/Node"}}
    jsonschema.validate({"value": [[], [[]]]}, whole)
    for wrong in ({"value": [1]}, {}, {"value": [], "more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, whole)


# Mistakes


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"city": "Z"}, []),
        ({}, ["$: required must be ['city']"]),
        ({"city": 1}, ["$.city: type must be 'string'"]),
        ([], ["$: type must be 'object'"]),
    ],
)
def test_the_mistakes_of_a_value_are_told(value: object, wrong: list[str]) -> None:
    assert list(mistakes_in(CITY)(value)) == wrong


def test_a_schema_may_name_its_draft() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 1}
    assert list(mistakes_in({**old, "exclusiveMaximum": True})(1))
    with pytest.raises(BadSchema, match="exclusiveMaximum"):
        mistakes_in({"exclusiveMaximum": True})


def test_a_schema_that_refers_to_what_it_does_not_hold_is_found_out_by_a_value() -> None:
    mistakes = mistakes_in({"$ref": "http://127.0.0.1:9/other.json"})
    with pytest.raises(BadSchema, match=r"other\.json"):
        list(mistakes(1))


def test_what_pydantic_found_is_told_without_what_was_there() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_python({"a": "hunter2"})
    assert told(caught.value).startswith("a: Input should be a valid integer")
    assert "hunter2" not in told(caught.value)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")
    assert told(caught.value).startswith("it: Input")


def test_only_so_many_mistakes_are_told() -> None:
    assert joined(["a", "b"]) == "a; b"
    assert joined(["x" * 1000] * 100).count("x") == MAX_MISTAKES * MAX_MISTAKE
