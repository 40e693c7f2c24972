from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import (
    ToolCall,
    ToolContext,
    ToolResult,
    ToolSpec,
    check_tool_name,
    tool_choice_of,
)

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = ToolSpec(name="get_weather", description="Tell it.", parameters=PARAMETERS)
BARE: dict[str, object] = {
    "name": "get_weather",
    "description": "Tell it.",
    "parameters": PARAMETERS,
}


# What is offered


@pytest.mark.checklist(215)
@pytest.mark.parametrize(
    "said", [{"type": "function", "function": BARE}, {"type": "function", **BARE}, BARE]
)
def test_a_tool_is_read_in_all_three_shapes(said: Mapping[str, object]) -> None:
    assert ToolSpec.of(said) == WEATHER


def test_a_tool_needs_no_more_than_a_name() -> None:
    nothing = {"type": "object", "properties": {}}
    assert ToolSpec.of({"name": "now"}) == ToolSpec(name="now", description="", parameters=nothing)
    described = {"name": "now", "description": None, "parameters": None, "strict": None}
    assert ToolSpec.of(described) == ToolSpec.of({"name": "now"})


def test_a_tool_may_be_strict() -> None:
    assert ToolSpec.of({**BARE, "strict": True}).strict


@pytest.mark.parametrize(
    "said",
    [
        None,
        "get_weather",
        [BARE],
        {"type": "web_search"},
        {"type": "custom", "name": "x"},
        {"type": "function", "function": "x"},
        {"description": "It has no name."},
        {"name": 3},
        {"name": "x", "parameters": []},
    ],
)
def test_what_is_no_tool_is_refused(said: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ToolSpec.of(said)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "tools")


def test_a_tool_is_written_as_the_api_has_it() -> None:
    assert msgspec.to_builtins(WEATHER) == BARE
    strict = msgspec.structs.replace(WEATHER, strict=True)
    assert msgspec.to_builtins(strict) == {**BARE, "strict": True}


@pytest.mark.parametrize("name", ["a", "get_weather", "Tool-9", "x" * 64])
def test_a_name_may_be_one_the_api_takes(name: str) -> None:
    check_tool_name(name)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a b", "wetter.zürich", "a\n", None, "auto", "none", "required"]
)
def test_another_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidRequest, match="cannot have the name"):
        check_tool_name(name)


# What is chosen


@pytest.mark.parametrize("choice", ["auto", "none", "required", "get_weather"])
def test_a_choice_may_be_a_word(choice: str) -> None:
    assert tool_choice_of(choice) == choice


@pytest.mark.parametrize(
    "said",
    [
        {"type": "function", "function": {"name": "f"}},
        {"type": "function", "name": "f"},
        {"name": "f"},
        "f",
    ],
)
def test_a_choice_names_its_tool_in_every_spelling(said: object) -> None:
    assert tool_choice_of(said) == "f"


@pytest.mark.parametrize("said", [None, {}, "a b", {"name": "auto"}, {"type": "allowed_tools"}])
def test_what_is_no_choice_is_refused(said: object) -> None:
    with pytest.raises(InvalidRequest):
        tool_choice_of(said)


# What comes back, and to whom


def test_a_result_says_that_it_is_an_error_only_if_it_is_one() -> None:
    assert msgspec.to_builtins(ToolResult("c", "42")) == {"call_id": "c", "content": "42"}
    assert msgspec.to_builtins(ToolResult("c", "{}", is_error=True))["is_error"] is True


@pytest.mark.parametrize(
    "value", [ToolCall("c", "f", "{}"), WEATHER, ToolResult("c", ""), ToolContext(request_id="r")]
)
def test_words_of_tools_do_not_change(value: msgspec.Struct) -> None:
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], "another")


async def test_progress_is_told_to_whoever_reads_the_reply() -> None:
    told: list[tuple[str, float | None]] = []

    async def report(message: str, fraction: float | None) -> None:
        told.append((message, fraction))

    context = ToolContext(request_id="r", report=report)
    await context.progress("Half.", 0.5)
    await context.progress("More.")
    assert told == [("Half.", 0.5), ("More.", None)]


async def test_progress_nobody_reads_is_no_error() -> None:
    await ToolContext(request_id="r").progress("Half.", 0.5)
