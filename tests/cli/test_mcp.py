"""Programs whose model may call the tools of MCP servers."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import Upstream
from tests.local.processes import lives
from tests.tools.mcp_running import SCRIPT, heard, noted

COMMAND = shlex.join([sys.executable, "-S", "-E", str(SCRIPT), "quiet"])
MULTIPLY = ("tools", "list", "--tools", "multiply")


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file with a server that notes what it hears, by a variable."""
    server = {"command": sys.executable, "args": ["-S", "-E", str(SCRIPT), "quiet"]}
    more = {"env": {"NOTES": "${NOTES_HERE}"}, "alwaysAllow": ["erase"]}
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"mcpServers": {"s": server | more}}))
    return str(file)


def no_process_is_left(notes: Path) -> bool:
    pids = noted(notes, "pids")
    return len(pids) > 0 and not any(map(lives, pids))


def test_the_tools_of_a_server_are_listed(run: Runner) -> None:
    ran = run("tools", "list", "--mcp", f"mine={COMMAND}")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[:2] == ["mine__echo: To echo.", "mine__erase: To erase."]
    assert run(*MULTIPLY).out.count("\n") == 1
    ran = run(*MULTIPLY, "--mcp", f"mine={COMMAND}")
    assert [line.partition(":")[0] for line in ran.out.splitlines()][:2] == [
        "multiply",
        "mine__echo",
    ]


def test_a_tool_of_a_server_is_shown_and_run(run: Runner) -> None:
    ran = run("tools", "show", "mcp_scripted__erase", "--mcp", COMMAND)
    assert (ran.status, ran.err) == (0, "")
    assert "confirm True" in ran.out
    ran = run("tools", "run", "mcp_scripted__echo", '{"n": 1}', "--mcp", COMMAND)
    assert ran == (0, '{"n": 1}\n', "")


def test_a_chat_calls_what_a_file_names(
    run: Runner, upstream: Upstream, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_HERE", str(tmp_path))
    upstream.answer(tool_calls=[("s__echo", {"n": 1}), ("s__erase", {})])
    upstream.answer("Done.")
    ran = run("stream", "--mcp-config", config, "--tool-choice", "s__echo", "--prompt", "Go.")
    assert (ran.status, ran.out) == (0, "Done.\n")
    assert "The MCP server 's' has what is not known here and is ignored: alwaysAllow." in ran.err
    first, second = (call.json for call in upstream.calls)
    offered = [one["function"]["name"] for one in first["tools"]]
    assert offered[:4] == ["calculator", "get_current_time", "multiply", "s__echo"]
    echoed, refused = (one["content"] for one in second["messages"][-2:])
    assert echoed == '{"n": 1}'
    assert "'s__erase' wants a person's consent" in refused
    assert [one["name"] for one in heard(tmp_path, "tools/call")] == ["echo"]
    assert no_process_is_left(tmp_path)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--mcp", "no-such-command"], "'no-such-command' could not be started"),
        (["--mcp", COMMAND, "--tool-choice", "none_such"], "there is no such tool"),
        (["--mcp-config", "none.json"], "The MCP servers file 'none.json' cannot be used"),
        (["--mcp", "a=x", "--mcp", "a=y"], "two MCP servers with the name 'a'"),
    ],
)
def test_a_server_that_cannot_be_used_ends_the_program(
    run: Runner, upstream: Upstream, argv: list[str], why: str
) -> None:
    ran = run("nomem", "--prompt", "Hi.", *argv)
    assert (ran.status, ran.out) == (1, "")
    assert why in ran.err
    assert upstream.calls == []


def test_the_chat_goes_on_when_the_server_dies(
    run: Runner, upstream: Upstream, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_HERE", str(tmp_path))
    upstream.answer(tool_calls=[("s__die", {})])
    upstream.answer("Never mind.")
    ran = run("nomem", "--mcp-config", config, "--yes", "--prompt", "Die.")
    assert (ran.status, ran.out) == (0, "Never mind.\n")
    assert "it ended with status 7" in upstream.calls[1].json["messages"][-1]["content"]
    assert no_process_is_left(tmp_path)
