"""The time of day, anywhere."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chatbots.tools.current_time import MAX_FORMAT, get_current_time, moment

NOW = datetime(2026, 7, 4, 23, 5, 6, 789_000, UTC)


def test_it_is_now() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.fromisoformat(get_current_time()) <= datetime.now(UTC)
    assert get_current_time(format="%Z") == "UTC"
    assert get_current_time("Asia/Tokyo").endswith("+09:00")


@pytest.mark.checklist(214)
@pytest.mark.parametrize(
    ("timezone", "said"),
    [
        ("UTC", "2026-07-04T23:05:06+00:00"),
        ("Europe/Paris", "2026-07-05T01:05:06+02:00"),
        ("America/New_York", "2026-07-04T19:05:06-04:00"),
        ("Asia/Kolkata", "2026-07-05T04:35:06+05:30"),
    ],
)
def test_a_zone_has_its_own_time(timezone: str, said: str) -> None:
    assert moment(NOW, timezone) == said


def test_utc_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbots.tools.current_time.ZoneInfo", None)
    assert moment(NOW, "UTC") == "2026-07-04T23:05:06+00:00"


@pytest.mark.checklist(214)
@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("%Y-%m-%d", "2026-07-04"),
        ("%A, %d %B %Y, %H:%M", "Saturday, 04 July 2026, 23:05"),
        ("%-d/%-m", "4/7"),
        ("%H:%M:%S.%f %Z (%z)", "23:05:06.789000 UTC (+0000)"),
        ("100%% of %y", "100% of 26"),
        ("%F %T", "2026-07-04 23:05:06"),
    ],
)
def test_a_format_is_strftimes(layout: str, said: str) -> None:
    assert moment(NOW, "UTC", layout) == said


@pytest.mark.parametrize(
    "layout",
    ["", "YYYY-MM-DD", "%", "%%", "%Q", "%s", "%9999999999Y", "%_d", "%Y\x00", "%Y\n", "%\ud800"],
)
def test_a_format_that_means_nothing_or_too_much_is_refused(layout: str) -> None:
    with pytest.raises(ValueError, match="cannot be used: it takes strftime's codes") as refused:
        moment(NOW, "UTC", layout)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("timezone", "hint"),
    [
        ("Paris", "Did you mean Europe/Paris?"),
        ("new york", "Did you mean America/New_York?"),
        ("europe/pariss", "Did you mean Europe/Paris?"),
        ("Pariss", "Did you mean Europe/Paris?"),
        ("utc", "Did you mean UTC?"),
        ("IST", "Use a name such as Europe/Paris."),
        ("Nowhere", "Use a name such as Europe/Paris."),
        ("", "Use a name such as Europe/Paris."),
    ],
)
def test_an_unknown_zone_is_answered_with_what_may_be_meant(timezone: str, hint: str) -> None:
    with pytest.raises(ValueError, match="There is no time zone") as refused:
        moment(NOW, timezone)
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    "timezone",
    ["../../etc/passwd", "/etc/passwd", "Europe", ".", "UTC\x00", "zone.tab", "\ud800", "x" * 5000],
)
def test_a_zone_is_no_way_to_a_file(timezone: str) -> None:
    with pytest.raises(ValueError, match="There is no time zone") as refused:
        moment(NOW, timezone)
    assert str(refused.value).isprintable()


def test_a_format_has_an_end() -> None:
    fits = "%Y" * (MAX_FORMAT // 2)
    assert moment(NOW, "UTC", fits) == "2026" * (MAX_FORMAT // 2)
    with pytest.raises(ValueError, match="at most 100 characters"):
        moment(NOW, "UTC", f"{fits}x")
