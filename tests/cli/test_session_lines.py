"""Conversations as lines: aligned, and nothing in them steers the terminal."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from chatbots.cli.session_lines import (
    NAME_COLUMN,
    cells,
    counted,
    cut,
    exchange,
    found,
    listed,
    mark,
    shown,
    told,
    when,
)
from chatbots.conversations import Found, SessionInfo, StoreStats
from chatbots.messages import Message, Turn, TurnState

NOON = time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def info(name: str, turns: int = 1, title: str = "Hi") -> SessionInfo:
    return SessionInfo(
        name=name, turns=turns, created_at=NOON, changed_at=NOON, title=title, tokens=0
    )


def turn(
    said: str = "Hi", answer: str = "Hello", state: TurnState = "completed", **more: object
) -> Turn:
    fields = {
        "session": "ada",
        "request_id": "r1",
        "seq": 1,
        "state": state,
        "said": (Message("user", said),),
        "answer": (Message("assistant", answer),) if answer else (),
        "began_at": NOON,
        **more,
    }
    return Turn(**fields)  # type: ignore[arg-type]  # fields of a test


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("ada", "ada"),
        ("Größe 名前", "Größe 名前"),
        (FAMILY, FAMILY),
        ("a\nb\x1b[2J\x9b", "a\\nb\\x1b[2J\\x9b"),
        ("right\u202eleft\u200b", "right\\u202eleft\\u200b"),
        ("../../etc/passwd", "../../etc/passwd"),
    ],
)
def test_a_name_is_shown_with_what_cannot_be_seen_escaped(name: str, seen: str) -> None:
    assert shown(name) == seen


def test_columns_are_counted_as_a_terminal_has_them() -> None:
    assert (cells("ada"), cells("名前"), cells("e\u0301"), cells("🙂")) == (3, 4, 1, 2)


def test_a_line_is_cut_where_the_terminal_ends() -> None:
    assert cut("12345", None) == cut("12345", 5) == "12345"
    assert cut("123456", 5) == "1234…"
    assert cut("名前名前", 5) == "名前…"
    assert cells(cut("名前名前", 4)) <= 4


def test_a_list_is_aligned_whatever_the_names_are() -> None:
    long = "x" * (NAME_COLUMN + 1)
    lines = list(listed([info("ada", 12, "First"), info("名前", 1, ""), info(long)]))
    assert lines[:2] == [
        "ada   12 turns  2026-11-20 12:00  First",
        "名前  1 turn    2026-11-20 12:00",
    ]
    assert lines[2].startswith(f"{long}  1 turn ")
    assert list(listed([])) == []


def test_what_is_found_is_one_line_a_place() -> None:
    place = Found(
        session="a\nb", seq=3, request_id="r", role="user", snippet=" one\n\x1btwo ", at=NOON
    )
    assert list(found([place])) == ["a\\nb  #3    user       one \\x1btwo"]


def test_turns_are_told_as_they_were_said() -> None:
    told_turns = list(
        told(
            [
                turn("One\nTwo", "Three\x1b[2J\n"),
                turn("Four", "Fi", "interrupted", reason="crashed", pinned=True),
                turn("Six", "", "accepted", began_at=None),
            ]
        )
    )
    assert told_turns == [
        "#1  2026-11-20 12:00\n> One\n> Two\nThree\ufffd[2J\n",
        "#1  2026-11-20 12:00  interrupted (crashed)  pinned\n> Four\nFi\n",
        "#1  accepted\n> Six\n",
    ]


def test_only_what_the_user_said_is_quoted() -> None:
    said = (Message("system", "Be brief."), Message("user", "Hi"), Message("user", "you"))
    assert exchange(replace(turn(), said=said)) == "> Hi\n> \n> you\nHello"


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("completed", "stop", ""),
        ("interrupted", None, "interrupted"),
        ("cancelled", "cancelled", "cancelled"),
        ("incomplete", "len\ngth", "incomplete (len\\ngth)"),
    ],
)
def test_a_turn_that_is_not_whole_is_marked(
    state: TurnState, reason: str | None, said: str
) -> None:
    assert mark(turn(state=state, reason=reason)) == said


def test_what_is_kept_is_counted() -> None:
    stats = StoreStats(
        sessions=2,
        turns=1234,
        by_state={"interrupted": 1, "completed": 1233},
        input_tokens=5,
        output_tokens=6,
        bytes=81920,
    )
    assert list(counted(stats)) == [
        "sessions        2",
        "turns           1,234 (completed 1,233, interrupted 1)",
        "tokens read     5",
        "tokens written  6",
        "bytes           81,920",
    ]


def test_a_moment_that_no_calendar_has_is_no_failure() -> None:
    assert (when(None), when(1e300), when(float("nan"))) == ("", "?", "?")
