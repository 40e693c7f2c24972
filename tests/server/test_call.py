from __future__ import annotations

import anyio

from chatbots.server.access import Anybody
from chatbots.server.call import Call, Turns
from chatbots.server.handlers import ping
from chatbots.server.hub import going_away
from chatbots.server.outbox import Outbox
from chatbots.server.rpc import Request
from tests.server.peer import application


def call(turns: Turns | None = None) -> Call:
    backend = application().backend
    outbox = Outbox(None, within=1, cut=lambda: None)  # type: ignore[arg-type]  # sends nothing
    request = Request("ping", "r1")
    return Call(
        request,
        ping.ROUTE,
        caller=Anybody(),
        backend=backend,
        outbox=outbox,
        running={},
        turns={} if turns is None else turns,
    )


async def test_a_call_that_is_stopped_says_why() -> None:
    stopped, ended = call(), call()
    for one, why in ((stopped, None), (ended, going_away())):
        with one.scope:
            one.stop(why)
            await anyio.sleep_forever()
        assert one.scope.cancelled_caught
    assert (stopped.why.code, ended.why.code) == ("cancelled", "going_away")


async def test_the_store_is_the_callers_part_of_it() -> None:
    one = call()
    assert one.store is one.backend.store()


async def test_a_turn_is_found_in_its_session_while_it_runs() -> None:
    turns: Turns = {}
    one, two, other = call(turns), call(turns), call(turns)
    with one.taking_turn("s"), other.taking_turn(None):
        with two.taking_turn("s"):
            assert other.turns_in("s") == (one, two)
        assert other.turns_in("s") == (one,)
        assert other.turns_in("") == ()
    assert turns == {}
