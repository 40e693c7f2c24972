"""Draw the README's chart from the numbers in `bench/results/`, for light and for dark pages.

`python -m bench.chart` writes docs/bench-light.svg and docs/bench-dark.svg; `--check` writes
nothing and fails where they are not what the numbers say.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from bench import capacity, hot
from bench.measure import Found

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTH: Final = 760
LEFT: Final = 4
LABELS: Final = 216
"""Where the bars begin."""
LONGEST: Final = 400
LINE: Final = 24

NAMES: Final = {
    "ours": "chatbots",
    "sdk": "openai SDK",
    "sdk-aiohttp": "openai SDK + aiohttp",
    "aiohttp-orjson": "aiohttp + orjson",
    "floor": "a bare epoll loop",
}
# The packages of the peers whose versions stand below the chart.
PEERS: Final = (
    *("aiohttp", "orjson", "llm", "openai-agents"),
    *("langchain-openai", "pydantic-ai-slim", "litellm"),
)

Rows: TypeAlias = dict[str, Found]


class Theme(NamedTuple):
    """Colours, as `#rrggbb`."""

    text: str
    faint: str
    ours: str
    others: str


LIGHT: Final = Theme("#1f2328", "#59636e", "#0969da", "#afb8c1")
DARK: Final = Theme("#f0f6fc", "#9198a1", "#4493f8", "#656c76")


class Bar(NamedTuple):
    """A row of the chart; *value* is its length, *shown* what is written beside it."""

    row: str
    value: float
    shown: str


class Panel(NamedTuple):
    """Bars of one measure."""

    title: str
    note: str
    bars: list[Bar]


def carried(rows: Rows) -> Panel:
    """Return how many streams one core carries, the most first."""
    bars = [
        Bar(
            row,
            found["carried"][0],
            f"{found['carried'][0]:.0f}{' or more' if capacity.limited(found) else ''}",
        )
        for row, found in rows.items()
    ]
    return Panel(
        "Streams of 50 tokens/s on one core",
        "more is better",
        sorted(bars, key=lambda bar: -bar.value),
    )


def cost(rows: Rows) -> Panel:
    """Return the CPU of a token as a multiple of the floor's, the least first."""
    floor = statistics.median(rows["floor"]["cpu_us"])
    bars: list[Bar] = []
    for row, found in rows.items():
        value = statistics.median(found["cpu_us"]) / floor
        late = hot.overloaded(hot.FULL["paced"], found)
        bars.append(Bar(row, value, f"{value:.1f}{' overloaded' if late else ''}"))
    return Panel(
        "CPU for a token, 50 streams of 100 tokens/s, times a bare epoll loop",
        "less is better",
        sorted(bars, key=lambda bar: bar.value),
    )


def draw(panels: list[Panel], captions: list[str], theme: Theme) -> str:
    """Return the panels, one below the other, and lines of small print below them, as SVG."""
    parts: list[str] = []
    top = 20
    for panel in panels:
        parts += drawn(panel, top, theme)
        top += LINE * (len(panel.bars) + 1) + 28
    for caption in captions:
        parts.append(text(LEFT, top - 8, caption, theme.faint, size=11))
        top += 16
    title = escape("; ".join(panel.title for panel in panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top - 12}" width="{WIDTH}" '
        f'height="{top - 12}" role="img" font-size="13" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
        f"<title>{title}</title>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def drawn(panel: Panel, top: int, theme: Theme) -> Iterator[str]:
    """Yield the parts of one panel."""
    yield text(LEFT, top, panel.title, theme.text, weight=600)
    yield text(WIDTH - LEFT, top, panel.note, theme.faint, anchor="end")
    longest = max(bar.value for bar in panel.bars)
    for number, bar in enumerate(panel.bars, start=1):
        line = top + LINE * number
        ours = bar.row.startswith("ours")
        weight = 600 if ours else 400
        length = max(1, round(LONGEST * bar.value / longest))
        colour = theme.ours if ours else theme.others
        yield text(LABELS - 10, line + 4, label(bar.row), theme.text, anchor="end", weight=weight)
        yield (
            f'<rect x="{LABELS}" y="{line - 8}" width="{length}" height="16" rx="2" '
            f'fill="{colour}"/>'
        )
        yield text(LABELS + length + 8, line + 4, bar.shown, theme.text, weight=weight)


def label(row: str) -> str:
    """Return what a reader calls it."""
    client, *loop = row.split(", ")
    return ", ".join([NAMES.get(client, client), *loop])


def text(
    x: int,
    y: int,
    words: str,
    colour: str,
    *,
    anchor: str = "start",
    weight: int = 400,
    size: int = 13,
) -> str:
    """Return a line of text."""
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}" '
        f'font-size="{size}">{escape(words)}</text>'
    )


def charts() -> dict[Path, str]:
    """Return what each file should hold, by the numbers that are kept."""
    panels: list[Panel] = []
    versions: dict[str, str] = {}
    machines: list[str] = []
    for name, panel in (("capacity", carried), ("paced", cost)):
        numbers = ROOT / "bench/results" / f"{name}.json"
        if numbers.is_file():
            kept = json.loads(numbers.read_text("utf-8"))
            panels.append(panel(kept["rows"]))
            machines += [kept["machine"]] * (kept["machine"] not in machines)
            for found in kept["versions"].values():
                versions |= {peer: found[peer] for peer in PEERS if peer in found}
    captions = [*machines, ", ".join(f"{name} {number}" for name, number in versions.items())]
    return {
        ROOT / "docs" / f"bench-{name}.svg": draw(panels, captions, theme)
        for name, theme in (("light", LIGHT), ("dark", DARK))
    }


def write() -> None:
    """Draw the charts."""
    for path, drawing in charts().items():
        path.write_text(drawing, "utf-8")


def stale() -> list[str]:
    """Name the charts that are not what the numbers say."""
    return [
        path.name
        for path, drawing in charts().items()
        if not path.is_file() or path.read_text("utf-8") != drawing
    ]


def main(arguments: list[str]) -> int:
    """Write or check; return the exit status."""
    if "--check" not in arguments:
        write()
        return 0
    for name in stale():
        print(f"docs/{name} is not what the numbers say: run make docs")
    return 1 if stale() else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
