"""The local model as its users have it: a helper process found or started, leased, given back."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING, Final

import anyio
from msgspec import Struct

from chatbots.local.cpus import usable_cores
from chatbots.local.helper import Config
from chatbots.local.lease import Lease
from chatbots.local.rendezvous import key_of, meet
from chatbots.local.starting import Starter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chatbots.local.rendezvous import State

PROGRAM: Final = (sys.executable, "-m", "chatbots.local.helper")
"""The helper process's command; one argument is added."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where the local model answers: an OpenAI-compatible API that wants `api_key`."""

    base_url: str
    api_key: str
    pid: int
    model: str


class LocalModel:
    """A lease on the helper process that serves the model file at *path*.

    All of a user's programs share one helper per model file; who starts it decides about
    *idle* (seconds it outlives its last user), *context* (tokens of one conversation)
    and *threads*.
    *start_timeout* bounds the start, in seconds. *program* is the helper's command.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        state_dir: Path,
        idle: float = 300.0,
        context: int = 8192,
        threads: int | None = None,
        start_timeout: float = 120.0,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        folder, path = state_dir.absolute(), path.absolute()
        key = key_of(name, path)
        config = Config(
            folder=str(folder),
            key=key,
            path=str(path),
            name=name,
            idle=idle,
            context=context,
            threads=usable_cores() if threads is None else threads,
            ready=-1,
        )
        self._folder = folder
        self._files = meet(folder, key)
        self._starter = Starter(self._files, config, program=program, timeout=start_timeout)
        self._lease: Lease | None = None
        self._one_at_a_time = anyio.Lock()

    async def endpoint(self) -> Endpoint:
        """Return where the model answers, starting the helper process if there is none.

        Takes the lease if it is not held. Costs some microseconds while the helper lives,
        so it can be called before every request; a helper that died is replaced.
        Raises `ConfigurationError`: `local_model_failed`, `extra_missing`.
        """
        if self._lease is not None and (state := self._lease.current()) is not None:
            return _endpoint(state)
        async with self._one_at_a_time:
            try:
                _make_private(self._folder)
                if self._lease is None:
                    self._lease = await self._leased()
                return _endpoint(await self._starter.find_or_start(self._lease))
            except OSError as error:
                raise self._starter.failed(str(error)) from error

    async def aclose(self) -> None:
        """Give the lease back. May be called again; `endpoint` takes a new one afterwards."""
        async with self._one_at_a_time:
            if self._lease is not None:
                self._lease.close()
                self._lease = None

    async def _leased(self) -> Lease:
        lease = Lease(self._files)
        try:
            await lease.take()
        except BaseException:
            lease.close()
            raise
        return lease


def _endpoint(state: State) -> Endpoint:
    return Endpoint(
        base_url=f"http://127.0.0.1:{state.port}/v1",
        api_key=state.api_key,
        pid=state.pid,
        model=state.name,
    )


def _make_private(folder: Path) -> None:
    """Make *folder* one that only this user can enter: the key lies there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)
