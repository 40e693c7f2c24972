"""Show how much code there is to read, and fail when it is more than an afternoon's worth.

python packaging/size.py
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chatbots"
CORE_ROOMS = {"flow", "provider", "services"}
ASIDE = ("testing", "realtime", "server", "speech")
"""Rooms that are read on their own."""


class Budget(NamedTuple):
    """A part of the package: the lines it has and the lines it may have."""

    part: str
    lines: int
    limit: int


def lines_of(path: Path) -> int:
    """Count the lines of a file, blank ones and docstrings too: all of it is read."""
    return len(path.read_text("utf-8").splitlines())


def words() -> set[str]:
    """Return the modules that the import linter's first contract puts below every room."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    floors: list[str] = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    lowest = floors[floors.index("interfaces") :]
    return {f"{module.strip()}.py" for floor in lowest for module in floor.split("|")}


def budgets() -> list[Budget]:
    """Count the package, and the core within it: the words and the rooms of a text turn."""
    everything = sorted(PACKAGE.rglob("*.py"))
    parts = words() | CORE_ROOMS
    core = [path for path in everything if path.relative_to(PACKAGE).parts[0] in parts]
    whole = sum(map(lines_of, everything))
    aside = {room: sum(map(lines_of, (PACKAGE / room).rglob("*.py"))) for room in ASIDE}
    return [
        # 12,000 for a turn and its programs; 3,000 for tools: what a model may call, checked and
        # bounded, from other servers too; 4,000 for a memory that loses nothing; 2,500 for a
        # terminal with sound, bots over a realtime session that write or speak, their programs.
        Budget("chatbots/ without the rooms below", whole - sum(aside.values()), 22_500),
        # A product of its own, read by who tests a bot: the fake server and its 106 faults.
        Budget("chatbots/testing/", aside["testing"], 6_500),
        # Another protocol: its events, each typed, its states, its sockets; 1,200 for its other
        # side, which a server needs; 1,200 for a session that outlives its sockets; 600 for sound.
        Budget("chatbots/realtime/", aside["realtime"], 7_500),
        # Many clients in one process, and what each of them may do.
        Budget("chatbots/server/", aside["server"], 3_400),
        # Hearing and speaking on this machine; 300 for a second voice in a process of its own.
        Budget("chatbots/speech/", aside["speech"], 2_400),
        # 2,500 for a turn of text; 500 for an HTTP connection of our own, which makes a token
        # cheap; 1,200 for what a server may do wrong; 1,400 for what is said beside text:
        # images, tools and their rounds, reasoning, demanded shapes, embeddings; 900 for
        # sessions: what is said of them, and how much of the past is sent; 1,800 for bots over a
        # realtime session, one of which speaks.
        Budget("words + flow + provider + services", sum(map(lines_of, core)), 8_300),
    ]


def main() -> int:
    """Print each budget; return 1 if one is overdrawn."""
    counted = budgets()
    for budget in counted:
        print(f"{budget.lines:6,} of {budget.limit:6,} lines: {budget.part}")
    return 1 if any(budget.lines >= budget.limit for budget in counted) else 0


if __name__ == "__main__":
    raise SystemExit(main())
