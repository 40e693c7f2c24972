"""For every test: nobody is called, nothing of the user's is touched, nothing is left."""

from __future__ import annotations

import asyncio  # noqa: TID251 (its clock is stopped)
import ipaddress
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any, NoReturn

import anyio
import httpcore2
import hypothesis
import pytest
import structlog
from anyio.lowlevel import checkpoint
from pytest_timeout import (  # type: ignore[import-untyped]  # it has no types
    Settings,
    timeout_timer,
)

from chatbots.provider.connection import Connection

# Two cores shared with the rest of a build make a slow example, not a wrong one; and the same
# code gets the same verdict everywhere. `make test-all` asks for the second profile; the third
# is for whoever looks for what nobody has thought of.
fast = hypothesis.settings(
    max_examples=100, deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.register_profile("fast", fast)
hypothesis.settings.register_profile("thorough", fast, max_examples=5000)
hypothesis.settings.register_profile("search", fast, max_examples=5000, derandomize=False)
hypothesis.settings.load_profile("fast")


# Nothing goes on for ever


class TimeLimit:
    """The time limit of the test that runs, watched by one thread for all of them.

    pytest-timeout starts a thread for each test, and that is more than most tests cost.
    """

    def __init__(self) -> None:
        self._test: tuple[float, pytest.Item, Settings] | None = None
        self._watching = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Settings) -> bool | None:
        """Take over the limits that are held by threads."""
        if settings.method != "thread":
            return None
        self._test = (time.monotonic() + settings.timeout, item, settings)
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, name="time limit", daemon=True).start()
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_cancel_timer(self) -> None:
        """Forget the test that has ended."""
        self._test = None

    def _watch(self) -> NoReturn:
        while True:
            time.sleep(0.25)
            if (test := self._test) and time.monotonic() > test[0]:
                self._test = None
                timeout_timer(*test[1:])  # shows what every thread does, and ends the process


def pytest_configure(config: pytest.Config) -> None:
    """Take part in the time limits."""
    config.pluginmanager.register(TimeLimit())


# Nobody is called


NOWHERE = ".invalid"
"""The ending of names that never resolve (RFC 6761): a test may ask, nobody is told."""


def name_of(host: object) -> str:
    """Return the name in what `getaddrinfo` takes for one."""
    return host.decode() if isinstance(host, bytes) else str(host or "localhost")


def refuse(host: object) -> None:
    """Fail the test unless *host* is this machine.

    The failure is no `Exception`, so code that maps foreign errors does not catch it.
    """
    name = name_of(host)
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
        allowed = address.is_loopback or address.is_unspecified
    except ValueError:
        allowed = name.endswith(("localhost", NOWHERE))
    if not allowed:
        pytest.fail(f"A test tried to reach {name}. Tests call nobody but this machine.")


@pytest.fixture(autouse=True, scope="session")
def nobody_is_called() -> Generator[None]:
    """Keep real clients, whoever made them, from leaving this machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo, open_tcp = socket.getaddrinfo, httpcore2.AnyIOBackend.connect_tcp
    connect_to = Connection.to

    def guarded_connect(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            refuse(address[0])
        connect(self, address)  # type: ignore[arg-type]  # whatever it was called with

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            refuse(address[0])
        return connect_ex(self, address)  # type: ignore[arg-type]  # as above

    def guarded_getaddrinfo(host: object, *rest: object, **more: object) -> object:
        refuse(host)
        if name_of(host).endswith(NOWHERE):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return getaddrinfo(host, *rest, **more)  # type: ignore[arg-type]  # as above

    async def guarded_tcp(
        self: httpcore2.AnyIOBackend, host: str, *rest: object, **more: object
    ) -> object:
        refuse(host)
        return await open_tcp(self, host, *rest, **more)  # type: ignore[arg-type]  # as above

    async def guarded_to(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
        refuse(host)
        return await connect_to(host, port, tls)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(socket.socket, "connect", guarded_connect)
        monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        # uvloop opens its sockets in C, past the guards above.
        monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", guarded_tcp)
        monkeypatch.setattr(Connection, "to", guarded_to)
        yield


# Nothing of the user's is touched

SETTINGS = ("OPENAI_", "AZURE_", "CHATBOTS_", "LOG_", "ASSISTANT_INSTRUCTIONS", "SERVER_", "DB_")
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
MODEL_CACHES = ("HF_", "OLLAMA_", "CHATBOTS_CACHE")
FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
HOMES = ("HOME", "XDG_CACHE_HOME")


class EmptyHome:
    """The empty folders of a user; made anew only after a test that wrote there."""

    def __init__(self, make: Callable[[], Path]) -> None:
        self._make = make
        self._folders: dict[str, Path] = {}
        self._untouched: list[tuple[int, int]] = []

    def get(self) -> dict[str, Path]:
        """Return the folder of each variable."""
        if not self._folders or self._seen() != self._untouched:
            home = self._make()
            self._folders = {name: home / name.lower() for name in FOLDERS + HOMES} | {"HOME": home}
            for folder in self._folders.values():
                folder.mkdir(mode=0o700, exist_ok=True)
            self._untouched = self._seen()
        return self._folders

    def _seen(self) -> list[tuple[int, int]]:
        """Tell what changes when a name comes or goes in a folder, or its rights change."""
        try:
            stats = [folder.stat() for folder in self._folders.values()]
        except OSError:
            return []
        return [(stat.st_mtime_ns, stat.st_mode) for stat in stats]


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> EmptyHome:
    return EmptyHome(lambda: tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, empty_home: EmptyHome
) -> None:
    """Hide the user's settings, and point the folders of a user to an empty one.

    A test of the real local model (`weights`) sees the caches where its file is. No authority of
    the system is trusted: to read them all costs each client, and each process, 20 ms.
    """
    needs_cache = request.node.get_closest_marker("weights") is not None
    hidden = SETTINGS if needs_cache else SETTINGS + MODEL_CACHES
    for name in list(os.environ):
        kept = needs_cache and name.startswith(MODEL_CACHES)
        if (name.upper().startswith(hidden) and not kept) or name.upper() in PROXIES + AUTHORITIES:
            monkeypatch.delenv(name)
    folders = empty_home.get()
    monkeypatch.setenv("SSL_CERT_DIR", str(folders["XDG_CONFIG_HOME"]))
    for name, folder in folders.items():
        if name in FOLDERS or not needs_cache:
            monkeypatch.setenv(name, str(folder))


# Nobody waits for long


@pytest.fixture
async def time_flies(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Stop the loop's clock while anything goes on, and let it jump where all only wait.

    So no deadline is missed, or comes first, because a busy machine stood still; and none takes
    its time. For tests whose peers are in the same loop: threads and processes are not waited for.
    Returns the clock.
    """
    loop: Any = asyncio.get_running_loop()
    select, now = loop._selector.select, loop.time()

    def jump(timeout: float | None) -> object:
        nonlocal now
        events = select(timeout and min(timeout, 0.03))  # what is sent on loopback is there by then
        if timeout and not events:
            now += timeout + 1e-6  # past it, as a real clock is
        return events

    monkeypatch.setattr(loop._selector, "select", jump)
    monkeypatch.setattr(loop, "time", clock := lambda: now)
    return clock


@pytest.fixture
def run_program(request: pytest.FixtureRequest) -> object:
    """Run programs that stand on a page; see `tests.pages.Program`."""
    from tests.pages import Program

    names = ("monkeypatch", "capsys", "fake_openai", "tmp_path")
    return Program(*map(request.getfixturevalue, names))


# Nothing is left


@pytest.fixture(autouse=True)
def no_logging_is_left() -> Generator[None]:
    """Undo whatever a test did to the logs of the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
async def tasks_of_this_test() -> AsyncGenerator[None]:
    """Fail if a task is still there when an async test and its fixtures have ended."""
    yield
    await checkpoint()  # what has just ended is gone after one round of the loop
    me = anyio.get_current_task()
    left = [task.name for task in anyio.get_running_tasks() if task != me]
    if left:
        pytest.fail(f"The test left tasks behind: {', '.join(map(str, left))}.")


@pytest.fixture(autouse=True)
def no_task_is_left(request: pytest.FixtureRequest) -> None:
    """Watch async tests; a test that is not async needs no event loop for it."""
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("tasks_of_this_test")
