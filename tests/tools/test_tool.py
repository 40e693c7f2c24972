from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import ToolContext, ToolSpec
from chatbots.tools.tool import DEFAULT_TIMEOUT, MAX_RESULT, Marks, Tool, tool, tool_of


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@tool(name="erase", description="Erase it.", confirm=True, timeout=5, max_result=10, remote=True)
async def erase_file(path: str) -> None:
    """Not told."""


# The decorator


def test_a_tool_can_still_be_called() -> None:
    assert multiply(6, 7) == 42
    assert multiply.__doc__ == "Multiply two numbers."


async def test_an_async_one_too() -> None:
    await erase_file("a")
    assert (erase_file.is_async, multiply.is_async) == (True, False)


@pytest.mark.checklist(222)
def test_a_tool_is_told_to_the_model_by_its_name_docstring_and_types() -> None:
    number = {"type": "integer"}
    assert multiply.spec == ToolSpec(
        name="multiply",
        description="Multiply two numbers.",
        parameters={
            "type": "object",
            "properties": {"a": number, "b": number},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        strict=True,
    )


def test_a_tool_may_have_another_name_description_and_marks() -> None:
    assert (erase_file.spec.name, erase_file.spec.description) == ("erase", "Erase it.")
    assert erase_file.marks == Marks(timeout=5, max_result=10, confirm=True, remote=True)
    assert multiply.marks == Marks(timeout=DEFAULT_TIMEOUT, max_result=MAX_RESULT)


def test_a_tool_may_be_less_strict() -> None:
    @tool(strict=False)
    def loose(a: int) -> None: ...

    assert not loose.spec.strict


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["timeout", "max_result"])
def test_a_bound_is_a_number_above_0(name: str, value: float) -> None:
    with pytest.raises(InvalidRequest, match=f"A tool's {name} must be more than 0"):
        tool(**{name: value})  # type: ignore[call-overload]  # the mistake under test


def test_a_name_the_api_does_not_take_is_refused_at_once() -> None:
    with pytest.raises(InvalidRequest, match="cannot have the name '<lambda>'"):
        tool(lambda: None)


def test_a_method_belongs_to_its_instance() -> None:
    class Scale:
        by = 3

        @tool(confirm=True)
        def times(self, a: int) -> int:
            return a * self.by

    assert isinstance(Scale.times, Tool)
    bound = Scale().times
    assert (bound.name, bound.marks.confirm) == ("times", True)
    assert list(bound.spec.parameters["properties"]) == ["a"]  # type: ignore[call-overload]  # JSON
    assert bound(2) == 6


# What is given as one


def test_a_tool_is_a_tool() -> None:
    assert tool_of(multiply) is multiply


@pytest.mark.checklist(53)
def test_a_function_becomes_a_tool() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    assert tool_of(add).name == "add"
    assert tool_of(partial(partial(add, 1), 2)).name == "add"


def test_whatever_can_be_called_becomes_a_tool() -> None:
    class Later:
        async def __call__(self) -> None: ...

    assert tool_of(Later()).name == "Later"
    assert tool_of(Later()).is_async
    assert tool_of(partial(erase_file.function, "a")).is_async


class Weather:
    name = "get_weather"
    description = "Tell the weather."
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}  # noqa: RUF012 (a user's way)
    timeout = 3.0
    confirm = None

    def execute(self, ctx: ToolContext, args: dict[str, Any]) -> object:
        return ctx.request_id, args


@pytest.mark.checklist(222)
def test_an_object_may_describe_itself() -> None:
    made = tool_of(Weather())
    assert made.spec == ToolSpec(
        name="get_weather", description="Tell the weather.", parameters=Weather.parameters
    )
    assert made.marks == Marks(timeout=3.0)
    call = made.shape.bind('{"city":"Z"}', ToolContext(request_id="r"))
    assert call() == ("r", {"city": "Z"})


@pytest.mark.parametrize("given", [None, "multiply", 3, {"name": "x"}])
def test_anything_else_is_no_tool(given: object) -> None:
    with pytest.raises(InvalidRequest, match="That is no tool") as caught:
        tool_of(given)
    assert caught.value.param == "tools"
