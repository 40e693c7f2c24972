"""The models that go away, and the default one, which must not."""

from __future__ import annotations

import pytest

from chatbots.model_names import (
    CONTEXTS,
    DEFAULT_MODEL,
    REALTIME_MODEL,
    context_of,
    shutdown_of,
)


@pytest.mark.checklist(190)
@pytest.mark.parametrize("model", [DEFAULT_MODEL, REALTIME_MODEL])
def test_a_default_model_is_not_one_that_is_being_shut_down(model: str) -> None:
    assert shutdown_of(model) is None


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gpt-4o-2024-05-13", "2026-10-23"),
        ("gpt-4o-2024-08-06", "2027-01-14"),
        ("gpt-4.1-mini", "2027-01-14"),
        ("gpt-4.1-nano-2025-04-14", "2026-10-23"),
        ("gpt-5-2025-08-07", "2026-12-11"),
        ("gpt-4o-mini-realtime-preview-2024-12-17", "2026-05-07"),
        ("gpt-5.6-sol", None),
        (DEFAULT_MODEL, None),
    ],
)
def test_a_models_last_day_is_known_for_its_dated_versions_too(model: str, day: str | None) -> None:
    assert shutdown_of(model) == day


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4", 8_192),
        ("gpt-4-0613", 8_192),
        ("gpt-4-turbo-2024-04-09", 128_000),
        ("gpt-4o-mini", 128_000),
        ("ft:gpt-4.1-2025-04-14:me", 1_047_576),
        ("gpt-5.4-mini-2026-03-17", 272_000),
        ("o3-mini", 200_000),
        ("gpt-realtime-2025-08-28", 32_000),
        ("gpt-realtime-2.1-mini", 128_000),
        ("Qwen2.5-72B", None),
    ],
)
def test_what_a_model_reads_is_known_by_the_longest_beginning(
    model: str, tokens: int | None
) -> None:
    assert context_of(model) == tokens


def test_what_the_default_model_reads_is_known() -> None:
    assert context_of(DEFAULT_MODEL) in CONTEXTS.values()
