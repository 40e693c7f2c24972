from __future__ import annotations

from chatbots.deltas import Done, UserSaid
from chatbots.terminal.transcript import Transcript

DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session=None)


def put_down(paper: Transcript) -> str:
    said = paper.said(UserSaid("a", "Who\x1b is it?")) + paper.said(UserSaid("b", None))
    return said + paper.text("Ada.\n") + paper.end(DONE)


def test_both_sides_are_written() -> None:
    written = put_down(Transcript(on=True, clean=True))
    assert written == "> Who\ufffd is it?\n> [unintelligible]\nAda.\n"


def test_neither_side_is_written_if_nobody_wants_it() -> None:
    assert put_down(Transcript(on=False, clean=False)) == ""
