"""A store that loses something when its process is killed is noticed, promise by promise."""

from __future__ import annotations

import pytest

from chatbots.testing.store_contract import DurableStoreContract


class TestSQLite(DurableStoreContract):
    factory = "chatbots.testing.earned:sqlite"


BROKEN = [
    ("LosesAll", "what_was_accepted_survives_a_kill"),
    ("LosesAll", "the_session_goes_on_after_a_kill"),
    ("LosesAll", "what_was_done_survives_a_kill"),
    ("LosesAll", "what_was_checkpointed_survives_a_kill"),
    ("LosesAll", "the_same_request_after_a_kill_gets_the_turn_it_made"),
    ("LosesCheckpoints", "each_call_of_a_killed_turn_has_a_result_when_it_is_sent"),
    ("LosesCheckpoints", "calls_are_kept_before_they_are_run"),
    ("LosesCheckpoints", "what_was_checkpointed_survives_a_kill"),
]


@pytest.mark.parametrize(("store", "promise"), BROKEN)
async def test_a_broken_promise_is_noticed(store: str, promise: str) -> None:
    class Broken(DurableStoreContract):
        factory = f"tests.testing.losing:{store}"

    with pytest.raises(AssertionError):
        await getattr(Broken(), f"test_{promise}")()


async def test_a_store_that_cannot_even_be_used_says_why() -> None:
    class Broken(DurableStoreContract):
        factory = "tests.testing.losing:nothing"

    with pytest.raises(AssertionError, match="has no attribute 'nothing'"):
        await Broken().test_what_was_done_survives_a_kill()


def test_each_promise_is_broken_once() -> None:
    promises = {name for name in dir(DurableStoreContract) if name.startswith("test_")}
    assert {f"test_{promise}" for _, promise in BROKEN} == promises
