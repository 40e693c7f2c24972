"""The event loop of the programs: asyncio, on uvloop where it is installed."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from typing import Final, TypeVarTuple

import anyio

from chatbots.flow.unwrap import unwrapped

Args = TypeVarTuple("Args")

TERMINATED: Final = 128 + signal.SIGTERM
"""What a shell reports for a program that SIGTERM has ended."""


def loop_options() -> dict[str, bool]:
    """Return anyio's backend options."""
    return {"use_uvloop": find_spec("uvloop") is not None}


def run(program: Callable[[*Args], Awaitable[int]], *args: *Args) -> int:
    """Run *program* and return its exit status; SIGTERM cancels it, so that it ends what it began.

    A second one does not wait for that.
    """
    return anyio.run(_until_told, partial(program, *args), backend_options=loop_options())


async def _until_told(program: Callable[[], Awaitable[int]]) -> int:
    with anyio.open_signal_receiver(signal.SIGTERM) as told, unwrapped():
        async with anyio.create_task_group() as group:
            group.start_soon(_heed, told, group.cancel_scope)
            status = await program()
            group.cancel_scope.cancel()
            return status
    return TERMINATED


async def _heed(told: AsyncIterator[object], everything: anyio.CancelScope) -> None:
    await anext(told)
    everything.cancel()
