"""Two processes of bots on one file, killed again and again while clients ask them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final, Self

import anyio
import msgspec

from chatbots.messages import Turn
from chatbots.sessions.sqlite.store import SQLiteSessions
from tests.chaos.checking import Tally, check
from tests.chaos.clients import Clients
from tests.chaos.serving import Config
from tests.chaos.steps import STEPS
from tests.chaos.upstream import reads

ROOT: Final = Path(__file__).resolve().parents[2]
CLIENTS: Final = 16
PROCESSES: Final = 2
LIFE: Final = 4.0
"""Seconds a process lives at most from when it takes requests."""
QUIET: Final = 60.0
"""Seconds in which every client gets its last answer, after the last kill."""


class Bots:
    """A process of bots, in one place: started again when it was killed."""

    def __init__(
        self, config: Config, random: Random, env: Mapping[str, str] | None = None
    ) -> None:
        self._config = config
        self._env = env
        self._random = random
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The process as it is now."""
        return self._process.pid

    def _start(self, *, dies: tuple[str, int] | None = None) -> subprocess.Popen[bytes]:
        config = msgspec.structs.replace(self._config, dies=dies)
        given = msgspec.json.encode(config).decode()
        command = [sys.executable, "-m", "tests.chaos.serving", given]
        return subprocess.Popen(command, cwd=ROOT, env=self._env)

    async def be_killed(self, times: int) -> None:
        """Be killed so many times, at a step or at any moment, and run on after."""
        for _ in range(times):
            await self.listening()
            until = anyio.current_time() + self._random.uniform(0.0, LIFE)
            while self._process.poll() is None and anyio.current_time() < until:
                await anyio.sleep(0.01)
            self.end()
            dies = (self._random.choice(STEPS), self._random.randint(1, 60))
            self._process = self._start(dies=dies if self._random.random() < 0.5 else None)
        self.end()  # the last one may be about to die at a step
        self._process = self._start()

    async def listening(self) -> None:
        """Return when it takes requests, or is dead."""
        while self._process.poll() is None:
            with suppress(OSError):
                await (await anyio.connect_tcp("127.0.0.1", self._config.port)).aclose()
                return
            await anyio.sleep(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Kill it, and be sure that it has not ended by itself."""
        self._process.kill()
        if self._process.wait() != -signal.SIGKILL:
            raise AssertionError(f"The bots ended with status {self._process.returncode}.")


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def shim(folder: Path, path: Path) -> dict[str, str]:
    """Build the shim; return the environment of a program under it that has its file at *path*."""
    source, built = Path(__file__).with_name("shim.c"), folder / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", built, source, "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(built), "CHAOS_DB": str(path)}


@contextmanager
def upstream(log: Path) -> Iterator[str]:
    """Run the model in a process of its own; give its base URL."""
    command = [sys.executable, "-m", "tests.chaos.upstream", str(log)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


async def stored_in(path: Path, *, only: int | None = None) -> dict[str, list[Turn]]:
    """Return the sessions in the file, opened as anybody would: all, or *only* the newest."""
    store = SQLiteSessions(path)
    try:
        names = [info.name for info in await store.sessions(limit=only)]
        return {name: list(await store.load(name)) for name in names}
    finally:
        await store.aclose()


async def kill_often(folder: Path, kills: int, *, seed: int, guard: str | None) -> Tally:
    """Kill processes so many times while clients ask, and check all that was seen."""
    path, log, tools = folder / "sessions.db", folder / "model.jsonl", folder / "tools"
    ports = free_ports(PROCESSES)
    clients = Clients(ports, seed)
    with ExitStack() as stack:
        base_url = stack.enter_context(upstream(log))
        configs = [Config(str(path), base_url, port, str(tools), guard) for port in ports]
        places = [
            stack.enter_context(Bots(config, Random(seed + number)))
            for number, config in enumerate(configs)
        ]
        async with anyio.create_task_group() as asking:
            for number in range(CLIENTS):
                asking.start_soon(clients.run, number)
            async with anyio.create_task_group() as killing:
                for number, place in enumerate(places):
                    share = kills // PROCESSES + (number < kills % PROCESSES)
                    killing.start_soon(place.be_killed, share)
            clients.stopping = True
            asking.cancel_scope.deadline = anyio.current_time() + QUIET
        for place in places:
            place.end()
    ran = tools.read_text().split() if tools.exists() else ()
    return check(clients.histories, await stored_in(path), reads(log), ran)
