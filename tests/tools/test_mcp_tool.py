from __future__ import annotations

from typing import Any, cast

import pytest
import structlog
from mcp import Client
from mcp_types import ListToolsResult
from structlog.testing import capture_logs

from chatbots.errors import ToolError
from chatbots.tool_calls import ToolContext
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.mcp_tool import McpTool, name_of, tools_of
from chatbots.tools.registry import ToolRegistry

HERE = ToolContext(request_id="r")


class Pages:
    """A client whose server has these pages of tools."""

    def __init__(self, *pages: list[dict[str, Any]], endless: bool = False) -> None:
        self._pages = pages
        self._endless = endless

    async def list_tools(self, *, cursor: str | None, cache_mode: str) -> ListToolsResult:
        number = int(cursor or 0)
        page = self._pages[number % len(self._pages)]
        last = number + 1 == len(self._pages) and not self._endless
        after = None if last else str(number + 1)
        return ListToolsResult.model_validate({"tools": page, "nextCursor": after})


async def call(name: str, arguments: dict[str, Any], context: ToolContext) -> str:
    return f"{name} {arguments}"


def listed(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


async def tools(
    *pages: list[dict[str, Any]], endless: bool = False, **server: Any
) -> list[McpTool]:
    client = cast("Client", Pages(*pages, endless=endless))
    return await tools_of(client, McpServer(name="s", command="x", **server), call)


async def test_all_pages_are_read_and_a_name_is_listed_once() -> None:
    found = await tools([listed("b"), listed("a")], [listed("c"), listed("a", title="other")])
    assert [tool.name for tool in found] == ["s__b", "s__a", "s__c"]
    assert [tool.description for tool in found] == ["", "", ""]


async def test_it_is_a_tool_with_the_schema_of_the_server() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    found = await tools([{"name": "a b", "title": "A", "inputSchema": schema}], timeout=7)
    (tool,) = ToolRegistry(found)
    assert (tool.spec.description, tool.spec.parameters, tool.spec.strict) == ("A", schema, False)
    assert tool.marks.timeout == 7
    assert await tool.function(HERE, {"n": 1}) == "a b {'n': 1}"
    assert tool.is_async
    with pytest.raises(ValueError, match="type must be 'integer'"):
        tool.shape.bind('{"n": "x"}', HERE)


async def test_a_schema_without_properties_is_completed_as_the_api_wants_it() -> None:
    (tool,) = await tools([listed("a")])
    assert tool.parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("hints", "confirm", "asks", "idempotent"),
    [
        (None, None, True, False),
        ({}, None, True, False),
        ({"destructiveHint": False, "idempotentHint": True}, None, True, True),
        ({"readOnlyHint": True}, None, False, True),
        ({"readOnlyHint": True}, True, True, True),
        (None, False, False, False),
    ],
)
async def test_a_person_is_asked_unless_the_server_says_that_it_only_reads(
    hints: dict[str, bool] | None, confirm: bool | None, asks: bool, idempotent: bool
) -> None:
    (found,) = ToolRegistry(await tools([listed("a", annotations=hints)], confirm=confirm))
    assert (found.marks.confirm, found.marks.idempotent) == (asks, idempotent)
    assert not found.marks.remote


async def test_a_tool_whose_schema_is_none_is_left_out() -> None:
    structlog.configure()
    with capture_logs() as logs:
        found = await tools([listed("bad", inputSchema={"type": 7}), listed("good")])
    assert [tool.name for tool in found] == ["s__good"]
    assert [(one["event"], one["tool"]) for one in logs] == [("mcp.tool.left_out", "bad")]


@pytest.mark.parametrize("page", [[], [listed(f"t{n}") for n in range(1001)]], ids=len)
async def test_a_list_without_an_end_is_an_error(page: list[dict[str, Any]]) -> None:
    with pytest.raises(ToolError, match="lists more than 1,000 tools"):
        await tools(page, endless=True)


def test_a_name_is_of_the_server_and_the_tool_alone() -> None:
    assert name_of("files", "read-file_2") == "files__read-file_2"


@pytest.mark.parametrize(
    ("server", "tool"),
    [
        ("files", "read.file"), ("files", "x" * 60), ("a b", "c"), ("a__b", "c"), ("a_", "b"),
        ("a", "b__c"), ("a", "Größe"), ("a", "\ud800"),
    ],
)  # fmt: skip
def test_a_name_the_api_does_not_take_ends_in_a_hash(server: str, tool: str) -> None:
    name = name_of(server, tool)
    assert 1 <= len(name) <= 64
    assert name.replace("_", "").replace("-", "").isascii()
    assert name == name_of(server, tool) != name_of(f"{server} ", tool)
    assert name.startswith(server[:1])


def test_no_two_servers_can_have_the_same_name_for_a_tool() -> None:
    pairs = [("a", "b__c"), ("a__b", "c"), ("a", "_b"), ("a_", "b"), ("a", "b c"), ("a", "b.c")]
    assert len({name_of(*pair) for pair in pairs}) == len(pairs)
