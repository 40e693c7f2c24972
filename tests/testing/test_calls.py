from __future__ import annotations

import anyio
import pytest

from chatbots.testing.calls import Call, Changes, Moments


def call(target: str = "/v1/models", body: bytes = b"") -> Call:
    return Call(number=1, connection=1, method="GET", target=target, headers={}, body=body)


def test_the_path_is_the_target_without_its_query() -> None:
    assert call("/v1/models?api-version=2").path == "/v1/models"


def test_the_body_reads_as_json() -> None:
    assert call(body=b'{"a": [1]}').json == {"a": [1]}


def test_a_body_that_is_no_json_says_so() -> None:
    with pytest.raises(ValueError, match="JSON"):
        _ = call(body=b"a=1").json


async def test_a_fact_that_is_true_is_not_waited_for() -> None:
    with anyio.fail_after(20):
        await Changes().until(lambda: True)


async def test_every_announcement_makes_everybody_look_again() -> None:
    changes = Changes()
    facts: list[int] = []
    seen: list[int] = []

    async def wait_for(count: int) -> None:
        await changes.until(lambda: len(facts) >= count)
        seen.append(count)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for, 1)
            tasks.start_soon(wait_for, 2)
            await anyio.wait_all_tasks_blocked()
            facts.append(1)
            changes.announce()
            await anyio.wait_all_tasks_blocked()
            assert seen == [1]
            facts.append(2)
            changes.announce()
    assert seen == [1, 2]


def test_moments_are_told_in_seconds_after_the_arrival() -> None:
    moments = Moments(arrived=10.0, hung_up=12.3456)
    assert moments.after(moments.hung_up) == 2.346
    assert moments.after(moments.struck) is None


def test_a_call_is_not_hung_up_before_it_is() -> None:
    one = call()
    assert not one.hung_up
    one.moments.hung_up = 1.0
    assert one.hung_up
