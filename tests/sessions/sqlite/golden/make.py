"""Make the golden file of today's schema: `python tests/sessions/sqlite/golden/make.py FILE`.

Once a schema is released its file is kept for ever, and never made again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from chatbots.images import Image
from chatbots.messages import Message, Usage
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.tool_calls import ToolCall


async def make(path: Path) -> None:
    """Keep a session with something of everything, the last turn not ended."""
    store = SQLiteSessions(path, clock=lambda: 1000.5)
    image = Image("https://example.com/a.png")
    name = "Ada's talk"
    turn = await store.begin(name, "r1", [Message("user", "Wo liegt Zürich? 👍", (image,))])
    answer = [
        Message("assistant", "", tool_calls=(ToolCall("c1", "find", '{"a":1}'),)),
        Message("tool", "47° N", tool_call_id="c1"),
        Message("assistant", "In der Schweiz."),
    ]
    usage = Usage(10, 20, 30, 4, 5)
    await store.finish(turn, answer, state="completed", reason="stop", usage=usage)
    await store.mark(name, 1, pinned=True, summary="About Zürich.")
    turn = await store.begin(name, "r2", [Message("user", "Tell a story.")])
    await store.finish(turn, [Message("assistant", "Once")], state="incomplete", reason="length")
    turn = await store.begin(name, "r3", [Message("user", "Go on.")])
    await store.checkpoint(turn, [Message("assistant", "Upon")])
    await store.aclose()


if __name__ == "__main__":
    anyio.run(make, Path(sys.argv[1]))
