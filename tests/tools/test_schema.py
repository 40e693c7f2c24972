from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Optional, cast

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import ToolContext
from chatbots.tools.schema import Shape, shape_of, shape_of_schema

HERE = ToolContext(request_id="r")


def shape(function: Callable[..., object]) -> Shape:
    return shape_of(function, name="f")


def properties(function: Callable[..., object]) -> dict[str, Any]:
    return cast("dict[str, Any]", shape(function).parameters["properties"])


def result(function: Callable[..., object], text: str) -> object:
    return shape(function).bind(text, HERE)()


# The schema


NOTHING = object()
"""A default that JSON cannot say."""


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="as in the passport", min_length=1)
    age: int | None = None


class Options(TypedDict):
    deep: bool
    wide: NotRequired[bool]


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045 (a user's spelling)
        (int | float, {"anyOf": [{"type": "integer"}, {"type": "number"}]}),
        (Literal["C", "F"], {"type": "string", "enum": ["C", "F"]}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, Field(ge=1, description="how many")],
            {"type": "integer", "minimum": 1, "description": "how many"},
        ),
    ],
)
def test_a_type_hint_becomes_its_schema(hint: object, said: object) -> None:
    def function(value):  # type: ignore[no-untyped-def]  # hinted below
        return value

    function.__annotations__["value"] = hint
    assert shape(function).parameters == {
        "type": "object",
        "properties": {"value": said},
        "required": ["value"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (Color, {"type": "string", "enum": ["red", "blue"]}),
        (
            Point,
            {
                "type": "object",
                "properties": {
                    "x": {"type": "number"},
                    "y": {"type": "number", "description": "(default: 0.0)"},
                },
                "required": ["x", "y"],
                "additionalProperties": False,
            },
        ),
        (
            Person,
            {
                "type": "object",
                "description": "Somebody.",
                "properties": {
                    "name": {
                        "type": "string",
                        "description": "as in the passport (minLength: 1)",
                    },
                    "age": {
                        "anyOf": [{"type": "integer"}, {"type": "null"}],
                        "description": "(default: null)",
                    },
                },
                "required": ["name", "age"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_a_class_becomes_a_definition(hint: type, said: object) -> None:
    def function(value):  # type: ignore[no-untyped-def]  # hinted below
        return value

    function.__annotations__["value"] = hint
    made = shape(function)
    assert made.strict
    assert made.parameters["$defs"] == {hint.__name__: said}
    assert made.parameters["properties"] == {"value": {"$ref": f"#/$defs/{hint.__name__}"}}


def test_a_default_is_told_and_need_not_be_given() -> None:
    def function(a: int, b: int = 2, c: Color = Color.RED, d: object = NOTHING) -> object:
        return a, b, c, d

    made = shape(function)
    assert not made.strict  # anything at all is nothing strict mode can say
    assert made.parameters["required"] == ["a"]
    assert properties(function)["b"] == {"type": "integer", "default": 2}
    assert result(function, '{"a":1}') == (1, 2, Color.RED, NOTHING)
    assert result(function, '{"a":1,"c":"blue"}') == (1, 2, Color.BLUE, NOTHING)


def test_a_field_may_be_the_default() -> None:
    def function(a: int = Field(5, ge=1, description="how many"), b: str = Field()) -> object:
        return a, b

    assert properties(function)["a"] == {
        "type": "integer",
        "minimum": 1,
        "description": "how many (default: 5)",
    }
    assert result(function, '{"b":"x"}') == (5, "x")
    with pytest.raises(ValueError, match="b: Field required"):
        result(function, "{}")


def test_the_docstring_describes_what_has_no_description_of_its_own() -> None:
    def function(
        a: int, b: Annotated[int, "its own"], c: Annotated[int, Field(description="C")]
    ) -> None:
        """Do it.

        Args:
            a: the first
            b: the second
            c: the third
        """

    assert shape(function).description == "Do it."
    told = {name: one["description"] for name, one in properties(function).items()}
    assert told == {"a": "the first", "b": "its own", "c": "C"}


def test_a_property_may_be_called_title_or_like_a_models_own() -> None:
    def function(
        title: str, schema: int, model_config: int, _hidden: int, json: str = "x"
    ) -> object:
        return title, schema, model_config, _hidden, json

    assert list(properties(function)) == ["title", "schema", "model_config", "_hidden", "json"]
    text = '{"title":"t","schema":1,"model_config":2,"_hidden":3,"json":"j"}'
    assert result(function, text) == ("t", 1, 2, 3, "j")


def test_open_objects_are_said_but_not_strictly() -> None:
    def function(a: dict[str, int], b: Options) -> object:
        return a, b

    made = shape(function)
    assert not made.strict
    assert "additionalProperties" in properties(function)["a"]
    text = '{"a":{"x":1},"b":{"deep":true}}'
    assert result(function, text) == ({"x": 1}, {"deep": True})


def test_the_context_is_given_and_not_asked_for() -> None:
    def first(ctx: ToolContext, a: int) -> object:
        return ctx, a

    def last(a: int, *, ctx: ToolContext | None = None) -> object:
        return ctx, a

    for function in (first, last):
        assert list(properties(function)) == ["a"]
        assert result(function, '{"a":1}') == (HERE, 1)
        with pytest.raises(ValueError, match="ctx: Extra inputs are not permitted"):
            result(function, '{"a":1,"ctx":{}}')


def test_what_can_be_called_can_be_a_tool() -> None:
    class Scale:
        """No description of a call."""

        def __init__(self, by: int = 3) -> None:
            self.by = by

        def times(self, a: int) -> int:
            """Scale it."""
            return a * self.by

        def __call__(self, a: int) -> int:
            """Call it."""
            return a * self.by

    def add(a: int, b: int) -> int:
        return a + b

    assert result(Scale().times, '{"a":2}') == 6
    assert shape(Scale().times).description == "Scale it."
    assert result(Scale(), '{"a":2}') == 6
    assert shape(Scale()).description == "Call it."
    assert result(functools.partial(add, 1), '{"b":2}') == 3
    assert list(properties(functools.partial(add, 1))) == ["b"]
    made = result(Scale, '{"by":2}')
    assert isinstance(made, Scale)
    assert made.by == 2


def test_positions_and_names_are_kept() -> None:
    def function(a: int, /, b: int, *, c: int) -> object:
        return a, b, c

    assert result(function, '{"c":3,"b":2,"a":1}') == (1, 2, 3)


class Opaque:
    """Nothing pydantic knows."""


def _untold(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821 (the mistake)
def _opaque(a: Opaque) -> None: ...
def _any_number(*numbers: int) -> None: ...
def _any_name(**named: int) -> None: ...
def _called(a: Callable[[], int]) -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_untold, "its signature cannot be read: name 'Nowhere' is not defined"),
        (_opaque, "Unable to generate pydantic-core schema"),
        (_any_number, "the model cannot give it \\*numbers"),
        (_any_name, "the model cannot give it \\*\\*named"),
        (_called, "JsonSchema"),
        (max, "its signature cannot be read: no signature found"),
    ],
)
def test_what_no_model_could_call_is_refused(function: Callable[..., object], why: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^'f' cannot be a tool: .*{why}") as caught:
        shape(function)
    assert caught.value.param == "tools"


# Arguments


def test_whole_numbers_of_any_size_stay_exact() -> None:
    def square(a: int, b: int | float = 0) -> object:
        return a * a, b

    big = 10**40 + 1
    assert result(square, f'{{"a":{big},"b":{big}}}') == (big * big, big)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "a: Field required"),
        ("", "a: Field required"),
        ('{"a":1,"z":2}', "z: Extra inputs are not permitted"),
        ('{"a":"1"}', "a: Input should be a valid integer"),
        ('{"a":true}', "a: Input should be a valid integer"),
        ('{"a":1.5}', "a: Input should be a valid integer"),
        ('{"a":null}', "a: Input should be a valid integer"),
        ('{"a":1,"who":{"name":3}}', "who.name: Input should be a valid string"),
        ("[1]", "it: Input should be an object"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_what_is_wrong(text: str, why: str) -> None:
    def function(a: int, who: Person | None = None) -> None: ...

    with pytest.raises(ValueError, match=why):
        result(function, text)


def test_what_was_given_is_not_quoted() -> None:
    def function(a: int) -> None: ...

    with pytest.raises(ValueError, match="valid integer") as caught:
        result(function, '{"a":"hunter2"}')
    assert "hunter2" not in str(caught.value)


# Tools that say themselves what they take

CITY: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def of_schema(schema: dict[str, object]) -> Shape:
    return shape_of_schema("Tell it.", schema, lambda ctx, args: (ctx, args), name="f")


def test_a_tool_may_say_itself_what_it_takes() -> None:
    made = of_schema(CITY)
    assert (made.description, made.parameters, made.strict) == ("Tell it.", CITY, False)
    assert made.bind('{"city":"Z","more":1}', HERE)() == (HERE, {"city": "Z", "more": 1})
    assert of_schema({**CITY, "additionalProperties": False}).strict


@pytest.mark.parametrize("text", ["{}", '{"city":1}', "[]", '{"city":"Z","city":"B"}'])
def test_what_does_not_fit_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"city|no JSON object|twice"):
        of_schema(CITY).bind(text, HERE)


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'f' cannot be a tool: its JSON schema is none"):
        of_schema({"type": "nothing"})
