from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.output import output_format
from chatbots.json_schema import MAX_MISTAKES
from chatbots.output import OutputFormat
from chatbots.testing.threaded import FakeOpenAIThread


class Owner(BaseModel):
    name: str


class Pet(BaseModel):
    name: str
    age: Annotated[int, Field(ge=0)] = 0
    owner: Owner | None = None


class Tree(BaseModel):
    label: str
    branches: list[Tree] = []


@dataclass
class Point:
    x: float
    y: float


class Movie(TypedDict):
    title: str


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


CITY: dict[str, object] = {
    "title": "A city!",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


# Types


@pytest.mark.parametrize(
    ("output_type", "name", "text", "value"),
    [
        (Pet, "Pet", '{"name": "Rex"}', Pet(name="Rex")),
        (Point, "Point", '{"x": 1, "y": 2.5}', Point(1, 2.5)),
        (Movie, "Movie", '{"title": "M"}', {"title": "M"}),
        (Loose, "Loose", '{"a": 1}', Loose.model_validate({"a": 1})),
        (dict[str, int], "answer", '{"a": 1}', {"a": 1}),
    ],
)
def test_a_type_of_objects_is_asked_for_as_it_is(
    output_type: object, name: str, text: str, value: object
) -> None:
    shape = output_format(output_type)
    assert (shape.name, shape.wrapped, shape.schema["type"]) == (name, False, "object")
    assert shape.text_of(text) == text
    assert shape.value_of(text) == value


@pytest.mark.parametrize(
    ("output_type", "text", "value"),
    [
        (int, "3", 3),
        (str, '"ä"', "ä"),
        (list[int], "[1, 2]", [1, 2]),
        (set[int], "[1, 1]", {1}),
        (Literal["a", "b"], '"b"', "b"),
        (Pet | Owner, '{"name": "Ada"}', Pet(name="Ada")),
        (RootModel[list[int]], "[1]", RootModel[list[int]]([1])),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (Tree, '{"label": "a", "branches": [{"label": "b"}]}',
         Tree(label="a", branches=[Tree(label="b")])),
        (Any, "null", None),
    ],
)  # fmt: skip
def test_any_other_type_is_wrapped_into_an_object(
    output_type: object, text: str, value: object
) -> None:
    shape = output_format(output_type)
    assert shape.wrapped
    assert (shape.schema["type"], shape.schema["required"]) == ("object", ["value"])
    assert shape.text_of(f'{{"value": {text}}}') == text
    assert shape.value_of(text) == value


def test_a_closed_type_is_asked_for_strictly() -> None:
    for output_type in (Pet, Point, Movie, list[int], set[int], Tree, Literal["a"], Pet | Owner):
        assert output_format(output_type).strict, output_type
    schema: Any = output_format(Pet).schema
    assert (schema["required"], schema["additionalProperties"]) == (["name", "age", "owner"], False)


def test_an_open_type_is_asked_for_as_well_as_can_be() -> None:
    for output_type in (Loose, dict[str, int], tuple[int, str], Any):
        assert not output_format(output_type).strict, output_type


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "Rex", "age": -1}', "age: Input should be greater than or equal to 0"),
        ('{"name": "Rex", "owner": {}}', "owner.name: Field required"),
        ('{"age": "old"}', "name: Field required; age: Input should be a valid integer"),
        ("Rex", "it: Invalid JSON"),
        ("", "it: Invalid JSON"),
    ],
)
def test_a_wrong_value_is_told_by_its_place(text: str, why: str) -> None:
    with pytest.raises(ProviderError, match=re.escape(why)) as caught:
        output_format(Pet).value_of(text)
    assert "https://" not in str(caught.value)


def test_a_generic_name_is_one_that_the_api_takes() -> None:
    class Page(BaseModel):
        model_config = ConfigDict(title="Seite für Seite " * 9)

    name = output_format(Page).name
    assert re.fullmatch(r"[a-zA-Z0-9_-]{64}", name), name


def test_mistakes_are_told_briefly() -> None:
    text = str([["x" * 5000] * 100]).replace("'", '"')
    for shape in (
        output_format(list[list[int]]),
        output_format({"type": "array", "items": {"items": {"enum": ["y" * 5000]}}}),
    ):
        with pytest.raises(ProviderError) as caught:
            shape.value_of(text)
        assert str(caught.value).count("; ") == MAX_MISTAKES - 1
        assert len(str(caught.value)) < 4000


@pytest.mark.parametrize("output_type", [3, "Pet", object(), Callable[[], int]])
def test_what_is_no_type_is_refused_at_once(output_type: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        output_format(output_type)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "output_type")
    assert "\n" not in str(caught.value)


# Schemas


def test_a_schema_is_asked_for_as_it_is() -> None:
    shape = output_format(CITY)
    assert (shape.schema, shape.name, shape.strict) == (CITY, "A_city_", True)
    assert shape.value_of('{"name": "Ulm", "people": 1}') == {"name": "Ulm", "people": 1}


def test_a_schema_that_leaves_room_is_not_made_stricter() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    shape = output_format(schema)
    assert (shape.schema, shape.name, shape.strict) == (schema, "answer", False)
    assert shape.value_of('{"b": 1}') == {"b": 1}


def test_a_schema_of_anything_but_objects_is_wrapped() -> None:
    shape = output_format({"type": "array", "items": {"type": "string"}})
    assert shape.wrapped
    assert shape.strict
    assert shape.text_of('{"value": ["a"]}') == '["a"]'
    assert shape.value_of('["a"]') == ["a"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "Ulm"}', "$: required must be ['name', 'people']"),
        ('{"name": 5, "people": 0}', "$.name: type must be 'string'; $.people: minimum must be 1"),
        ('{"name": "U", "people": 1, "x": 1}', "$: additionalProperties must be False"),
        ("Ulm", "JSON is malformed"),
        ('{"name": "\\ud800", "people": 1}', "does not fit"),
        ('{"name": "Ulm", "people": NaN}', "malformed"),
        ("[" * 100_000, "does not fit"),
    ],
)
def test_what_does_not_fit_a_schema_is_told_without_quoting_it(text: str, why: str) -> None:
    with pytest.raises(ProviderError, match=re.escape(why)) as caught:
        output_format(CITY).value_of(text)
    assert caught.value.code == "output_invalid"
    assert "Ulm" not in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"properties": 3},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": 3},
    ],
)
def test_a_schema_that_is_none_is_refused_at_once(schema: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="The JSON schema is none: ") as caught:
        output_format(schema)
    assert caught.value.param == "output_type"


def test_a_schema_that_is_elsewhere_is_not_fetched(fake_openai: FakeOpenAIThread) -> None:
    shape = output_format({"type": "object", "$ref": f"{fake_openai.base_url}/schema"})
    with pytest.raises(ChatError, match="refers to what it does not hold") as caught:
        shape.value_of("{}")
    assert caught.value.code == "invalid_request"
    assert not fake_openai.calls


def test_a_schema_of_an_older_draft_is_read_by_its_rules() -> None:
    draft4 = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}},
    }
    with pytest.raises(ProviderError):
        output_format(draft4).value_of('{"n": 0}')


def test_a_shape_is_itself() -> None:
    shape = OutputFormat(name="n", schema={}, parse=str)
    assert output_format(shape) is shape


def test_the_libraries_are_imported_when_they_are_needed() -> None:
    code = (
        "import sys; from chatbots.flow.output import output_format\n"
        "heavy = ('pydantic', 'jsonschema', 'referencing')\n"
        "print([n for n in heavy if n in sys.modules])\n"
        "output_format(int); print([n for n in heavy if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['pydantic']"]
