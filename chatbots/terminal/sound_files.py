"""The files that are heard and spoken into: an old one stays whole until a new one is."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO, Final

from anyio import from_thread

from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.terminal.speaker import FileOutput
from chatbots.terminal.streams import PATIENCE, writable

_AT_ONCE: Final = os.O_RDONLY | os.O_NONBLOCK
"""A pipe that nobody writes to yet is waited for where it is read, so that Ctrl-C ends it."""


@contextmanager
def heard_from(path: Path) -> Generator[IO[bytes]]:
    """Open a WAV to be heard; `-` is standard input.

    Raises `ConfigurationError` (`file_unreadable`).
    """
    with _told(path, "read"):
        if path.is_dir():
            raise IsADirectoryError(0, "Is a directory")
        file = os.fdopen(os.dup(0) if str(path) == "-" else os.open(path, _AT_ONCE), "rb")
    with file:
        yield file


@contextmanager
def spoken_into(
    path: Path, *, pace: float = 0.0, heard: Iterable[IO[bytes]] = ()
) -> Generator[FileOutput]:
    """Open a WAV to be spoken into; `-` is standard output.

    An old file is replaced after the output was closed, if there is sound in it: who leaves before
    leaves it whole. What is no plain file, such as a pipe, is written as it comes.
    Raises `InvalidRequest` for one of those that are *heard* meanwhile,
    `ConfigurationError` (`file_unreadable`) for what cannot be written.
    """
    with _told(path, "written"):
        old = path.stat() if str(path) != "-" and path.exists() else None
        if old is not None and any(os.path.samestat(os.fstat(f.fileno()), old) for f in heard):
            raise InvalidRequest(
                "invalid_request", f"The sound {str(path)!r} is heard: it cannot be spoken into."
            )
        if str(path) != "-" and (old is None or stat.S_ISREG(old.st_mode)):
            with _in_place_of(path.resolve(), old, pace) as output:
                yield output
            return
        with _Patient(os.dup(1) if str(path) == "-" else path, "wb") as file:
            yield (output := FileOutput(file, pace=pace))
            output.close()


class _Patient(FileIO):
    """A pipe whose reader may stand still: a thread that writes gives up when it is cancelled."""

    def write(self, data: bytes) -> int:  # type: ignore[override]  # only bytes are written here
        rest = memoryview(data)
        while rest:
            if writable(self.fileno(), PATIENCE):
                rest = rest[super().write(rest[: select.PIPE_BUF]) :]
            else:
                from_thread.check_cancelled()
        return len(data)


@contextmanager
def _in_place_of(path: Path, old: os.stat_result | None, pace: float) -> Generator[FileOutput]:
    if old is not None and not os.access(path, os.W_OK):
        raise PermissionError(0, "Permission denied")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            output = FileOutput(file, pace=pace)
            try:
                yield output
            finally:
                done = output.closed or old is None  # better than nothing
                output.close()
                if output.size and done:
                    beside.chmod(stat.S_IMODE(old.st_mode)) if old else None
                    beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _told(path: Path, deed: str) -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigurationError(
            "file_unreadable", f"The sound {str(path)!r} cannot be {deed}: {error.strerror}."
        ) from error
