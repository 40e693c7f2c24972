"""Weather that nobody may take for real."""

from __future__ import annotations

import re
from typing import Literal, cast

import pytest
from hypothesis import given, strategies as st

from chatbots.tools.weather import get_weather

PLACES = [f"Place {number}" for number in range(500)]


def degrees(place: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> int:
    [found] = re.findall(r"(-?\d+) °", get_weather(place, unit))
    return int(found)


@pytest.mark.checklist(212)
def test_it_says_where_and_that_it_is_made_up() -> None:
    said = "Made-up weather (a demonstration, not a forecast) for Paris: 24 °C, cloudy."
    assert get_weather("Paris") == said


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=200))
def test_a_place_has_one_weather(place: str) -> None:
    assert get_weather(place) == get_weather(f" {place} ")
    assert place in get_weather(place)


def test_the_case_of_its_name_does_not_matter() -> None:
    assert degrees("PARIS") == degrees("paris")


@pytest.mark.checklist(212)
def test_fahrenheit_is_the_same_temperature() -> None:
    for place in PLACES:
        assert degrees(place, "fahrenheit") == round(degrees(place) * 1.8 + 32)
    assert get_weather("Paris", "fahrenheit").endswith(" 75 °F, cloudy.")


def test_snow_falls_where_it_is_cold_only() -> None:
    weather = {place: get_weather(place) for place in PLACES}
    snow = {degrees(place) for place in PLACES if "snowy" in weather[place]}
    rest = {degrees(place) for place in PLACES if "snowy" not in weather[place]}
    assert (min(snow), max(snow), min(rest), max(rest)) == (-15, 0, 1, 35)


@pytest.mark.parametrize(
    "place", ["", "  ", "\n", "Pa\x00ris", "Paris\x1b[2J", "\u202ea", "x" * 201]
)
def test_what_is_no_name_of_a_place_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 printable characters"):
        get_weather(place)


def test_another_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="celsius or fahrenheit, not 'kelvin'"):
        get_weather("Paris", cast("Literal['celsius']", "kelvin"))
