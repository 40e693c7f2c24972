"""A part of a store: what is outside of it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionShelf
from chatbots.messages import MAX_NAME, Message, Usage
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.scoped import ScopedShelf, scoped
from chatbots.sessions.simple import SimpleSessions
from chatbots.testing.shelf_contract import said
from tests.sessions.test_simple import Appended

HELLO = [Message("user", "Tea, please.")]


def users() -> tuple[InMemorySessions, ScopedShelf, ScopedShelf]:
    """Return a store, and the parts of it that are ada's and eve's."""
    store = InMemorySessions()
    ada, eve = (ScopedShelf(store, f"{user}/", shelf=store) for user in ("ada", "eve"))
    return store, ada, eve


async def test_two_users_have_sessions_of_one_name_each_their_own() -> None:
    store, ada, eve = users()
    turn = await said(ada, "s", "I am Ada.", "Hello Ada.")
    assert turn.session == "s"
    await said(eve, "s", "I am Eve.", "Hello Eve.")
    assert [turn.text for turn in await ada.load("s")] == ["Hello Ada."]
    assert [info.name for info in await eve.sessions()] == ["s"]
    assert [one.session for one in await eve.search("hello")] == ["s"]
    assert (await eve.stats()).sessions == 1
    assert {info.name for info in await store.sessions()} == {"ada/s", "eve/s"}


REACHING: dict[str, Callable[[ScopedShelf, str], Awaitable[object]]] = {
    "rename": lambda eve, name: eve.rename(name, "mine"),
    "fork": lambda eve, name: eve.fork(name, "mine"),
    "mark": lambda eve, name: eve.mark(name, 1, pinned=True),
}


@pytest.mark.parametrize("deed", REACHING)
@pytest.mark.parametrize("name", ["s", "ada/s", "../ada/s", "eve/../ada/s", "/ada/s", "%", "*"])
async def test_anothers_session_is_refused_like_one_that_never_was(deed: str, name: str) -> None:
    store, ada, eve = users()
    await said(ada, "s", "I am Ada.", "Hello Ada.")
    before = await store.load("ada/s")
    with pytest.raises(InvalidRequest) as caught:
        await REACHING[deed](eve, name)
    with pytest.raises(InvalidRequest) as random:
        await REACHING[deed](eve, "x1y2z3")
    assert caught.value.code == random.value.code == "session_not_found"
    assert caught.value.message == random.value.message.replace("x1y2z3", name)
    assert await eve.load(name) == await eve.load("x1y2z3") == ()
    assert await eve.search("ada", session=name) == ()
    await eve.forget(name)
    assert await store.load("ada/s") == before


async def test_a_refusal_says_the_name_that_was_asked_for() -> None:
    _, ada, _ = users()
    await said(ada, "s", "Tea.", "Here.")
    await said(ada, "ada/s", "Tea.", "Here.")
    for doing in (ada.rename("s", "ada/s"), ada.restore("ada/s", await ada.load("s"))):
        with pytest.raises(InvalidRequest, match="'ada/s'"):
            await doing
    with pytest.raises(InvalidRequest, match=r"^There is a session 's' already"):
        await ada.fork("ada/s", "s")
    with pytest.raises(InvalidRequest) as conflict:
        await ada.begin("s", "r1", [Message("user", "Coffee.")])
    assert conflict.value.code == "request_id_conflict"


@pytest.mark.parametrize("name", ["", "a\0b", "\udc80", "x" * MAX_NAME])
async def test_what_cannot_be_a_name_is_refused_before_the_store_sees_it(name: str) -> None:
    store, ada, _ = users()
    with pytest.raises(InvalidRequest) as caught:
        await ada.begin(name, "r1", HELLO)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "session")
    assert not await store.sessions()


async def test_a_turn_is_kept_and_marked_through_the_part() -> None:
    _, ada, _ = users()
    turn = await ada.begin("s", "r1", HELLO)
    await ada.checkpoint(turn, [Message("assistant", "He")])
    done = await ada.finish(
        turn, [Message("assistant", "Here.")], state="completed", usage=Usage(1, 2, 3)
    )
    await ada.mark("s", 1, pinned=True)
    (kept,) = await ada.load("s", last=1)
    assert (done.session, kept.session, kept.text, kept.pinned) == ("s", "s", "Here.", True)
    assert (await ada.fork("s", "t")).name == "t"
    await ada.rename("t", "u")
    assert {info.name for info in await ada.sessions(within="u")} == {"u"}


async def test_a_store_that_cannot_be_browsed_is_not_made_to() -> None:
    part = scoped(SimpleSessions(Appended()), "ada/")
    assert not isinstance(part, SessionShelf)
    assert (await part.begin("s", "r1", HELLO)).session == "s"
    assert isinstance(scoped(InMemorySessions(), "ada/"), SessionShelf)
