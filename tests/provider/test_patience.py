"""Two deadlines: until an answer begins, and from one piece of its content to the next."""

from __future__ import annotations

from time import monotonic

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.provider.patience import Patience
from chatbots.provider.streamed import StreamedAnswer
from chatbots.testing import CollectingSink

SHORT = Patience(first_token=0.05, gap=0.05)
LONG = Patience(first_token=60, gap=60)


def answer(*, shown: bool, silent: float = 0.0) -> StreamedAnswer:
    answer = StreamedAnswer(CollectingSink())
    answer.shown = shown
    answer.heard_at = monotonic() - silent
    return answer


def test_a_server_is_given_half_a_minute() -> None:
    assert Patience() == Patience(first_token=30.0, gap=30.0)


def test_an_answer_that_never_began_is_a_timeout_that_may_pass() -> None:
    error = SHORT.never_began()
    assert "did not begin to answer within 0.05 seconds" in error.message
    assert (error.code, error.retryable) == ("upstream_timeout", True)


@pytest.mark.parametrize(("shown", "code"), [(False, "upstream_timeout"), (True, "stream_stalled")])
@pytest.mark.parametrize("silent", [0.0, 1.0])
async def test_content_that_does_not_come_is_not_waited_for(
    shown: bool, code: str, silent: float
) -> None:
    waiting = SHORT.for_content(answer(shown=shown, silent=silent))
    with pytest.raises(ProviderError) as failed, waiting:
        await anyio.sleep_forever()
    assert failed.value.code == code


async def test_silence_counts_from_the_last_content_not_from_the_waiting() -> None:
    waiting = LONG.for_content(answer(shown=True, silent=60))
    with pytest.raises(ProviderError), anyio.fail_after(20), waiting:
        await anyio.sleep_forever()


async def test_content_that_came_meanwhile_is_waited_for_anew() -> None:
    coming = answer(shown=True)
    with SHORT.for_content(coming):
        coming.heard_at = monotonic() + 10
        await anyio.sleep_forever()


async def test_what_comes_in_time_is_no_matter() -> None:
    with SHORT.for_content(answer(shown=True)):
        pass
