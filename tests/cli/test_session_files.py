"""A conversation as a file, and back."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, strategies as st

from chatbots.cli.session_files import from_json, to_json, to_markdown
from chatbots.errors import InvalidRequest
from chatbots.images import Image
from chatbots.messages import Message, Turn, Usage
from chatbots.tool_calls import ToolCall

WHOLE = Turn(
    session="ada",
    request_id="r1",
    seq=1,
    state="completed",
    said=(Message("user", "6 by 7?", images=(Image("https://host/a.png", "low"),)),),
    answer=(
        Message("assistant", "Let me see.", tool_calls=(ToolCall("c1", "multiply", '{"a": 6}'),)),
        Message("tool", "42", tool_call_id="c1"),
        Message("assistant", "42.\x00\x1b\u202e\n"),
    ),
    reason="stop",
    usage=Usage(1, 2, 3, 4, 5, estimated=True),
    began_at=1_795_000_000.123456,
    pinned=True,
    summary="They multiplied.",
)
BROKEN = Turn(
    session="ada",
    request_id="r2",
    seq=2,
    state="interrupted",
    said=(Message("user", "```\n# a\n````"),),
    reason="crashed",
)


def test_what_was_exported_is_read_back_whole() -> None:
    exported = from_json(to_json("a\n../b", [WHOLE, BROKEN]).encode())
    assert (exported.session, exported.turns) == ("a\n../b", (WHOLE, BROKEN))


def test_the_file_says_what_it_is() -> None:
    read = json.loads(to_json("ada", []))
    assert read == {"format": "chatbots-session", "version": 1, "session": "ada", "turns": []}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{}",
        b'{"session": "ada", "turns": [{}]}',
        b'{"format": "other", "session": "ada", "turns": []}',
        b'{"version": 2, "session": "ada", "turns": []}',
        b'{"x": ' + b"[" * 100_000,
        to_json("ada", [WHOLE]).replace('"user"', '"nobody"').encode(),
    ],
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="holds no exported conversation") as caught:
        from_json(data)
    assert caught.value.hint == "`chatbots sessions export NAME` writes one."


def test_a_request_id_that_nobody_could_have_used_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="257 characters"):
        from_json(to_json("ada", [WHOLE]).replace("r1", "r" * 257).encode())


def texts_in(page: str) -> list[str]:
    """Return what stands in the fences of *page*, read as CommonMark says."""
    texts: list[str] = []
    fence: str | None = None
    for line in page.split("\n"):
        if fence is None:
            opened = re.match("`{3,}", line)
            if opened:
                fence = opened[0]
                texts.append("")
        elif re.fullmatch(f"`{{{len(fence)},}}[ \t]*", line):
            fence = None
        else:
            texts[-1] += f"{line}\n"
    assert fence is None
    return [text.removesuffix("\n") for text in texts]


def test_a_page_shows_who_said_what() -> None:
    page = "".join(to_markdown("ada_l", [WHOLE, BROKEN]))
    assert page.startswith("# ada\\_l\n\n## 1 · 2026-11-")
    assert "\n## 2 · interrupted \\(crashed\\)\n" in page
    assert texts_in(page) == ["6 by 7?", "Let me see.42.\ufffd\ufffd\u202e", BROKEN.said[0].content]
    assert page.count("**Assistant**") == 1, "nothing is said of an answer that is not there"


@given(st.text(st.sampled_from("`~# >\n\t-=<a\r"), min_size=1), st.text())
def test_no_text_breaks_the_page(said: str, name: str) -> None:
    turn = Turn(session="s", request_id="r", seq=1, state="failed", said=(Message("user", said),))
    page = "".join(to_markdown(name, [turn, turn]))
    expected = said.replace("\r", "\ufffd").rstrip("\n")
    assert texts_in(page) == [expected] * 2
    assert page.split("\n")[1] == ""
