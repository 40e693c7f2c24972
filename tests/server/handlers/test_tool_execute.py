from __future__ import annotations

import pytest

from chatbots.tools.builtin import builtin
from chatbots.tools.registry import ToolRegistry
from tests.server.handlers.test_tools_list import private
from tests.server.peer import application, connected


def call(name: str, arguments: str) -> dict[str, object]:
    function = {"name": name, "arguments": arguments}
    return {"tool_call": {"id": "c1", "type": "function", "function": function}}


@pytest.mark.checklist(217, 221, 246)
async def test_the_result_is_a_tool_result() -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("tool_execute", call("calculator", '{"expression":"2*3"}'))
    assert frame["type"] == "tool_execute_response"
    assert frame["data"] == {"tool_call_id": "c1", "content": "6"}


@pytest.mark.checklist(221, 246)
@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("nonsense", "{}", "no tool"),
        ("calculator", "{", "arguments"),
        ("calculator", '{"formula":"1"}', "expression"),
        ("calculator", '{"expression":"1/0"}', "divided by 0"),
        ("private", '{"name":"x"}', "clients"),
    ],
)
async def test_what_goes_wrong_is_a_result_as_well(name: str, arguments: str, why: str) -> None:
    tools = ToolRegistry([builtin("calculator"), private])
    async with connected(application(tools=tools)) as peer:
        frame = await peer.ask("tool_execute", call(name, arguments))
        assert (await peer.ask("ping"))["type"] == "pong"
    assert frame["data"]["is_error"] is True
    assert why in frame["data"]["content"]
