from __future__ import annotations

import pytest

from chatbots.errors import InvalidRequest
from chatbots.images import Image
from chatbots.messages import Message, Turn, TurnState
from chatbots.sessions.alike import (
    busy,
    conflict,
    copies,
    exists,
    marked,
    not_found,
    selected,
    spoken,
)


def turns(*states: TurnState) -> list[Turn]:
    said = (Message("user", "Hi"),)
    return [
        Turn(session="s", request_id=f"r{seq}", seq=seq, state=state, said=said)
        for seq, state in enumerate(states, 1)
    ]


def test_a_mark_that_is_not_given_stays_as_it_is() -> None:
    (turn,) = turns("completed")
    pinned = marked(turn, pinned=True, summary=None)
    assert (pinned.pinned, pinned.summary) == (True, None)
    both = marked(pinned, pinned=None, summary="Hello.")
    assert (both.pinned, both.summary) == (True, "Hello.")
    assert marked(both, pinned=False, summary=None).summary == "Hello."


def test_without_last_all_turns_are_selected() -> None:
    assert selected(turns("completed", "failed"), None) == tuple(turns("completed", "failed"))


def test_more_than_there_are_is_all() -> None:
    assert [turn.seq for turn in selected(turns("completed", "failed"), 9)] == [1, 2]


def test_copies_are_counted_anew_and_have_ended() -> None:
    kept = turns("completed", "failed", "streaming")[1:]
    copied = copies("t", kept, 5.0)
    assert [(c.session, c.seq, c.state, c.began_at) for c in copied] == [
        ("t", 1, "failed", 5.0),
        ("t", 2, "interrupted", 5.0),
    ]
    assert copied[1].reason == "crashed"
    assert copies("u", copied, 9.0)[0].began_at == 5.0


def test_no_turns_and_two_of_one_request_make_no_session() -> None:
    with pytest.raises(InvalidRequest, match="there is none that has ended"):
        copies("t", [], 0.0)
    with pytest.raises(InvalidRequest, match="two of them have one request id"):
        copies("t", turns("completed") * 2, 0.0)


def test_what_people_said_and_read_is_searched_and_nothing_else() -> None:
    messages = [
        Message("system", "Be brief."),
        Message("user", "Look:", (Image("https://example.com/a.png"),)),
        Message("assistant", ""),
        Message("tool", "42", tool_call_id="c"),
        Message("assistant", "Nice."),
    ]
    assert spoken(messages) == "Look:\nNice."


@pytest.mark.parametrize(
    ("refusal", "code", "words"),
    [
        (conflict("r"), "request_id_conflict", "'r'"),
        (not_found("s"), "session_not_found", "no session 's'"),
        (not_found("s", 3), "session_not_found", "no turn 3 in the session 's'"),
        (exists("s"), "session_exists", "a session 's' already"),
        (busy("s"), "session_busy", "'s' has a turn running"),
    ],
)
def test_a_refusal_names_what_it_refuses(refusal: InvalidRequest, code: str, words: str) -> None:
    assert refusal.code == code
    assert words in refusal.message
