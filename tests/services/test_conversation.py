"""A handle on a conversation: looking back, and going on in two ways."""

from __future__ import annotations

from typing import Unpack

import pytest

from chatbots.errors import InvalidRequest
from chatbots.flow.calling import Asking
from chatbots.interfaces import SessionStore, Sink
from chatbots.messages import Prompt
from chatbots.services.conversation import Conversation, shelf_of
from chatbots.services.memory import MemoryChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel


class BareStore:
    """A `SessionStore` that is no `SessionShelf`."""

    def __init__(self) -> None:
        store = InMemorySessions()
        self.begin, self.checkpoint, self.finish = store.begin, store.checkpoint, store.finish
        self.load, self.mark, self.forget = store.load, store.mark, store.forget


def conversation(store: SessionStore | None = None, **asking: Unpack[Asking]) -> Conversation:
    store = store or InMemorySessions()
    return Conversation(MemoryChat(ScriptedModel(), store), store, **asking)


async def test_its_history_is_what_was_said() -> None:
    ada = conversation(session="ada")
    assert await ada.history() == ()
    for said in ("One", "Two", "Three"):
        await ada.ask(said)
    assert [(turn.seq, turn.text) for turn in await ada.history()] == [
        (1, "One"),
        (2, "Two"),
        (3, "Three"),
    ]
    assert [turn.text for turn in await ada.history(last=1)] == ["Three"]


@pytest.mark.parametrize("asking", [{}, {"session": None}])
async def test_without_a_name_it_is_a_conversation_of_its_own(asking: Asking) -> None:
    ada = conversation(**asking)
    await ada.ask("One")
    await ada.ask("Two")
    assert ada.session.startswith("session_")
    assert len(await ada.history()) == 2


async def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"The session's name is empty\."):
        await conversation(session="").ask("One")


async def test_a_fork_goes_its_own_way() -> None:
    ada = conversation(session="ada", instructions="Be brief.")
    await ada.ask("One")
    await ada.ask("Two")
    eve = await ada.fork("eve", upto=1)
    await eve.ask("Three")
    assert [turn.text for turn in await eve.history()] == ["One", "Three"]
    assert [turn.text for turn in await ada.history()] == ["One", "Two"]
    assert (eve.session, eve.store, eve.service) == ("eve", ada.store, ada.service)
    assert eve.prompt("Hi").instructions == "Be brief."


async def test_a_fork_without_a_name_gets_a_new_one() -> None:
    ada = conversation(session="ada")
    await ada.ask("One")
    one, other = await ada.fork(), await ada.fork()
    assert one.session.startswith("session_")
    assert one.session != other.session


async def test_a_fork_that_cannot_be_says_why() -> None:
    ada = conversation(session="ada")
    with pytest.raises(InvalidRequest) as caught:
        await ada.fork()
    assert caught.value.code == "session_not_found"
    await ada.ask("One")
    with pytest.raises(InvalidRequest) as caught:
        await ada.fork("ada")
    assert caught.value.code == "session_exists"
    for name in ("", "x" * 257, "\udcff"):
        with pytest.raises(InvalidRequest) as caught:
            await ada.fork(name)
        assert caught.value.param == "session"


async def test_a_store_that_is_no_shelf_cannot_fork_and_says_so() -> None:
    ada = conversation(BareStore(), session="ada")
    await ada.ask("One")
    assert len(await ada.history()) == 1
    with pytest.raises(InvalidRequest, match="The store, BareStore, keeps sessions but cannot"):
        await ada.fork()


def test_a_shelf_is_known_by_what_it_can() -> None:
    store = InMemorySessions()
    assert shelf_of(store) is store


async def test_it_tells_what_would_be_sent_and_asks_nobody() -> None:
    model = ScriptedModel()
    store = InMemorySessions()
    ada = Conversation(MemoryChat(model, store), store, instructions="Be brief.")
    await ada.ask("One")
    told = await ada.explain("Two", model="m")
    assert len(model.requests) == 1
    await ada.ask("Two", model="m")
    assert told.messages == model.requests[1].messages
    assert told.request.model == "m"


async def test_a_service_that_cannot_tell_says_so() -> None:
    class Mute:
        async def respond(self, prompt: Prompt, out: Sink) -> None:
            raise AssertionError("it is not asked")

    with pytest.raises(InvalidRequest, match="Mute, cannot tell"):
        await Conversation(Mute(), InMemorySessions()).explain("Hi")
