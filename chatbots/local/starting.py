"""Starting the helper process: one at a time, in bounded time, its last words kept on failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from chatbots.errors import ConfigurationError
from chatbots.local.files import open_lock, try_lock
from chatbots.local.rendezvous import holder, is_held, process_started
from chatbots.local.waiting import until
from chatbots.version import installing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatbots.local.helper import Config
    from chatbots.local.lease import Lease
    from chatbots.local.rendezvous import Rendezvous, State

_ROOT: Final = Path(__file__).parents[2]
_POLL: Final = 0.02
_LOG_LINES: Final = 8


class Starter:
    """Brings up the helper of one model: *program* with *config* as one more argument.

    *timeout* bounds the whole of it, in seconds.
    """

    def __init__(
        self, files: Rendezvous, config: Config, *, program: Sequence[str], timeout: float
    ) -> None:
        self._files = files
        self._config = config
        self._program = tuple(program)
        self._timeout = timeout

    async def find_or_start(self, lease: Lease) -> State:
        """Return the state of the helper, started by us or by another process at this moment.

        The *lease* must be held, or the helper may end again at once.
        Raises `ConfigurationError`: `local_model_failed`, `extra_missing`.
        """
        lock = open_lock(self._files.start)
        try:
            with anyio.fail_after(self._timeout):
                await until(lambda: try_lock(lock), every=_POLL)
                # A helper without a state is coming up (its starter died), or going down.
                await until(lambda: self._settled(lease), every=_POLL)
                return lease.current() or await self._start(lease)
        except TimeoutError:
            if try_lock(lock):  # Or else another process is starting it, and watches over it.
                await anyio.to_thread.run_sync(self._kill)
            raise self.failed(f"it was not ready within {self._timeout:g} s") from None
        finally:
            os.close(lock)

    def failed(self, reason: str) -> ConfigurationError:
        """Return the error for *reason*, with the last that the helper wrote."""
        lines = _last_lines(self._files.log)
        said = f" Its last words: {' | '.join(lines)}." if lines else ""
        return ConfigurationError(
            "local_model_failed",
            f"The local model {self._config.name} did not start: {reason}.{said}",
            hint=f"Its log is {self._files.log}; docs/local-models.md has the known causes.",
        )

    def _settled(self, lease: Lease) -> bool:
        return lease.current() is not None or not is_held(self._files.alive)

    async def _start(self, lease: Lease) -> State:
        self._files.state.unlink(missing_ok=True)  # Of a helper that was killed.
        read, write = os.pipe()
        with os.fdopen(read, "rb", buffering=0) as answer, os.fdopen(write, "wb") as ready:
            await anyio.to_thread.run_sync(self._spawn, ready.fileno())
            ready.close()  # The helper has the only other one: if it dies, the pipe ends.
            await anyio.wait_readable(answer)
            message = answer.read(1 << 16)
        failure: dict[str, str] = json.loads(message or '{"reason": "its process died"}')
        if failure.get("code") == "extra_missing":
            raise ConfigurationError(
                "extra_missing",
                "The local model needs xllamacpp, which is not installed.",
                hint=f"Run: {installing('local')}",
            )
        state = lease.current()
        if failure or state is None:
            raise self.failed(failure.get("reason", "its process died"))
        return state

    def _spawn(self, ready: int) -> None:
        """Run the program until it has put itself into the background."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        log = os.open(self._files.log, flags, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603 (our own program)
                [*self._program, json.dumps(self._config._replace(ready=ready)._asdict())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,  # So that a checkout which is not installed is found too.
                start_new_session=True,  # Ctrl-C in the user's terminal is not for the helper.
                pass_fds=(ready,),
            )
        finally:
            os.close(log)
        try:
            process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _kill(self) -> None:
        """End a helper that hangs, so that the next attempt finds none."""
        process = holder(self._files.alive)
        if process is not None and process_started(process.pid) == process.started:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def _last_lines(log: Path) -> list[str]:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-_LOG_LINES:]
