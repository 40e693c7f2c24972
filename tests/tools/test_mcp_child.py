from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from chatbots.tools import mcp_child
from chatbots.tools.mcp_child import Child
from chatbots.tools.mcp_servers import McpServer
from tests.tools.mcp_running import all_dead, processes, scripted


async def end_of(server: McpServer) -> Child:
    """Run a server until it ends, and return what was seen of it."""
    over = anyio.Event()
    child = Child(server, over.set)
    async with child.streams() as (read, _):
        with anyio.fail_after(20):
            async for _message in read:
                pass
            await over.wait()
    return child


def shell(command: str) -> McpServer:
    return McpServer(name="sh", command="sh", args=("-c", command))


@pytest.mark.parametrize(
    ("command", "end", "heard"),
    [
        ("exit 4", "it ended with status 4", ""),
        ("echo oops >&2; exit 1", "it ended with status 1", "; it said: oops"),
        ("kill -SEGV $$", "it was ended by SIGSEGV", ""),
        ("echo hello; echo; echo bye", "it ended with status 0",
         "; it wrote what is no message: 'hello'"),
    ],
)  # fmt: skip
async def test_a_server_that_ends_says_how(command: str, end: str, heard: str) -> None:
    child = await end_of(shell(command))
    assert (child.end, child.heard) == (end, heard)


async def test_of_what_it_says_the_end_is_kept() -> None:
    child = await end_of(shell("yes chatter | head -n 100000 >&2; echo last words >&2"))
    assert child.heard.endswith("chatter\nlast words")
    assert len(child.heard) < mcp_child.MAX_REMARKS + 20


@pytest.mark.parametrize(
    ("manner", "fault"),
    [
        ("garbage", "it wrote 1,000 lines that are no message"),
        ("long line", "it wrote a line of more than 1,000,000 bytes"),
    ],
)
async def test_a_server_that_floods_us_is_given_up(
    manner: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_child, "MAX_LINE", 1_000_000)
    child = await end_of(scripted(tmp_path, manner))
    assert child.end == fault
    await all_dead(tmp_path, how_many=1)


async def test_a_server_that_no_longer_listens_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_child, "GRACE", 0.2)
    over = anyio.Event()
    child = Child(scripted(tmp_path, "deaf"), over.set)
    async with child.streams() as (_, write):
        message = SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="x" * 100_000))
        with anyio.fail_after(20):
            while not over.is_set():
                try:
                    await write.send(message)
                except anyio.BrokenResourceError:
                    await over.wait()
    assert child.end == "it was ended by SIGTERM"


async def test_what_a_server_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_child, "GRACE", 0.2)
    async with Child(scripted(tmp_path, "family"), lambda: None).streams():
        await processes(tmp_path, 2)
    await all_dead(tmp_path, how_many=2)


async def test_a_server_that_ignores_its_end_is_killed_even_when_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_child, "GRACE", 0.2)
    child = Child(scripted(tmp_path, "stubborn"), lambda: None)
    with anyio.CancelScope() as scope:
        async with child.streams():
            await processes(tmp_path, 1)
            scope.cancel()
            await anyio.sleep_forever()
    assert child.end == ""
    assert child._process.returncode == -signal.SIGKILL
    await all_dead(tmp_path, how_many=1)


async def test_what_cannot_be_run_is_told_by_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        async with Child(McpServer(name="a", command="no-such-command"), lambda: None).streams():
            pytest.fail("There is none.")


def test_a_signal_without_a_name_has_its_number() -> None:
    assert mcp_child._ending(-250) == "it was ended by signal 250"
