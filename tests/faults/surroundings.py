"""What a turn is tried in: little to wait for, nobody's settings, streams that are kept."""

from __future__ import annotations

import gc
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, TextIO
from unittest import mock

import structlog

from tests.provider.tls import certificate

PAUSE: Final = 0.02
"""Seconds before a retry, in place of half a second: the pauses have tests of their own."""
SETTINGS: Final = (
    "OPENAI_", "AZURE_", "CHATBOTS_", "LOG_", "ASSISTANT_",
    "DB_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
)  # fmt: skip
"""What variables begin with that say whom to ask, and how."""


@contextmanager
def in_haste() -> Iterator[None]:
    """Wait less before retries, read one certificate, not all the system's; no settings."""
    kept = {
        name: text for name, text in os.environ.items() if not name.upper().startswith(SETTINGS)
    }
    with tempfile.TemporaryDirectory() as folder:
        kept["SSL_CERT_FILE"] = str(certificate(Path(folder) / "one.pem"))
        kept["XDG_DATA_HOME"] = folder  # nobody's sessions
        with (
            mock.patch("chatbots.provider.tries._BACKOFF", PAUSE),
            mock.patch.dict(os.environ, kept, clear=True),
        ):
            yield


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """Undo what was done to the logs of the process, and to its garbage collector."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with ExitStack() as stack:
        stack.callback(gc.set_threshold, *gc.get_threshold())
        stack.callback(gc.unfreeze)
        stack.callback(structlog.reset_defaults)
        stack.callback(root.setLevel, level)
        stack.callback(setattr, root, "handlers", handlers)
        yield


@contextmanager
def captured() -> Iterator[tuple[Any, Any]]:
    """Hold what is written to the standard streams."""

    def paper() -> TextIO:
        return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True)

    def reader(held: Any) -> Any:
        return lambda: held.buffer.getvalue().decode()

    out, err = paper(), paper()
    with redirect_stdout(out), redirect_stderr(err):
        yield reader(out), reader(err)
