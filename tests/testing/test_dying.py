"""`dying.py` mostly runs in processes that are killed; here its steps and its stores."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbots.interfaces import SessionStore
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import dying

KEPT = InMemorySessions()
closed: list[Path] = []


class Closing(InMemorySessions):
    async def aclose(self) -> None:
        closed.append(Path())


def closing(_: Path) -> SessionStore:
    return Closing()


def plain(_: Path) -> SessionStore:
    return KEPT


@asynccontextmanager
async def entered(folder: Path) -> AsyncGenerator[SessionStore]:
    yield KEPT
    closed.append(folder)


async def test_a_store_is_closed_if_it_can_be(tmp_path: Path) -> None:
    closed.clear()
    for name in ("closing", "entered"):
        async with dying.open_store(f"{__name__}:{name}", tmp_path):
            pass
    assert closed == [Path(), tmp_path]


@pytest.mark.parametrize(
    ("step", "state"),
    [
        ("accepted", "accepted"),
        ("shown", "streaming"),
        ("calling", "waiting_for_tools"),
        ("done", "completed"),
    ],
)
async def test_a_turn_is_taken_up_to_its_step(
    step: str, state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: killed.append(number))
    await KEPT.forget("s")
    await dying.die(f"{__name__}:plain", str(tmp_path), step)
    assert [turn.state for turn in await KEPT.load("s")] == [state]
    assert killed == [9]
