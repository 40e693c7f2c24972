"""The helper process: a llama.cpp server on loopback that ends when nobody needs it any more.

Run as `python -m chatbots.local.helper CONFIG`, by `chatbots.local.model` only.
It imports xllamacpp and the standard library, nothing else: its start is waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from chatbots.local.files import open_lock, try_lock, unlock
from chatbots.local.rendezvous import Process, State, meet, process_started, sign, write_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatbots.local.rendezvous import Rendezvous


SLOTS: Final = 2
"""Conversations answered at the same time; more wait for their turn, first come, first served."""


class Config(NamedTuple):
    """What the helper is told; nothing of it is secret, for any user can read a command line.

    `ready` is the descriptor to report on, `idle` is in seconds,
    `context` is what one conversation may fill, in tokens.
    """

    folder: str
    key: str
    path: str
    name: str
    idle: float
    context: int
    threads: int
    ready: int


def llama(config: Config, api_key: str) -> tuple[int, object]:
    """Serve the model on a free port of 127.0.0.1; return the port and what must stay alive."""
    xllamacpp: Any = importlib.import_module("xllamacpp")  # It has no types.
    p = xllamacpp.CommonParams()
    p.model.path = config.path
    p.model_alias = {config.name}
    p.hostnames = ["127.0.0.1"]
    p.port = 0
    p.ui = False
    p.verbosity = 1  # Errors. Higher up it would write down what is asked.
    # Any web page the user visits can send requests to loopback, and llama.cpp lets
    # every Origin read: only the key keeps them out.
    # That they may not read the refusal is a second lock.
    p.api_keys = [api_key]
    p.cors_origins = "http://127.0.0.1"
    p.cors_credentials = False
    p.endpoint_slots = False
    # Each has a window of its own: in a shared one, answers that together outgrow it fail together.
    p.n_parallel = SLOTS
    p.n_ctx = config.context * SLOTS
    p.kv_unified = False
    # Small batches let the answers of others go on while a long prompt is being read.
    p.n_batch = p.n_ubatch = 256
    p.cache_ram_mib = 512
    # Trying out what fits a graphics card doubles the time to start.
    p.fit_params = False
    p.warmup = False
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = config.threads
    server = xllamacpp.Server(p)
    return int(server.listening_address.rpartition(":")[2]), server


def main(serve: Callable[[Config, str], tuple[int, object]] = llama) -> None:
    """Serve a model as told on the command line, until nobody has needed it for a while."""
    config = Config(**json.loads(sys.argv[-1]))
    if os.fork():
        os._exit(0)  # The user's process waits for this one, and is not the parent of the other.
    os.chdir("/")
    files = meet(Path(config.folder), config.key)

    def told_to_end(_signal: int, _frame: object) -> NoReturn:
        _leave(files)

    signal.signal(signal.SIGTERM, told_to_end)
    alive = open_lock(files.alive)
    if not _take(alive):
        _report(config, code="local_model_failed", reason="another helper is running")
        os._exit(1)
    me = Process(os.getpid(), process_started(os.getpid()))
    sign(alive, me)
    api_key = os.urandom(32).hex()
    try:
        port, _server = serve(config, api_key)
    except BaseException as error:
        if not isinstance(error, (ImportError, OSError, RuntimeError)):
            traceback.print_exc()  # Not foreseen; what is has said enough in the log already.
        _report(config, code=_code(error), reason=(str(error) or repr(error)).rstrip(".")[:1000])
        os._exit(1)
    write_state(
        files.state, State(*me, port, api_key, config.name, config.path, context=config.context)
    )
    _report(config)
    stay(files.lease, config.idle)
    _leave(files)


def stay(lease: Path, idle: float) -> None:
    """Return once nobody has held the *lease* for *idle* seconds, holding it alone.

    From then on no user can begin: he waits for the lease, gets it when this process has ended,
    and finds no state.
    """
    lock = open_lock(lease)
    while True:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Sleeps as long as there are users.
        last_use = os.fstat(lock).st_mtime_ns
        unlock(lock)
        since = time.monotonic()
        # A user who came and went between two looks has touched the file.
        while try_lock(lock) and os.fstat(lock).st_mtime_ns == last_use:
            if time.monotonic() - since >= idle:
                return
            unlock(lock)
            time.sleep(min(1.0, idle / 10))
        unlock(lock)


def _take(alive: int) -> bool:
    """Take the lock in spite of those who look, for a moment, whether anybody has it."""
    for _ in range(100):
        if try_lock(alive):
            return True
        time.sleep(0.01)
    return False


def _code(error: BaseException) -> str:
    missing = isinstance(error, ModuleNotFoundError) and error.name == "xllamacpp"
    return "extra_missing" if missing else "local_model_failed"


def _report(config: Config, **failure: str) -> None:
    """Tell the one who waits, if he still does: an empty object means that all is well."""
    with contextlib.suppress(OSError):
        os.write(config.ready, json.dumps(failure).encode())
        os.close(config.ready)


def _leave(files: Rendezvous) -> NoReturn:
    files.state.unlink(missing_ok=True)
    # llama.cpp's server has no end of its own, and holds nothing worth saving.
    os._exit(0)


if __name__ == "__main__":
    main()
