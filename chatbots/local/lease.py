"""A user's hold on the helper process: while it lasts, the helper does not end by itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from chatbots.local.files import open_lock, try_lock, unlock
from chatbots.local.rendezvous import Process, is_dying, read_state
from chatbots.local.waiting import until

if TYPE_CHECKING:
    from chatbots.local.rendezvous import Rendezvous, State

_POLL: Final = 0.005


class Lease:
    """A shared lock on the lease file, and what is known of the helper that it keeps up."""

    def __init__(self, files: Rendezvous) -> None:
        self._files = files
        self._lease = open_lock(files.lease)
        self._alive = open_lock(files.alive)
        self._known: tuple[State, tuple[int, int]] | None = None

    async def take(self) -> None:
        """Hold the lease; waits only while a helper is about to end."""
        await until(lambda: try_lock(self._lease, shared=True), every=_POLL)
        os.utime(self._lease)  # So that a visit is seen that is over before the helper looks.

    def current(self) -> State | None:
        """Return the state of the helper if one is alive and answers; None otherwise.

        A helper that was killed is no longer alive, though the kernel may take some milliseconds.
        A handful of system calls, about 20 microseconds, while nothing has changed.
        """
        if try_lock(self._alive, shared=True):
            unlock(self._alive)
            self._known = None
            return None
        try:
            status = self._files.state.stat()
        except FileNotFoundError:
            return None
        # The state is replaced, never written over: another helper's is another file.
        identity = (status.st_ino, status.st_mtime_ns)
        if self._known is None or self._known[1] != identity:
            state = read_state(self._files.state)
            self._known = None if state is None else (state, identity)
        if self._known is None:
            return None
        state = self._known[0]
        return None if is_dying(Process(state.pid, state.started)) else state

    def close(self) -> None:
        """Give the lease back."""
        for lock in (self._lease, self._alive):
            unlock(lock)  # A process forked meanwhile has the descriptor too; this ends its hold.
            os.close(lock)
