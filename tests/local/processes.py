"""What the tests of the helper process share: stand-ins, and waiting for what processes do."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from chatbots.local.model import LocalModel
from chatbots.local.running import stop

STAND_IN = Path(__file__).with_name("stand_in.py")


def stand_in(mode: str = "serve") -> tuple[str, ...]:
    return (sys.executable, str(STAND_IN), mode)


def local_model(
    folder: Path,
    *,
    mode: str = "serve",
    idle: float = 0,
    start_timeout: float = 20,
    program: Sequence[str] | None = None,
) -> LocalModel:
    model = folder / "tiny.gguf"
    if not model.exists():
        model.write_bytes(b"GGUF")
    return LocalModel(
        model,
        name="tiny",
        state_dir=folder / "state",
        idle=idle,
        start_timeout=start_timeout,
        program=stand_in(mode) if program is None else program,
    )


@asynccontextmanager
async def no_helper_is_left(folder: Path) -> AsyncGenerator[Path]:
    """End every helper whose files are in *folder*/state, whatever the test did."""
    state = folder / "state"
    try:
        yield state
    finally:
        await anyio.to_thread.run_sync(lambda: stop(state, grace=0.2))


def starts(state: Path) -> list[int]:
    """Return the pids of the helpers that were started."""
    file = state / "starts"
    return (
        [int(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        if file.exists()
        else []
    )


def lives(pid: int) -> bool:
    """Whether the process runs; one that ended but nobody waited for does not."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def eventually(condition: Callable[[], bool], *, within: float = 30) -> None:
    with anyio.fail_after(within):
        while not condition():  # noqa: ASYNC110 (another process's doing)
            await anyio.sleep(0.01)
