"""Another voice: Piper, which speaks in a process of its own (`piper_program`)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chatbots.realtime.resampling import resampled
from chatbots.speech.kokoro import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Without -P its own folder would come first, and `import piper` find this module.
PROGRAM: Final = (sys.executable, "-P", str(Path(__file__).with_name("piper_program.py")))
"""The command of the process; two arguments are added."""
PATIENCE: Final = 60.0
"""Seconds that a clause may take, loading included; then the process is taken to hang."""


class Mark:
    """What is being said: set `terminate`, and it is not said on."""

    def __init__(self, number: int, stop: Callable[[int], None]) -> None:
        self.number = number
        self._stop = stop
        self._terminate = False

    @property
    def terminate(self) -> bool:
        """Whether it is to end."""
        return self._terminate

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._terminate = value
        self._stop(self.number)


class Piper:
    """The voice in the file *model*; its process begins with `begin`, or the first word.

    It ends with this one, however that ends: what it reads from is then closed.
    """

    def __init__(
        self,
        model: Path,
        *,
        threads: int,
        program: Sequence[str] = PROGRAM,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._command = (*program, str(model), str(threads))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count()
        self._one_at_a_time = threading.Lock()
        self._writing = threading.RLock()

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """Begin to load, which takes some 1.5 s, if that is not done."""
        with self._writing:
            if self._process is not None and self._process.poll() is not None:
                self.close()
            self._process = self._process or subprocess.Popen(  # noqa: S603 (our own)
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in the user's terminal is not for it.
            )

    def stop_mark(self) -> Mark:
        """Return what stops `say`, from another thread."""
        return Mark(next(self._numbers), lambda number: self._tell({"stop": number}))

    def say(self, text: str, *, speed: float = 1.0, mark: Mark | None = None) -> bytes:
        """Return *text* as PCM16 at 24 kHz; blocks.

        Raises `RuntimeError`, also where it is stopped; `OSError` where no process can be had.
        """
        mark = mark or self.stop_mark()
        with self._one_at_a_time:
            process = self._asked(text, speed, mark)
            hangs = threading.Timer(self._patience, process.kill)
            hangs.start()
            try:
                return self._sound(process)
            finally:
                hangs.cancel()

    def _sound(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        told: dict[str, Any] = {"bytes": 1}
        sound = b""
        with suppress(ValueError):  # half a line; or another thread has closed it
            told = json.loads(process.stdout.readline() or b'{"bytes": 1}')
            sound = process.stdout.read(told.get("bytes", 0))
        if "error" in told:
            raise RuntimeError(f"Piper did not say it: {told['error']}.")
        if len(sound) < told["bytes"]:
            self.close()
            raise RuntimeError("The process of Piper ended.")
        return resampled(sound, told["rate"], RATE)

    def close(self) -> None:
        """End the process, if there is one; the next word begins another."""
        with self._writing:
            process, self._process = self._process, None
            if process is not None:
                assert process.stdin is not None  # noqa: S101 - it is a pipe
                with suppress(OSError), process:  # whose end is waited for
                    process.stdin.close()  # first: whoever waits for its sound waits no more

    def _asked(self, text: str, speed: float, mark: Mark) -> subprocess.Popen[bytes]:
        """Ask for *text*, unless *mark* is set; return whose sound will come."""
        with self._writing:
            if mark.terminate:
                raise RuntimeError("It was stopped before it began.")
            self.begin()
            self._tell({"id": mark.number, "text": text, "speed": speed})
            assert self._process is not None  # noqa: S101 - it has begun
            return self._process

    def _tell(self, order: dict[str, object]) -> None:
        with self._writing, suppress(OSError):  # it is dead: whoever waits for it will hear
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                self._process.stdin.flush()
