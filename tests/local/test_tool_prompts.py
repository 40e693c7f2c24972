from __future__ import annotations

import json
from typing import Any, cast

import pytest

from chatbots.errors import InvalidRequest
from chatbots.local import tool_prompts
from chatbots.messages import Message
from chatbots.tool_calls import ToolCall, ToolSpec


def spec(description: str = "", name: str = "add", **parameters: object) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": parameters})


def asked(messages: tuple[Message, ...]) -> str:
    """The last question, after the examples."""
    assert [m.role for m in messages] == ["system", *["user", "assistant"] * 20][: len(messages)]
    return messages[-1].content


def test_a_tool_is_offered_in_a_line_with_its_parameters_and_few_values() -> None:
    unit = {"type": "string", "enum": ["m", "ft"]}
    city = {"enum": [str(n) for n in range(6)]}
    tools = [spec("Measure it\nonce.\n\nIt takes long.", unit=unit, city=city), spec("B.", "b")]
    lines = asked(tool_prompts.choosing(tools, "How long?")).splitlines()
    assert lines[:3] == ["Tools:", "- add(unit: m|ft, city): Measure it once.", "- b(): B."]
    assert lines[3].startswith("- none: ")
    assert lines[4:] == ["", "Message: How long?"]


def test_many_tools_share_the_room_and_keep_their_names() -> None:
    tools = [spec("word " * 99, f"tool_number_{n}") for n in range(128)]
    question = asked(tool_prompts.choosing(tools, "Hi"))
    assert len(question) < tool_prompts.MENU + 500
    assert all(f"- {tool.name}(" in question for tool in tools)
    with pytest.raises(InvalidRequest, match="128 tools, not 129"):
        tool_prompts.choosing([*tools, spec()], "Hi")


def test_a_name_is_whole_even_where_there_is_no_room_for_it() -> None:
    tools = [spec("", f"{n:03}" + "x" * 61) for n in range(128)]
    assert all(f"- {tool.name}" in asked(tool_prompts.choosing(tools, "")) for tool in tools)


def test_of_a_long_message_the_begin_and_the_end_are_looked_at() -> None:
    said = "begin " + "x" * 9000 + " end"
    for messages in (tool_prompts.choosing([spec()], said), tool_prompts.arguing(spec(), said)):
        question = asked(messages)
        assert "begin xx" in question
        assert question.endswith("xx end")
        assert len(question) < 2_500


def test_arguments_are_asked_with_what_is_said_of_them_but_no_examples() -> None:
    zone = {"description": 'The name of a zone, such as Europe/Paris. (default: "UTC")'}
    a = {"description": "Such as 1.5 or 2"}
    tool = spec("Tell the time.", zone=zone, a=a, b={"type": "string"}, c=True)
    question = asked(tool_prompts.arguing(tool, "What time is it?", ["No such zone."]))
    assert question.splitlines() == [
        "Tool: add: Tell the time.",
        "Arguments:",
        '- zone: The name of a zone. (default: "UTC")',
        "- a",
        "- b",
        "This did not work: No such zone.",
        "",
        "Message: What time is it?",
    ]


def test_a_conversation_without_tools_stays_as_it_is() -> None:
    said = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"))
    assert tool_prompts.plain(said) == said


def test_results_are_told_in_words_and_the_last_ones_with_what_to_do() -> None:
    one, two = ToolCall("1", "add", '{"a":1}'), ToolCall("2", "now", "{}")
    told = tool_prompts.plain(
        (
            Message("user", "Add."),
            Message("assistant", "I shall.", tool_calls=(one, two)),
            Message("tool", "2", tool_call_id="1"),
            Message("tool", "noon", tool_call_id="2"),
            Message("assistant", "It is 2, at noon."),
            Message("user", "Again!"),
            Message("assistant", "", tool_calls=(one,)),
            Message("tool", "2", tool_call_id="1"),
            Message("tool", "lost", tool_call_id="?"),
        )
    )
    assert [(message.role, message.content) for message in told] == [
        ("user", "Add."),
        ("assistant", "I shall."),
        ("user", 'add({"a":1}) = 2\nnow({}) = noon'),
        ("assistant", "It is 2, at noon."),
        ("user", "Again!"),
        (
            "user",
            (
                'add({"a":1}) = 2\nA tool = lost\n'
                "Tell me this result in a sentence, digit for digit."
            ),
        ),
    ]


def test_of_a_long_result_the_begin_and_the_end_are_told() -> None:
    content = "begin " + "x" * 60_000 + " end"
    [told] = tool_prompts.plain((Message("tool", content, tool_call_id="1"),))
    assert told.content.startswith("A tool = begin xx")
    assert "xx end\nTell me" in told.content
    assert len(told.content) < 8_200


@pytest.mark.parametrize(("forced", "names"), [(False, ["add", "b", "none"]), (True, ["add", "b"])])
def test_a_choice_is_one_of_the_tools_or_none_unless_forced(forced: bool, names: list[str]) -> None:
    schema = cast("Any", tool_prompts.choice_format([spec(), spec(name="b")], forced=forced).schema)
    assert schema["properties"]["tool"] == {"enum": names}


def test_arguments_have_the_shape_of_the_parameters() -> None:
    tool = spec(n={"type": "integer"})
    assert tool_prompts.argument_format(tool).schema is tool.parameters


def test_any_arguments_at_all_are_an_object() -> None:
    assert tool_prompts.loose_format().schema == {"type": "object"}
    assert tool_prompts.loose_format().parse("{}") == {}


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{ "n": 123456789012345,\n "x": -0.30 }', '{"n":123456789012345,"x":-0.30}'),
        ('{"n": -1234567890123456}', '{"n":-12345678901234567890}'),
        ('{"n": 1234567890123456.7890}', '{"n":12345678901234567890}'),
        ('{"a": [{"n": 9999999999999999.25}]}', '{"a":[{"n":9999999999999999.25}]}'),
        ('{"t": "12345678901234567890"}', '{"t":"12345678901234567890"}'),
        ('{"x": 0.1234567890123456}', '{"x":0.1234567890123456}'),
        ("{}", "{}"),
    ],
)
def test_arguments_keep_every_digit(text: str, arguments: str) -> None:
    said = "Add 12345678901234567890 and 9999999999999999.25 to 1.5."
    assert tool_prompts.arguments_of(text, said) == arguments
    json.loads(arguments)


def test_a_number_may_be_said_in_groups() -> None:
    said = "Halve 1,234,567,890,123,456,789, please."
    assert tool_prompts.arguments_of('{"n": 1234567890123456}', said) == '{"n":1234567890123456789}'


@pytest.mark.parametrize("said", ["", "12345678901234561 or 12345678901234562?"])
def test_a_number_that_may_have_lost_digits_is_not_passed_on(said: str) -> None:
    with pytest.raises(ValueError, match="unpack"):
        tool_prompts.arguments_of('{"n": 1234567890123456}', said)


@pytest.mark.parametrize("text", ["", "[]", "no", '{"n": 1'])
def test_what_is_no_object_makes_no_arguments(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)."):
        tool_prompts.arguments_of(text, "")
