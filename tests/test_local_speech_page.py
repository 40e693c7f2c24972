"""The page about hearing and speaking: what it says of files and waits is what the code says."""

from __future__ import annotations

import re

from chatbots.local.catalog import Weights, load, load_speech
from chatbots.speech import ear, files, thinking, turns
from tests.test_readme import ROOT

PAGE = (ROOT / "docs" / "local-speech.md").read_text("utf-8")


def row(weights: Weights) -> str:
    carried = f"the package `{(weights.package or '').partition('/')[0].replace('_', '-')}`"
    places = [source.title for source in weights.source] or [f"{carried}, which is installed"]
    size = f"{weights.size / 1e6:.1f}"
    return f"| {weights.title} | {size} | {weights.licence} | {'; or '.join(places)} |"


def test_every_file_is_in_the_table_with_its_size_its_licence_and_its_places() -> None:
    table = PAGE.partition("|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == [row(weights) for weights in load_speech()]


def test_what_is_downloaded_is_as_much_as_it_says() -> None:
    fetched = sum(
        row.size for row in load_speech() if row.source and not (row.extra or row.without)
    )
    assert f"{load()[0].size // 1_000_000} MB for thinking, {fetched // 1_000_000} MB" in PAGE


def test_every_voice_is_named_on_the_page() -> None:
    named = set(re.findall(r"`(a[fm]_[a-z]+|joe)`", PAGE))
    assert named == {voice for row in load_speech() for voice in row.voices}


def test_the_waits_are_those_of_the_code() -> None:
    assert f"{turns.START_MS} ms begin a turn" in PAGE
    assert f"After {turns.PAUSE_MS} ms of silence" in PAGE
    assert f"the last {thinking.MAX_ITEMS} items at most" in PAGE
    low, medium, high = (ear._EAGERNESS[word] for word in ("low", "medium", "high"))
    assert f"{low:,}, {medium} and {high} ms for `low`, `medium` and `high`" in PAGE


def test_what_goes_wrong_is_said_in_the_words_of_the_program() -> None:
    text = (ROOT / files.__file__).read_text("utf-8")
    for said in (
        "must be installed",
        "is not on this machine: without it nothing is heard or said",
    ):
        assert f"`{said}`" in PAGE
        assert said in text
