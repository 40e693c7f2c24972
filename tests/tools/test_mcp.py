from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from chatbots.errors import ConfigurationError, InvalidRequest, ToolError
from chatbots.tools import mcp_child
from chatbots.tools.mcp import McpTools
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.registry import ToolRegistry
from tests.tools.mcp_running import all_dead, call, heard, scripted


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


async def test_a_name_that_is_taken_when_a_list_changes_stays_whose_it_was(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        before = {tool.name for tool in tools}
        mine = tools.add(double)
        tools.discard(mine.name)
        mine.name = "s__more"
        tools.add(mine)
        (more,) = [name for name in before if name.startswith("s__add_more_")]
        await call(tools, more, "{}")
        with anyio.fail_after(20):
            while len(heard(tmp_path, "tools/list")) < 4:  # noqa: ASYNC110 (a process)
                await anyio.sleep(0.01)
        assert not (await call(tools, "s__echo", '{"n": 1}')).is_error
        assert tools["s__more"] is mine
        assert {tool.name for tool in tools} == before | {"s__more"}
    assert [tool.name for tool in tools] == ["s__more"]
    await all_dead(tmp_path, how_many=1)


def test_two_servers_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="two MCP servers with the name 'a'"):
        McpTools([McpServer(name="a", command="x"), McpServer(name="a", command="y")])


async def test_without_the_package_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[mcp\]") as caught:
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


# Servers of others


@contextmanager
def official(transport: str, port: int) -> Iterator[McpServer]:
    """Return a server by the official package, which runs already where it is behind a URL."""
    command = (str(Path(__file__).parent / "mcp_official.py"), transport, str(port))
    if transport == "stdio":
        yield McpServer(name="o", command=sys.executable, args=command)
        return
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL) as child:
        try:
            yield McpServer(name="o", url=f"http://127.0.0.1:{port}/mcp")
        finally:
            child.kill()


async def listening(port: int) -> None:
    with anyio.fail_after(30):
        while True:
            try:
                await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
            except OSError:
                await anyio.sleep(0.05)
            else:
                return


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["stdio", "streamable-http"])
async def test_a_server_by_the_official_package_is_understood(
    transport: str, unused_tcp_port: int
) -> None:
    steps: list[tuple[str, float | None]] = []

    async def report(message: str, fraction: float | None) -> None:
        steps.append((message, fraction))

    with official(transport, unused_tcp_port) as server:
        if server.url:
            await listening(unused_tcp_port)
        async with McpTools([server]) as tools:
            asking = {tool.name: tool.marks.confirm for tool in tools}
            assert asking == {
                "o__add": False,
                "o__count": True,
                "o__picture": True,
                "o__fail": True,
            }
            assert tools["o__add"].spec.parameters["required"] == ["a", "b"]
            added = await call(tools, "o__add", '{"a": 1, "b": 2}')
            assert json.loads(added.content) == {"sum": 3}
            assert "nobody to ask" in (await call(tools, "o__fail")).content
            here: dict[str, Any] = {"report": report, "confirm": lambda *_: True}
            assert (await call(tools, "o__count", '{"to": 3}', **here)).content == "3 steps"
            assert steps[0] == ("step 0", 0.0)
            shown = await call(tools, "o__picture", **here)
            assert shown.content.startswith("Here it is:\n[image/png that cannot be shown as text")
            failed = await call(tools, "o__fail", **here)
            assert failed.is_error
            assert "It is broken." in failed.content
