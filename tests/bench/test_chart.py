"""The chart of the README, drawn from numbers of which a test knows how they must look."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import capacity, chart, hot
from bench.capacity import TOP
from bench.chart import DARK, LIGHT, LONGEST, Bar, Panel
from bench.measure import Found

SVG = "{http://www.w3.org/2000/svg}"


def carried(streams: int, failed: int) -> Found:
    found: Found = {"carried": [streams], "not_carried": [failed], "tried_streams": [streams]}
    return (
        found
        | {f"tried_{name}": [1.0] for name in ("cpu_percent", "p50_ms", "p99_ms")}
        | {"tried_upstream_percent": [20.0]}
    )


def cost(cpu_us: float, tokens_s: float = 5000.0) -> Found:
    return {"cpu_us": [cpu_us], "tokens_s": [tokens_s], "cpu_percent": [99.0]}


def test_the_committed_charts_are_what_the_committed_numbers_say() -> None:
    assert chart.stale() == []


def test_the_most_streams_come_first() -> None:
    panel = chart.carried({"sdk, asyncio": carried(100, 105), "ours, uvloop": carried(800, 840)})
    assert panel.bars == [Bar("ours, uvloop", 800, "800"), Bar("sdk, asyncio", 100, "100")]


def test_a_limit_that_was_not_reached_is_told() -> None:
    assert chart.carried({"ours, uvloop": carried(TOP, TOP + 1)}).bars[0].shown == "4000 or more"


def test_costs_are_multiples_of_the_floor_and_the_least_comes_first() -> None:
    panel = chart.cost({"floor": cost(10), "sdk, asyncio": cost(150), "ours, uvloop": cost(25)})
    assert [(bar.value, bar.shown) for bar in panel.bars] == [
        *((1.0, "1.0"), (2.5, "2.5"), (15.0, "15.0"))
    ]


def test_a_client_that_fell_behind_is_marked() -> None:
    panel = chart.cost({"floor": cost(10), "litellm, uvloop": cost(250, 4000.0)})
    assert panel.bars[-1].shown == "25.0 overloaded"


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - we drew it


def drawn(theme: chart.Theme = LIGHT) -> ET.Element:
    bars = [Bar("ours, uvloop", 800, "800"), Bar("sdk, asyncio", 100, "100"), Bar("x<y", 0, "0")]
    return parsed(chart.draw([Panel("Streams & more", "", bars)], ["Made", "of"], theme))


def test_a_bar_is_as_long_as_its_value() -> None:
    lengths = [int(bar.attrib["width"]) for bar in drawn().iter(f"{SVG}rect")]
    assert lengths == [LONGEST, LONGEST // 8, 1]


def test_only_ours_has_the_colour_of_ours() -> None:
    for theme in (LIGHT, DARK):
        colours = [bar.attrib["fill"] for bar in drawn(theme).iter(f"{SVG}rect")]
        assert colours == [theme.ours, theme.others, theme.others]


def test_clients_have_their_names_and_the_drawing_has_a_title() -> None:
    words = [line.text for line in drawn().iter(f"{SVG}text")]
    assert {"chatbots, uvloop", "openai SDK, asyncio", "x<y", "Made", "of"} <= set(words)
    assert drawn().findtext(f"{SVG}title") == "Streams & more"


def test_every_name_fits_before_its_bar() -> None:
    """In the widest of the fonts a letter takes 8 points on average, and 200 are there."""
    for row in (*hot.FULL["paced"].rows, *capacity.ROWS):
        assert len(chart.label(str(row))) <= 28


def test_everything_lies_inside_the_picture() -> None:
    for path, drawing in chart.charts().items():
        picture = parsed(drawing)
        width, height = (int(picture.attrib[side]) for side in ("width", "height"))
        for bar in picture.iter(f"{SVG}rect"):
            assert int(bar.attrib["x"]) + int(bar.attrib["width"]) < width - 100, path
        assert max(int(line.attrib["y"]) for line in picture.iter(f"{SVG}text")) < height


def test_the_two_themes_differ_in_colours_only() -> None:
    light, dark = (re.sub(r"#[0-9a-f]{6}", "", drawing) for drawing in chart.charts().values())
    assert light == dark


def test_the_check_names_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "bench").symlink_to(chart.ROOT / "bench")
    monkeypatch.setattr(chart, "ROOT", tmp_path)
    assert chart.main(["--check"]) == 1
    assert "docs/bench-dark.svg is not what the numbers say" in capsys.readouterr().out
    assert chart.main([]) == 0
    assert chart.main(["--check"]) == 0
