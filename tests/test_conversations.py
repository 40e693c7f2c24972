from __future__ import annotations

import pytest

from chatbots.conversations import MAX_TITLE, title_of
from chatbots.messages import Message


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Hello there.", "Hello there."),
        ("  two\n lines\t", "two lines"),
        ("", ""),
        ("word " * 40, "word " * 15 + "word…"),
        ("x" * 90, "x" * 79 + "…"),
        ("x" * 80, "x" * 80),
    ],
)
def test_a_title_is_the_first_words_on_one_line(said: str, title: str) -> None:
    assert title_of([Message("system", "Be brief."), Message("user", said)]) == title
    assert len(title) <= MAX_TITLE


def test_the_first_user_message_with_words_names_a_conversation() -> None:
    said = [Message("user", " "), Message("user", "Second"), Message("user", "Third")]
    assert title_of(said) == "Second"
    assert title_of([Message("assistant", "Hi")]) == ""
