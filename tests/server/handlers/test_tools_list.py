from __future__ import annotations

import pytest

from chatbots.tools.builtin import builtin
from chatbots.tools.registry import ToolRegistry
from chatbots.tools.tool import tool
from tests.server.peer import application, connected


@tool
def private(name: str) -> str:
    """Do what clients may not have done."""
    return name


@pytest.mark.checklist(220, 223, 245)
async def test_those_that_clients_may_run_are_listed_and_a_new_one_at_once() -> None:
    tools = ToolRegistry([builtin("calculator"), private])
    async with connected(application(tools=tools)) as peer:
        [listed] = (await peer.ask("tools_list", {}))["data"]["tools"]
        assert set(listed) == {"name", "description", "parameters"}
        assert listed["name"] == "calculator"
        assert listed["parameters"]["required"] == ["expression"]
        tools.add(builtin("get_weather"))
        names = [each["name"] for each in (await peer.ask("tools_list"))["data"]["tools"]]
    assert names == ["calculator", "get_weather"]
