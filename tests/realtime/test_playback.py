from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given, strategies as st

from chatbots.errors import InvalidRequest
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events.client import ConversationItemDelete, ConversationItemTruncate
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.session import Audio, AudioFormat, AudioOutput, Session
from chatbots.realtime.outcomes import Interrupted
from chatbots.realtime.playback import Playback
from tests.realtime.said import said


def playing(**ms: int) -> tuple[Playback, Conversation]:
    """Return the playback of items, each with so many ms of audio."""
    conversation = Conversation()
    playback = Playback(conversation)
    for name, length in ms.items():
        conversation.add(said("0123 56789", name))
        sound(playback, conversation, name, bytes(48 * length))
    return playback, conversation


def sound(playback: Playback, conversation: Conversation, name: str, audio: bytes) -> None:
    delta = ResponseAudioDelta(delta=b64encode(audio).decode(), content_index=1)
    playback.sounds(conversation.entries[name], delta)


@given(st.lists(st.binary(max_size=20)))
def test_audio_is_counted_to_the_byte_without_decoding_it(pieces: list[bytes]) -> None:
    playback, conversation = playing(a=0)
    for piece in pieces:
        sound(playback, conversation, "a", piece)
    assert conversation.entries["a"].audio == len(b"".join(pieces))


def test_who_never_says_what_was_played_has_heard_everything() -> None:
    playback, _ = playing(a=500)
    assert not playback.unheard
    assert playback.interrupted() == ([Interrupted("a", None)], [])


def test_what_was_not_heard_is_cut() -> None:
    playback, conversation = playing(a=500)
    playback.played("a", 200)
    assert playback.unheard
    cut = ConversationItemTruncate("a", 1, 200)
    assert playback.interrupted() == ([Interrupted("a", 200)], [cut])
    assert conversation.entries["a"].text == "0123"
    assert playback.interrupted() == ([Interrupted(None, None)], [])
    assert not playing(a=500)[0].unheard


def test_what_was_not_heard_at_all_is_deleted() -> None:
    playback, conversation = playing(a=500)
    playback.played("a", 0)
    assert playback.interrupted() == ([Interrupted("a", 0)], [ConversationItemDelete("a")])
    assert (conversation.context, conversation.entries["a"].text) == ((), "")


def test_what_was_heard_is_left() -> None:
    playback, _ = playing(a=500)
    playback.played("a", 500)
    playback.played("ghost", 500)
    assert not playback.unheard
    assert playback.interrupted() == ([Interrupted("a", 500)], [])


def test_of_several_items_that_wait_to_be_heard_each_is_cut() -> None:
    playback, conversation = playing(a=100)
    playback.played("a", 40)
    conversation.add(said("Hi", "b"))
    sound(playback, conversation, "b", bytes(48))
    playback.played("b", 0)
    told, cuts = playback.interrupted()
    assert told == [Interrupted("a", 40), Interrupted("b", 0)]
    assert cuts == [ConversationItemTruncate("a", 1, 40), ConversationItemDelete("b")]


def test_an_item_that_was_heard_is_not_interrupted_with_the_next() -> None:
    playback, conversation = playing(a=100)
    playback.played("a", 100)
    conversation.add(said("Hi", "b"))
    sound(playback, conversation, "b", bytes(48))
    playback.played("b", 0)
    assert playback.interrupted()[0] == [Interrupted("b", 0)]


@pytest.mark.checklist(84)
@pytest.mark.parametrize(
    ("wanted", "sent"), [(200, 200), (900, 500), (500, 500), (0, None), (-3, None)]
)
def test_a_cut_is_no_longer_than_what_has_come_and_never_of_no_length(
    wanted: int, sent: int | None
) -> None:
    playback, conversation = playing(a=500)
    event = playback.cut(ConversationItemTruncate("a", 1, wanted, event_id="event_1"))
    if sent is None:
        assert event == ConversationItemDelete("a", event_id="event_1")
        assert conversation.entries["a"].heard == 0
    else:
        assert event == ConversationItemTruncate("a", 1, sent, event_id="event_1")
        assert conversation.entries["a"].heard == sent / 500


@pytest.mark.checklist(84)
def test_a_cut_is_no_longer_than_what_was_played() -> None:
    playback, _ = playing(a=500)
    playback.played("a", 200)
    assert playback.cut(ConversationItemTruncate("a", 1, 300)) == ConversationItemTruncate(
        "a", 1, 200
    )


@pytest.mark.checklist(84)
@pytest.mark.parametrize("name", ["a", "ghost"])
def test_what_has_no_audio_cannot_be_cut(name: str) -> None:
    playback, _ = playing(a=0)
    with pytest.raises(InvalidRequest, match="no audio") as caught:
        playback.cut(ConversationItemTruncate(name, 0, 5))
    assert caught.value.param == "item_id"


@pytest.mark.parametrize(
    ("kind", "ms"), [("audio/pcmu", 600), ("audio/pcma", 600), ("audio/pcm", 100), ("new", 100)]
)
def test_how_long_audio_is_depends_on_its_format(kind: str, ms: int) -> None:
    playback, _ = playing(a=100)
    output = AudioOutput(format=AudioFormat(type=kind))
    playback.configure(Session(audio=Audio(output=output)))
    assert playback.cut(ConversationItemTruncate("a", 0, 9999)) == ConversationItemTruncate(
        "a", 0, ms
    )
    playback.configure(Session(audio=Audio(output=AudioOutput())))
    assert playback.cut(ConversationItemTruncate("a", 0, 9999)) == ConversationItemTruncate(
        "a", 0, 100
    )
    playback.configure(Session(audio=Audio(output=output)))
    playback.configure(Session())
    assert playback.cut(ConversationItemTruncate("a", 0, 9999)) == ConversationItemTruncate(
        "a", 0, 100
    )


def test_what_the_server_cuts_was_not_heard_either() -> None:
    playback, conversation = playing(a=500, b=0)
    for name, ms in (("a", 250), ("b", 5), ("ghost", 5)):
        playback.truncated(name, ms)
    assert [entry.heard for entry in conversation] == [0.5, 1.0]
    playback.truncated("a", 900)
    assert conversation.entries["a"].heard == 1.0
