"""Record a command in a terminal of its own and draw it as an animated SVG: docs/demo.svg.

`python docs/record.py` runs the demo's last step and keeps the time of every write.
"""

from __future__ import annotations

import os
import pty
import sys
import textwrap
import time
from html import escape
from pathlib import Path
from typing import Final

from chatbots.terminal.spinner import CLEAR, FRAMES

QUESTION: Final = "Explain in one sentence what a Python generator is."
COMMAND: Final = [sys.executable, "-m", "cmd.stream", "--model", "local", "--prompt", QUESTION]
SHOWN: Final = f'$ python -m cmd.stream --prompt "{QUESTION}"'
TARGET: Final = Path(__file__).with_name("demo.svg")
COLUMNS: Final = 84
LINE: Final = 22
LEFT: Final = 20
TOP: Final = 58
HOLD: Final = 4.0
"""Seconds the finished picture stands before it begins again."""


def record() -> list[tuple[float, str]]:
    """Run the command in a pseudo-terminal; return what it wrote, and when, in seconds."""
    begun = time.monotonic()
    writes: list[tuple[float, str]] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        writes.append((time.monotonic() - begun, data.decode(errors="replace")))
        return data

    if pty.spawn(COMMAND, read) != 0:
        raise SystemExit("The command failed.")
    return writes


def words(writes: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the answer's pieces without the spinner and what erases it."""
    pieces: list[tuple[float, str]] = []
    for at, text in writes:
        visible = text.rpartition(CLEAR)[2].replace("\r", "")
        if visible.strip() and visible.strip()[0] not in FRAMES:
            pieces.append((at, visible))
    return pieces


def lines(pieces: list[tuple[float, str]]) -> list[list[tuple[float, str]]]:
    """Break the pieces into lines of the screen, each with the times of its parts."""
    text = "".join(piece for _, piece in pieces).rstrip()
    times = [at for at, piece in pieces for _ in piece]
    rows: list[list[tuple[float, str]]] = []
    start = 0
    for row in textwrap.wrap(text, COLUMNS, drop_whitespace=False):
        parts: list[tuple[float, str]] = []
        for offset, character in enumerate(row):
            at = times[start + offset]
            if parts and parts[-1][0] == at:
                parts[-1] = (at, parts[-1][1] + character)
            else:
                parts.append((at, character))
        rows.append(parts)
        start += len(row)
    return rows


def draw(rows: list[list[tuple[float, str]]]) -> str:
    """Return the SVG: each part of a line appears at its time, again and again."""
    total = max(at for row in rows for at, _ in row) + HOLD
    height = TOP + LINE * (len(rows) + 1)
    body: list[str] = []
    for number, row in enumerate(rows):
        spans = "".join(
            f'<tspan opacity="0">{escape(text)}'
            f'<animate attributeName="opacity" values="0;1;1" keyTimes="0;{at / total:.4f};1" '
            f'calcMode="discrete" dur="{total:.2f}s" repeatCount="indefinite"/></tspan>'
            for at, text in row
        )
        body.append(f'<text x="{LEFT}" y="{TOP + LINE * (number + 1)}">{spans}</text>')
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" \
font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<rect width="760" height="{height}" rx="8" fill="#16181d"/>
<g fill="#3a3f4b"><circle cx="20" cy="18" r="5"/><circle cx="38" cy="18" r="5"/>\
<circle cx="56" cy="18" r="5"/></g>
<g fill="#d7dae0">
<text x="{LEFT}" y="{TOP}" fill="#8fb573">{escape(SHOWN)}</text>
{chr(10).join(body)}
</g>
</svg>
"""


if __name__ == "__main__":
    TARGET.write_text(draw(lines(words(record()))), encoding="utf-8")
