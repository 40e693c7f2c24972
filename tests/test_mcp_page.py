"""The program on the page about MCP servers asks a published one; its fields are the real ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatbots.testing.threaded import FakeOpenAIThread
from chatbots.tools.mcp_servers import McpServer, read_servers
from report import environments

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "mcp.md").read_text("utf-8")


def block(language: str) -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found[0]


@pytest.mark.slow
@pytest.mark.timeout(300)  # installing the server takes its time
def test_the_program_asks_the_clock(
    fake_openai: FakeOpenAIThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "PINNED", ROOT / "tests" / "tools" / "pinned")
    folder = environments.prepare("mcp-server-time").parent
    asked = {"source_timezone": "Europe/Paris", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    calls = [("clock__convert_time", asked), ("clock__convert_time", asked | {"time": "25:00"})]
    fake_openai.answer(tool_calls=calls)
    fake_openai.answer("It is evening.")
    where = os.environ | {
        "OPENAI_BASE_URL": fake_openai.base_url,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, "-c", block("python")],
        env=where,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("It is evening.\n", "")
    told, wrong = (one["content"] for one in fake_openai.calls[1].json["messages"][-2:])
    assert json.loads(told)["target"]["timezone"] == "Asia/Tokyo"
    assert "Invalid time" in json.loads(wrong)["error"]


def test_the_file_is_read() -> None:
    clock, notes = read_servers(block("json"), {"NOTES_KEY": "k-1"}, notice=pytest.fail)
    assert (clock.name, clock.command) == ("clock", "mcp-server-time")
    assert notes.headers == {"Authorization": "Bearer k-1"}


def test_the_fields_are_those_there_are() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    said = [word for row in rows for word in re.findall(r"`(\w+)(?:=\S+)?`", row)]
    assert sorted(said) == sorted(McpServer.__struct_fields__)
    defaults = dict(re.findall(r"`(\w+)=(\S+)`", "\n".join(rows)))
    fields = dict(zip(McpServer.__struct_fields__[1:], McpServer.__struct_defaults__, strict=True))
    assert defaults == {name: str(fields[name]) for name in defaults}
