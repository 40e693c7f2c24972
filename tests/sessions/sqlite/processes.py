"""A store in another process, that can be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

_BEGINS = """
import sys
from pathlib import Path
import anyio
from chatbots.messages import Message
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.tool_calls import ToolCall

async def main(path, session, request_id, partial):
    store = SQLiteSessions(Path(path))
    turn = await store.begin(session, request_id, [Message("user", "Hi")])
    if partial:
        call = ToolCall("c1", "book_hotel", "{}")
        said = Message("assistant", partial, tool_calls=(call,))
        await store.checkpoint(turn, [said], state="waiting_for_tools")
    print("begun", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
    await store.finish(turn, [Message("assistant", "Hello.")], state="completed")
    await store.aclose()

anyio.run(main, *sys.argv[1:])
"""


@contextmanager
def begun_elsewhere(
    path: Path, session: str = "s", request_id: str = "r", partial: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """Begin a turn in another process, which finishes it when it is given a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BEGINS, path, session, request_id, partial],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()
