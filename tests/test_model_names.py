"""The models that go away, and the default one, which must not."""

from __future__ import annotations

import pytest

from chatbots.model_names import DEFAULT_MODEL, shutdown_of


def test_the_default_model_is_not_one_that_is_being_shut_down() -> None:
    assert shutdown_of(DEFAULT_MODEL) is None


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gpt-4o-2024-05-13", "2026-10-23"),
        ("gpt-4o-2024-08-06", "2027-01-14"),
        ("gpt-4.1-mini", "2027-01-14"),
        ("gpt-4.1-nano-2025-04-14", "2026-10-23"),
        ("gpt-5-2025-08-07", "2026-12-11"),
        ("gpt-5.6-sol", None),
        (DEFAULT_MODEL, None),
    ],
)
def test_a_models_last_day_is_known_for_its_dated_versions_too(model: str, day: str | None) -> None:
    assert shutdown_of(model) == day
