"""Programs as they are run: in this process, in one of their own, at a terminal."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pexpect  # type: ignore[import-untyped]  # it has no types
import pytest
from anyio.from_thread import BlockingPortal

from chatbots.local.catalog import Weights
from chatbots.testing import Call, FakeOpenAI
from chatbots.testing.realtime.talk import Talk
from tests.local.serving import Site

ROOT = Path(__file__).parents[2]
PATIENCE = 30
"""Seconds to wait for another process."""

PROMPTS = {"prompt_toolkit": "\x1b[?2004h", "readline": "> "}
"""What each editor writes once, when a line can be typed."""

CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


class Ran(NamedTuple):
    """How a program ended."""

    status: int
    out: str
    err: str


class Tiny(NamedTuple):
    """A small model, where it is kept once it is here, and who has it."""

    weights: Weights
    path: Path
    site: Site

    def here(self) -> None:
        """Put it where it is kept."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes((self.site.folder / "r1" / self.path.name).read_bytes())


def main_of(program: str) -> Callable[[Sequence[str]], int]:
    main: Callable[[Sequence[str]], int] = import_module(f"chatbots.cli.{program}").main
    return main


def run_as_main(monkeypatch: pytest.MonkeyPatch, module: str, *argv: str) -> int | str | None:
    """Run *module* as `python -m` does, in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", [module, *argv])
    # By its file: where pytest rewrites a module's asserts, its loader is no use to runpy.
    path = ROOT / f"{module.replace('.', '/')}.py"
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as left:
        return left.code
    raise AssertionError("it did not exit")


class Upstream:
    """The fake server, used from outside of its thread."""

    def __init__(self, fake: FakeOpenAI, portal: BlockingPortal) -> None:
        self._fake = fake
        self._portal = portal
        self.base_url = fake.base_url

    @property
    def calls(self) -> list[Call]:
        return self._fake.calls

    @property
    def talks(self) -> list[Talk]:
        return self._fake.talks

    @property
    def connections(self) -> int:
        return self._fake.connections

    def answer(self, *args: Any, **kwargs: Any) -> None:
        self._portal.call(partial(self._fake.answer, *args, **kwargs))

    def fault(self, name: str) -> None:
        self._portal.call(self._fake.fault, name)

    def talked(self) -> list[str]:
        """Return the types of what the last realtime session was sent."""
        return [event["type"] for event in self._fake.talks[-1].received]

    def hear(self, *transcripts: str) -> None:
        self._portal.call(self._fake.hear, *transcripts)

    def said(self, number: int = 1) -> list[tuple[str, str]]:
        """Return the role and the text of each message of a call."""
        return [(m["role"], m["content"]) for m in self.calls[number - 1].json["messages"]]

    def event(self) -> anyio.Event:
        return self._portal.call(_event)

    def set(self, event: anyio.Event) -> None:
        self._portal.call(event.set)

    def until(self, fact: Callable[[], bool]) -> None:
        self._portal.call(self._until, fact)

    def until_called(self, number: int = 1) -> Call:
        self.until(lambda: len(self.calls) >= number)
        return self.calls[number - 1]

    def begin(self, *pieces: str, number: int = 1) -> None:
        """Queue an answer that says *pieces* and then goes on for ever."""
        self.answer(_never_ending(pieces))

    @contextmanager
    def interrupting(self, fact: Callable[[], bool]) -> Iterator[None]:
        """Press Ctrl-C, for this process, as soon as *fact* is true."""

        def press() -> None:
            self.until(fact)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        yield
        thread.join()

    async def _until(self, fact: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE):
            await self._fake.until(fact)


async def _event() -> anyio.Event:
    return anyio.Event()


async def _never_ending(pieces: Sequence[str]) -> Any:
    for piece in pieces:
        yield piece
    await anyio.sleep_forever()


class Screen:
    """A program at a terminal of its own."""

    def __init__(self, child: Any, prompt: str) -> None:
        self._child = child
        self._prompt = prompt

    def wait_for(self, text: str) -> str:
        """Wait until *text* is shown, and return what was shown before it."""
        self._child.expect_exact(text)
        return str(self._child.before)

    def wait_for_prompt(self) -> str:
        """Wait until a line can be typed, and return what was shown before, as plain text."""
        return plain(self.wait_for(self._prompt))

    def press(self, keys: str) -> None:
        self._child.send(keys)

    def press_until(self, keys: str, text: str) -> None:
        """Press *keys*, again and again, until *text* is shown."""
        for _ in range(100):
            self._child.send(keys)
            if self._child.expect_exact([text, pexpect.TIMEOUT], timeout=PATIENCE / 100) == 0:
                return
        raise AssertionError(f"{text!r} was never shown")

    def press_bytes(self, keys: bytes) -> None:
        os.write(self._child.child_fd, keys)

    def enter(self, line: str) -> None:
        self._child.send(f"{line}\r")

    def end(self) -> Ran:
        """Wait for the program's end and return its status and the rest of what was shown."""
        self._child.expect(pexpect.EOF)
        rest = str(self._child.before)
        self._child.close()
        status = self._child.exitstatus
        return Ran(-1 if status is None else status, rest, "")


@contextmanager
def terminal(
    *command: str,
    folder: Path | None = None,
    editor: str = "prompt_toolkit",
    **variables: str,
) -> Iterator[Screen]:
    """Run *command* of this interpreter at a terminal; it is killed if it does not end."""
    variables = {
        "TERM": "xterm" if editor == "prompt_toolkit" else "dumb",
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here answers where the cursor is
        **variables,
    }
    with warnings.catch_warnings():
        # It forks, which Python 3.12 warns of where there are threads, as here the fake server's.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = pexpect.spawn(
            sys.executable,
            list(command),
            env=environment_with(**variables),
            cwd=folder,
            encoding="utf-8",
            codec_errors="replace",
            timeout=PATIENCE,
            dimensions=(40, 200),
        )
    child.delaybeforesend = None
    try:
        yield Screen(child, PROMPTS[editor])
    finally:
        child.close(force=True)


@contextmanager
def process(
    *command: str, folder: Path | None = None, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* of this interpreter; it is killed if it does not end."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, *command], env=environment_with(), cwd=folder, **{**pipes, **more}
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def ended(child: subprocess.Popen[bytes]) -> Ran:
    """Wait for the end of *child* and return what it wrote."""
    out, err = child.communicate(timeout=PATIENCE)
    return Ran(child.returncode, (out or b"").decode(), (err or b"").decode())


def run_process(*command: str, given: bytes = b"", folder: Path | None = None) -> Ran:
    """Run *command* of this interpreter to its end."""
    done = subprocess.run(
        [sys.executable, *command],
        input=given,
        env=environment_with(),
        cwd=folder,
        capture_output=True,
        timeout=PATIENCE,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def shell(command: str, folder: Path | None = None) -> Ran:
    """Run a line of shell, in which `chatbots` is this checkout's."""
    done = subprocess.run(
        ["bash", "-c", f'chatbots() {{ "{sys.executable}" -m chatbots "$@"; }}; {command}'],
        env=environment_with(),
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def plain(shown: str) -> str:
    """Return what was shown without escape sequences."""
    return re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78])", "", shown)


def environment_with(**variables: str) -> dict[str, str]:
    """Return the environment of a process: this one's, which the fixtures have set up."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}
