from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from chatbots.errors import ChatError, ConfigurationError, ToolError
from chatbots.tools import mcp_child
from chatbots.tools.mcp import McpTools
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.registry import ToolRegistry
from tests.tools.mcp_running import all_dead, call, heard, noted, scripted
from tests.tools.mcp_scripted import over_http


async def told_by(tools: ToolRegistry, name: str, arguments: str = "{}", **context: Any) -> str:
    """Return the error of a call that must have one."""
    result = await call(tools, name, arguments, **context)
    assert result.is_error
    return result.content


async def refusal(server: McpServer) -> ChatError:
    """Return why a server cannot be started."""
    with pytest.raises(ChatError) as caught:
        async with McpTools([server]):
            pytest.fail("It has started.")
    return caught.value


async def test_a_call_is_answered_and_wrong_arguments_are_not_sent(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        assert (await call(tools, "s__echo", '{"n": 1}')).content == '{"n": 1}'
        assert "n: type must be 'integer'" in (await call(tools, "s__echo", '{"n": "x"}')).content
    assert heard(tmp_path, "tools/call")[0]["arguments"] == {"n": 1}
    assert len(heard(tmp_path, "tools/call")) == 1
    await all_dead(tmp_path, how_many=1)


async def test_an_error_of_the_tool_or_of_the_protocol_is_told_to_the_model(
    tmp_path: Path,
) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        assert "ToolError: {}" in await told_by(tools, "s__fail")
        assert "ToolError: Not like this." in await told_by(tools, "s__refuse")
        assert not (await call(tools, "s__erase")).is_error
    await all_dead(tmp_path, how_many=1)


async def test_progress_reaches_the_reader_and_a_flood_of_it_waits_for_nobody(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, float | None]] = []
    read = anyio.Event()

    async def report(message: str, fraction: float | None) -> None:
        seen.append((message, fraction))
        await anyio.lowlevel.checkpoint()

    async def slow(message: str, fraction: float | None) -> None:
        seen.append((message, fraction))
        await read.wait()

    async with McpTools([scripted(tmp_path)]) as tools:
        await call(tools, "s__work", report=report)
        assert seen[0] == ("on it", 0.0)
        assert {fraction for _, fraction in seen} <= {0.0, 0.25, 0.5}
        seen.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: call(tools, "s__many", report=slow))
            while not seen:  # noqa: ASYNC110 (another process's doing)
                await anyio.sleep(0.01)
            assert (await call(tools, "s__echo", '{"n": 2}')).content == '{"n": 2}'
            read.set()
        assert seen == [("on it", 0.0)]


async def test_a_call_that_is_cancelled_is_cancelled_at_the_server(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path, timeout=0.2)]) as tools:
        assert "no result after 0.2 seconds" in await told_by(tools, "s__hang")
        while (await call(tools, "s__echo", '{"n": 1}')).is_error:
            pass  # a busy machine needs more time for it
    cancelled, *_ = heard(tmp_path, "notifications/cancelled")
    (request,) = (one for one in noted(tmp_path, "heard") if one.get("method") == "tools/call"
                  and one["params"]["name"] == "hang")  # fmt: skip
    assert cancelled["requestId"] == request["id"]


async def test_a_list_that_changes_is_read_anew(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        before = [spec.name for spec in tools.specs()]
        (more,) = [name for name in before if name.startswith("s__add_more_")]
        await call(tools, more)
        with anyio.fail_after(20):
            while "s__more" not in tools:  # noqa: ASYNC110 (another process's doing)
                await anyio.sleep(0.01)
        assert [spec.name for spec in tools.specs()] == [*before, "s__more"]
        assert "s__broken" not in tools


async def test_a_server_that_dies_is_started_again_and_the_call_is_not_repeated(
    tmp_path: Path,
) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        said = await told_by(tools, "s__die")
        assert "The MCP server 's' is gone: it ended with status 7" in said
        assert "it said: That was too much. It may or may not have done it." in said
        assert (await call(tools, "s__echo", '{"n": 1}')).content == '{"n": 1}'
        # An answer in between: it may be started again at once.
        await told_by(tools, "s__die")
        assert (await call(tools, "s__echo", '{"n": 1}')).content == '{"n": 1}'
    assert [one["name"] for one in heard(tmp_path, "tools/call")] == ["die", "echo"] * 2
    await all_dead(tmp_path, how_many=3)


async def test_a_server_that_dies_again_and_again_is_left_in_peace_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = anyio.current_time()
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    async with McpTools([scripted(tmp_path)]) as tools:
        for _ in range(2):
            await told_by(tools, "s__die")
        assert "It may be started again in 1 s." in await told_by(
            tools, "s__echo", arguments='{"n": 1}'
        )
        now += 1  # the pause itself
        assert not (await call(tools, "s__echo", '{"n": 1}')).is_error
    await all_dead(tmp_path, how_many=3)


async def test_all_calls_that_a_death_meets_end_as_errors(tmp_path: Path) -> None:
    results: list[str] = []
    async with McpTools([scripted(tmp_path)]) as tools:

        async def hang() -> None:
            results.append(await told_by(tools, "s__hang"))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(hang)
            while len(heard(tmp_path, "tools/call")) < 3:  # noqa: ASYNC110 (another process)
                await anyio.sleep(0.01)
            await told_by(tools, "s__die")
    assert len(results) == 3
    assert all("it ended with status 7" in said for said in results)


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("exit", "it ended with status 1; it said: There is nothing here."),
        ("garbage", "it wrote 1,000 lines that are no message"),
        ("silent", "it had not told its tools after 0.5 s"),
        ("endless", "it lists more than 1,000 tools"),
    ],
)
async def test_a_server_that_cannot_be_started_is_named_with_the_reason(
    manner: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_child, "GRACE", 0.2)
    patience = 0.5 if manner == "silent" else 20.0
    error = await refusal(scripted(tmp_path, manner, start_timeout=patience))
    assert isinstance(error, ToolError)
    assert error.message.startswith(f"The MCP server 's' could not be started: {why}")
    await all_dead(tmp_path, how_many=1)


async def test_a_command_there_is_not_is_for_the_operator_to_put_right() -> None:
    error = await refusal(McpServer(name="a", command="no-such-command"))
    assert isinstance(error, ConfigurationError)
    assert "'a' could not be started" in error.message
    assert error.hint == "Is 'no-such-command' installed, and its folder on the PATH?"


@pytest.mark.slow
async def test_a_server_lives_longer_than_it_has_to_start(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path, start_timeout=5.0)]) as tools:
        await anyio.sleep(5.1)
        assert not (await call(tools, "s__echo", '{"n": 1}')).is_error
    await all_dead(tmp_path, how_many=1)


async def test_a_banner_does_no_harm_and_the_variables_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    async with McpTools([scripted(tmp_path, "banner")]) as tools:
        said = (await call(tools, "s__environment")).content
    assert "k-1" not in said
    assert f'"NOTES": "{tmp_path}"' in said
    assert '"PATH"' in said


async def test_a_server_that_speaks_only_the_newest_protocol_is_understood(
    tmp_path: Path,
) -> None:
    async with McpTools([scripted(tmp_path, "modern")]) as tools:
        assert (await call(tools, "s__echo", '{"n": 1}')).content == '{"n": 1}'
    await all_dead(tmp_path, how_many=2)


async def test_an_error_with_the_code_of_a_lost_connection_ends_no_server(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        for _ in range(2):
            told = await told_by(tools, "s__refuse", '{"code": -32000}')
            assert "ToolError: Not like this." in told
    await all_dead(tmp_path, how_many=1)


# Over HTTP


@asynccontextmanager
async def served(manner: str = "") -> AsyncGenerator[tuple[ToolRegistry, list[dict[str, str]]]]:
    with over_http(manner) as (url, heads):
        server = McpServer(name="s", url=url, headers={"X-Key": "k-1"}, confirm=False)
        async with McpTools([server]) as tools:
            yield tools, heads
        assert heads[-1] == {"method": "DELETE"}  # The session is given back.


async def test_over_http_the_headers_go_along() -> None:
    async with served() as (tools, heads):
        for _ in range(3):
            assert (await call(tools, "s__echo", '{"n": 1}')).content == '{"n": 1}'
        assert len([head for head in heads if "mcp-session-id" not in head]) == 1
    assert {head["x-key"] for head in heads if "method" not in head} == {"k-1"}


async def test_a_session_that_the_server_forgot_is_opened_anew() -> None:
    async with served("forgetful") as (tools, _):
        assert not (await call(tools, "s__echo", '{"n": 1}')).is_error
        assert "is gone: it ended the session" in await told_by(tools, "s__erase")
        assert (await call(tools, "s__echo", '{"n": 3}')).content == '{"n": 3}'


async def test_a_server_that_is_not_there_is_named(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port_factory()}/mcp"
    error = await refusal(McpServer(name="a", url=url))
    assert "'a' could not be started: All connection attempts failed" in error.message


async def test_a_server_that_lets_nobody_in_is_told_with_its_status() -> None:
    with over_http("closed") as (url, _):
        error = await refusal(McpServer(name="a", url=url))
    assert "'a' could not be started" in error.message
    assert "status 401" in error.message


async def test_tools_that_were_left_say_so(tmp_path: Path) -> None:
    async with McpTools([scripted(tmp_path)]) as tools:
        kept = ToolRegistry(tools)
    assert "'s' was left" in await told_by(kept, "s__erase")
    assert len(tools) == 0
