from __future__ import annotations

import logging
import sys
from pathlib import Path

import anyio
import pytest

from chatbots.errors import ConfigurationError, InvalidRequest, ToolError
from chatbots.tools import mcp_child
from chatbots.tools.mcp import McpTools
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.registry import ToolRegistry
from tests.tools.mcp_running import all_dead, call, scripted


def double(n: int) -> int:
    """Double."""
    return 2 * n


async def test_the_tools_of_all_servers_join_a_registry_in_their_order(tmp_path: Path) -> None:
    servers = [scripted(tmp_path, name="slow", env={"NOTES": str(tmp_path), "LATE": "0.3"}),
               scripted(tmp_path, name="quick")]  # fmt: skip
    registry = ToolRegistry([double])
    async with McpTools(servers, registry=registry) as tools:
        assert tools is registry
        first = [tool.name.partition("__")[0] for tool in tools]
        assert list(dict.fromkeys(first)) == ["double", "slow", "quick"]
        assert (await call(tools, "quick__echo", '{"n": 1}')).content == '{"n": 1}'
    assert [tool.name for tool in registry] == ["double"]
    await all_dead(tmp_path, how_many=2)


async def test_one_that_does_not_start_ends_the_others(tmp_path: Path) -> None:
    servers = [scripted(tmp_path), scripted(tmp_path, "exit", name="bad")]
    with pytest.raises(ToolError, match="'bad' could not be started"):
        async with McpTools(servers):
            pytest.fail("One of them has not started.")
    await all_dead(tmp_path, how_many=2)


async def test_what_goes_wrong_inside_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with McpTools([scripted(tmp_path)]):
            raise ZeroDivisionError
    await all_dead(tmp_path, how_many=1)


@pytest.mark.parametrize("manner", ["", "silent"])
async def test_no_process_is_left_when_it_is_cancelled(
    manner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_child, "GRACE", 0.2)
    async with anyio.create_task_group() as tasks:

        async def use() -> None:
            async with McpTools([scripted(tmp_path, manner)]):
                await anyio.sleep_forever()

        tasks.start_soon(use)
        with anyio.fail_after(20):
            while not (tmp_path / "pids").exists():  # noqa: ASYNC110 (another process)
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await all_dead(tmp_path, how_many=1)


async def test_two_tools_of_one_name_are_an_error(tmp_path: Path) -> None:
    registry = ToolRegistry()
    mine = registry.add(double)
    mine.name = "s__erase"
    with pytest.raises(InvalidRequest, match="two tools with the name 's__erase'"):
        async with McpTools([scripted(tmp_path)], registry=ToolRegistry([mine])):
            pytest.fail("There are two.")
    await all_dead(tmp_path, how_many=1)


def test_two_servers_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="two MCP servers with the name 'a'"):
        McpTools([McpServer(name="a", command="x"), McpServer(name="a", command="y")])


async def test_without_the_package_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigurationError, match=r"chatriver\[mcp\]") as caught:
        async with McpTools([]):
            pytest.fail("There is no package.")
    assert caught.value.code == "extra_missing"


async def test_what_the_package_logs_stays_off_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    async with McpTools([scripted(tmp_path, "banner")]) as tools:
        logging.getLogger("mcp.client").error("Nobody asked.")
        await call(tools, "s__die")
    assert capfd.readouterr() == ("", "")
