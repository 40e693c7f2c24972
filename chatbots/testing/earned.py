"""Which promises a store keeps: `python -m chatbots.testing store package.module:function`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import new_class
from typing import Final

import anyio

from chatbots.interfaces import SessionStore
from chatbots.testing.store_durable import (
    DurableMaker,
    P1AcceptedIsDurable,
    P2DoneIsDurable,
    P3ShownIsNearlyDurable,
    P4OnceAcrossAKill,
    P6NeverPoisoned,
    P8ToolsAreToldOf,
)
from chatbots.testing.store_keeping import Forgets, KeepsAnswers, KeepsMarks
from chatbots.testing.store_order import P4ExactlyOnce, P5Order, StoreMaker

PROMISES: Final[Mapping[str, tuple[type[StoreMaker], ...]]] = {
    "P1 accepted is durable": (P1AcceptedIsDurable,),
    "P2 done is durable": (P2DoneIsDurable,),
    "P3 shown is nearly durable": (P3ShownIsNearlyDurable,),
    "P4 exactly once": (P4ExactlyOnce, P4OnceAcrossAKill),
    "P5 order": (P5Order,),
    "P6 never poisoned": (P6NeverPoisoned,),
    "P8 tools are told of": (P8ToolsAreToldOf,),
    "answers are kept as they are": (KeepsAnswers,),
    "pins and summaries": (KeepsMarks,),
    "forgetting": (Forgets,),
}
"""P7 is a server's to keep."""

KNOWN: Final = {"memory": f"{__name__}:memory", "sqlite": f"{__name__}:sqlite"}


def memory(_: Path) -> SessionStore:
    """Return the store in memory."""
    from chatbots.sessions.in_memory import InMemorySessions

    return InMemorySessions()


def sqlite(folder: Path) -> SessionStore:
    """Return the store in an SQLite file."""
    from chatbots.sessions.sqlite.store import SQLiteSessions

    return SQLiteSessions(folder / "sessions.db")


def earned(factory: str) -> dict[str, str]:
    """Try all promises on the stores of *factory*; return what is broken of each, or nothing."""
    return {
        promise: next((why for kind in kinds for why in _broken(kind, factory) if why), "")
        for promise, kinds in PROMISES.items()
    }


def _broken(kind: type[StoreMaker], factory: str) -> list[str]:
    made = new_class(
        kind.__name__, (kind, DurableMaker), exec_body=lambda body: body.update(factory=factory)
    )()
    names = [name for name, _ in inspect.getmembers(kind) if name.startswith("test_")]
    return [_why(made, name) for name in names]


def _why(made: object, name: str) -> str:
    try:
        anyio.run(getattr(made, name))
    except Exception as error:
        why = str(error) or type(error).__name__
        return why.splitlines()[-1]
    return ""


def main(arguments: Sequence[str]) -> int:
    """Print which promises are earned; return 1 where one is not."""
    if len(arguments) != 1 or not (arguments[0] in KNOWN or ":" in arguments[0]):
        print("usage: python -m chatbots.testing store (memory | sqlite | module:function)")
        return 2
    found = earned(KNOWN.get(arguments[0], arguments[0]))
    for promise, why in found.items():
        print(f"{promise:30}{'not earned: ' + why if why else 'earned'}")
    return 1 if any(found.values()) else 0
