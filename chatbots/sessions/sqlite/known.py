"""Turns that were read or written here: a conversation that goes on is not read anew each time.

Nothing changes a turn that has ended, in whichever process, but a note (`SessionStore.mark`): what
may have notes is not to be kept here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from chatbots.messages import Turn
from chatbots.sessions.turn import FINAL

MOST: Final = 8_000_000
"""Characters that are kept."""
AROUND: Final = 500
"""Characters that a turn weighs as much as, beside its own."""
MOMENT: Final = 0.05
"""Seconds after a turn has begun until another process may have changed what was before."""


class _Kept(NamedTuple):
    """Turns of a session, without a gap, after the first so many; and what runs here, if any."""

    number: int
    first: int
    turns: tuple[Turn, ...] = ()
    size: int = 0
    running: Turn | None = None
    until: float = 0.0

    @property
    def upto(self) -> int:
        return self.first + len(self.turns)

    def and_then(self, ended: tuple[Turn, ...]) -> _Kept:
        size = self.size + sum(map(_weight, ended))
        return self._replace(turns=(*self.turns, *ended), size=size)

    @property
    def current(self) -> Turn | None:
        """What runs here, where all before it is there."""
        runs = self.running
        return runs if runs is not None and runs.seq == self.upto + 1 else None


class Known:
    """The newest turns of the sessions that were used last; threads may share it.

    A session's *number* tells it from another that has its name now.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._changing = Lock()

    def turns(
        self, session: str, number: int, first: int, read: Callable[[int], list[Turn]]
    ) -> list[Turn]:
        """Return the turns after the *first* so many; *read* returns those after so many."""
        kept = self._kept.get(session)
        if kept is None or kept.number != number:
            kept = _Kept(number, first)
        elif not kept.first <= first <= kept.upto:
            kept = kept._replace(first=first, turns=(), size=0)
        known = kept.turns[first - kept.first :]
        fresh = read(kept.upto)
        ended = tuple([turn for turn in fresh if turn.state in FINAL])
        if ended and ended[-1].seq == kept.upto + len(ended):
            self._keep(session, kept.and_then(ended))
        return [*known, *fresh]

    def begun(self, turn: Turn, number: int) -> None:
        """Know that *turn* runs, the newest of its session, which has no notes."""
        kept = self._kept.get(turn.session)
        if kept is None or kept.number != number:
            kept = _Kept(number, turn.seq - 1)
        self._keep(turn.session, kept._replace(running=turn, until=monotonic() + MOMENT))

    def at_once(self, session: str, last: int | None) -> list[Turn] | None:
        """Return the *last* so many turns, if the newest has begun here just now."""
        kept = self._kept.get(session)
        runs = None if kept is None or monotonic() > kept.until else kept.current
        if kept is None or runs is None:
            return None
        first = 0 if last is None else max(0, runs.seq - last)
        return None if first < kept.first else [*kept.turns[first - kept.first :], runs]

    def ended(self, turn: Turn) -> None:
        """Know that a *turn* has ended which had `begun` here."""
        kept = self._kept.get(turn.session)
        runs = kept.current if kept is not None else None
        if kept and runs and _name(runs) == _name(turn):
            self._keep(turn.session, kept.and_then((turn,)))

    def doubt(self, session: str) -> None:
        """Have the file looked at for what runs in a *session*."""
        kept = self._kept.get(session)
        if kept is not None:
            self._keep(session, kept._replace(until=0.0))

    def forget(self, session: str | None = None) -> None:
        """Keep nothing of a *session*, or of any."""
        with self._changing:
            for name in list(self._kept) if session is None else [session]:
                self._drop(name)

    def _keep(self, session: str, kept: _Kept) -> None:
        with self._changing:
            self._drop(session)
            self._kept[session] = kept
            self._size += kept.size
            while self._size > MOST:
                self._drop(next(iter(self._kept)))

    def _drop(self, session: str) -> None:
        kept = self._kept.pop(session, None)
        self._size -= kept.size if kept else 0


def _name(turn: Turn) -> tuple[int, str, float | None]:
    return turn.seq, turn.request_id, turn.began_at


def _weight(turn: Turn) -> int:
    texts = [text for message in (*turn.said, *turn.answer) for text in message.texts]
    return AROUND + sum(map(len, texts))
