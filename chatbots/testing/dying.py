"""A process that takes a turn up to a step and kills itself: `... FACTORY FOLDER STEP`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import anyio

from chatbots.interfaces import SessionStore
from chatbots.messages import Message, Usage
from chatbots.tool_calls import ToolCall

ASKED: Final = (Message("user", "Ünïcödé 👍: book it."),)
SHOWN: Final = (Message("assistant", "Let me see."),)
CALLING: Final = (
    Message("assistant", "Let me see.", tool_calls=(ToolCall("c1", "book", '{"a":1}'),)),
)
DONE: Final = (*CALLING, Message("tool", "Booked.", tool_call_id="c1"), Message("assistant", "👍"))
USAGE: Final = Usage(3, 5, 8)


@asynccontextmanager
async def open_store(factory: str, folder: Path) -> AsyncGenerator[SessionStore]:
    """Open the store that `package.module:function` keeps in *folder*; close it if it can be."""
    module, _, name = factory.partition(":")
    made: Any = cast("Callable[[Path], Any]", getattr(import_module(module), name))(folder)
    if isinstance(made, AbstractAsyncContextManager):
        async with cast("AbstractAsyncContextManager[SessionStore]", made) as store:
            yield store
        return
    try:
        yield made
    finally:
        if hasattr(made, "aclose"):
            await made.aclose()


async def die(factory: str, folder: str, step: str) -> None:
    """Take a turn up to *step*: accepted, shown, calling, done."""
    async with open_store(factory, Path(folder)) as store:
        turn = await store.begin("s", "r1", ASKED)
        if step != "accepted":
            await store.checkpoint(turn, SHOWN)
        if step in ("calling", "done"):
            await store.checkpoint(turn, CALLING, state="waiting_for_tools")
        if step == "done":
            await store.finish(turn, DONE, state="completed", reason="stop", usage=USAGE)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    anyio.run(die, sys.argv[1], sys.argv[2], sys.argv[3])
