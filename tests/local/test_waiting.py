from __future__ import annotations

import anyio
import pytest

from chatbots.local.waiting import until


async def test_waiting_looks_again_until_the_condition_holds() -> None:
    answers = iter([False, False, True])
    with anyio.fail_after(20):
        await until(lambda: next(answers), every=0.001)
    assert list(answers) == []


async def test_waiting_can_be_cut_short() -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(0.02):
        await until(lambda: False, every=0.001)
