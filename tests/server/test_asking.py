from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chatbots.errors import InvalidRequest
from chatbots.messages import Message, Prompt
from chatbots.sampling import Sampling
from chatbots.server.asking import ChatPayload, Offered, prompt_of
from chatbots.tool_calls import ToolCall, ToolContext
from chatbots.tools.builtin import builtin
from chatbots.tools.registry import ToolRegistry

SERVER = ToolRegistry([builtin("multiply")])
HI = [{"role": "user", "content": "Hi"}]
TOOL = {"name": "look", "parameters": {"type": "object"}}


def prompt(messages: Any = HI, tools: ToolRegistry = SERVER, **more: object) -> Prompt:
    payload = msgspec.convert({"messages": messages, **more}, ChatPayload)
    return prompt_of(payload, request_id="r1", tools=tools, timeout=30, user="ada")


def test_a_request_is_a_prompt() -> None:
    asked = prompt(
        model="m", max_tokens=5, temperature=0, top_p=0.5, frequency_penalty=1, presence_penalty=-1,
        stop="END", seed=7, reasoning_effort="low", timeout=3,
    )  # fmt: skip
    assert asked.messages == (Message("user", "Hi"),)
    assert (asked.model, asked.timeout, asked.user, asked.session) == ("m", 3, "ada", None)
    assert asked.sampling == Sampling(
        temperature=0, top_p=0.5, frequency_penalty=1, presence_penalty=-1, max_tokens=5,
        stop=("END",), seed=7, reasoning_effort="low",
    )  # fmt: skip
    assert prompt(max_completion_tokens=9).sampling.max_tokens == 9
    assert prompt(timeout=1e9).timeout == 30


def test_the_instructions_are_the_servers_unless_the_client_has_some() -> None:
    assert prompt().instructions is None
    own = [{"role": "system", "content": "Rhyme."}, *HI]
    asked = prompt(own)
    assert (asked.instructions, [m.role for m in asked.messages]) == ("", ["system", "user"])
    asked = prompt(own, session_id="s")
    assert (asked.instructions, [m.role for m in asked.messages]) == ("Rhyme.", ["user"])


def test_the_name_of_a_request_names_the_turn_only_where_it_is_remembered() -> None:
    assert prompt().request_id.startswith("req_")
    asked = prompt(session_id="s")
    assert (asked.session, asked.request_id) == ("s", "r1")


def test_parts_of_a_message_are_its_text_and_its_images() -> None:
    url = "https://e.test/a.png"
    parts = [
        {"type": "text", "text": "What "},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "text", "text": "is it?"},
    ]
    [message] = prompt([{"role": "user", "content": parts}]).messages
    assert message.content == "What is it?"
    assert [(image.url, image.detail) for image in message.images] == [(url, "low")]


def test_calls_and_their_results_are_said_again() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    result = {"role": "tool", "content": "6", "tool_call_id": "c1"}
    asked = prompt([*HI, {"role": "assistant", "content": None, "tool_calls": [called]}, result])
    assert asked.messages[1:] == (
        Message("assistant", "", tool_calls=(ToolCall("c1", "look", "{}"),)),
        Message("tool", "6", tool_call_id="c1"),
    )


@pytest.mark.checklist(215)
@pytest.mark.parametrize("said", [TOOL, {"type": "function", "function": TOOL}])
async def test_a_clients_tools_are_offered_in_either_shape_and_never_run(said: object) -> None:
    asked = prompt_with(said)
    assert asked.tools is not None
    assert [tool.name for tool in asked.tools.specs()] == ["look"]
    assert asked.tool_choice == "look"
    with pytest.raises(NotImplementedError):
        await asked.tools.run(ToolCall("c", "look", "{}"), ToolContext(request_id="r"))


def prompt_with(tool: object) -> Prompt:
    payload = msgspec.convert(
        {"messages": HI, "tools": [tool], "tool_choice": {"name": "look"}}, ChatPayload
    )
    return prompt_of(payload, request_id="r1", tools=SERVER, timeout=30, user=None)


def test_the_servers_tools_are_run_where_that_is_asked() -> None:
    assert prompt(tool_mode="server").tools is SERVER
    assert prompt(session_id="s", tool_mode="server").tools is SERVER
    assert prompt().tools is None
    assert prompt(tools=ToolRegistry(), tool_mode="server").tools is None


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"session_id": ""}, "session_id"),
        ({"session_id": "s", "messages": [*HI, *HI]}, "messages"),
        ({"session_id": "s", "messages": []}, "messages"),
        ({"session_id": "s", "messages": [{"role": "assistant", "content": "x"}, *HI]}, "messages"),
        ({"tool_choice": {"a": "x" * 999}}, "tool_choice"),
        ({"temperature": 9}, "temperature"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"tools": [TOOL], "tool_mode": "server"}, "tools"),
        ({"tools": [TOOL], "session_id": "s"}, "tools"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tools": [5]}, "tools"),
    ],
)
def test_what_cannot_be_asked_names_the_field(more: dict[str, Any], field: str) -> None:
    payload = msgspec.convert({"messages": HI, **more}, ChatPayload)
    with pytest.raises(InvalidRequest) as caught:
        prompt_of(payload, request_id="r1", tools=SERVER, timeout=30, user=None)
    assert caught.value.param == field
    assert len(str(caught.value)) < 400


def test_a_remembered_turn_outlives_its_socket_unless_it_shall_not() -> None:
    def outlives(**more: object) -> bool:
        return msgspec.convert({"messages": HI, **more}, ChatPayload).outlives_its_socket

    assert [outlives(), outlives(session_id="s")] == [False, True]
    assert outlives(on_disconnect="continue")
    assert not outlives(session_id="s", on_disconnect="cancel")


def test_there_may_be_as_many_tools_as_upstream_takes() -> None:
    assert len(Offered([{**TOOL, "name": f"t{n}"} for n in range(128)]).specs()) == 128


def test_what_is_remembered_was_said_on_terms() -> None:
    def terms(**more: Any) -> str:
        [said] = prompt(session_id="s", **more).messages
        return said.terms

    assert (terms(), terms(timeout=5, on_disconnect="cancel")) == ("", "")
    system = [{"role": "system", "content": "Rhyme."}, *HI]
    told = [
        terms(model="m"), terms(temperature=0), terms(top_p=0), terms(stop="x"),
        terms(tool_mode="server"), terms(messages=system), terms(tool_choice="none"),
    ]  # fmt: skip
    assert len({"", *told}) == len(told) + 1
    assert terms(model="m", stop=["x"]) == terms(model="m", stop="x", timeout=5)
    assert prompt(model="m").messages == (Message("user", "Hi"),)
