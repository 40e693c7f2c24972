"""The names of all faults, and how one or a sequence of them is written.

`429-s:7` is a fault and its number, `500,500,ok` a sequence that starts again at its end,
and `fault:500,500,ok` a model whose answers fail like that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from chatbots.testing.faults import before, chunks, stream, tools
from chatbots.testing.faults.steps import Fault, Script, Step, without_fault
from chatbots.testing.realtime import faults as realtime
from chatbots.testing.realtime.steps import SocketFault

OK: Final = "ok"
PREFIX: Final = "fault:"

BEFORE: Final[Mapping[str, Fault]] = before.FAULTS
INSIDE: Final[Mapping[str, Fault]] = {**stream.FAULTS, **chunks.FAULTS, **tools.FAULTS}
SOCKET: Final = realtime.FAULTS
"""On realtime sockets; what has the name of another is the same there."""
FAULTS: Final[Mapping[str, Fault]] = {
    OK: Fault("no fault", without_fault),
    **BEFORE,
    **INSIDE,
}
EVERY: Final[Mapping[str, Fault | SocketFault]] = {**SOCKET, **FAULTS}


class Chosen(NamedTuple):
    """A fault with its number."""

    fault: Fault | SocketFault
    number: float

    def steps(self, script: Script) -> Iterator[Step]:
        """Return what goes over the wire in place of the answer in *script*.

        What is for sockets alone leaves an answer over HTTP good.
        """
        fault = self.fault if isinstance(self.fault, Fault) else FAULTS[OK]
        return iter(fault.steps(script, self.number))


def find(spec: str) -> Chosen:
    """Read `name` or `name:number`; raises `ValueError` that says what there is."""
    name, _, number = spec.strip().partition(":")
    fault = EVERY.get(name)
    if fault is None:
        near = [known for known in EVERY if name and known.startswith(name)]
        near = near or get_close_matches(name, EVERY)
        hint = f"did you mean {', '.join(near)}?" if near else "--fault list shows all."
        raise ValueError(f"No fault is called {name!r}: {hint}")
    if not number:
        return Chosen(fault, fault.default)
    if not fault.unit:
        raise ValueError(f"The fault {name} takes no number, not {number!r}.")
    try:
        chosen = Chosen(fault, float(number))
    except ValueError:
        chosen = Chosen(fault, -1)
    if not 0 <= chosen.number < 1e9:
        raise ValueError(f"The fault {name} takes a number of {fault.unit}, not {number!r}.")
    return chosen


def sequence(spec: str) -> list[str]:
    """Split `500,500,ok`; raises `ValueError` where a part is no fault."""
    parts = [part.strip() for part in spec.split(",")]
    for part in parts:
        find(part)
    return parts


def placed(fault: str | None, after: float | None) -> str | None:
    """Join a fault and the number of pieces *after* which it strikes."""
    if after is None:
        return fault
    if fault is None or ":" in fault or find(fault).fault.unit != "pieces":
        raise ValueError(
            f"after= is for a fault that counts pieces and has no number, not {fault}."
        )
    return f"{fault}:{after:g}"


class Sequences:
    """Takes the faults of each sequence in turn, and then from the start again."""

    def __init__(self) -> None:
        self._turns: dict[str, deque[str]] = {}

    def peek(self, spec: str) -> str:
        """Return what is next of *spec*, and leave it there; raises `ValueError` for no fault."""
        if spec not in self._turns:
            self._turns[spec] = deque(sequence(spec))
        return self._turns[spec][0]

    def next_of(self, spec: str) -> str:
        """Return the next fault of *spec*; raises `ValueError` where it is none."""
        fault = self.peek(spec)
        self._turns[spec].rotate(-1)
        return fault


def listed(faults: Mapping[str, Fault | SocketFault] = EVERY) -> Sequence[str]:
    """Return a line for each fault: its name, its number, what it does."""
    return [f"{shown(name, faults):32} {fault.about}" for name, fault in faults.items()]


def shown(name: str, faults: Mapping[str, Fault | SocketFault] = EVERY) -> str:
    """Return how one of the *faults* is written, its number with the default and the unit."""
    fault = faults[name]
    return f"{name}:{fault.default:g} ({fault.unit})" if fault.unit else name
