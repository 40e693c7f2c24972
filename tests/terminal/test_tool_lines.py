from __future__ import annotations

import pytest

from chatbots.deltas import ToolDelta, ToolFinished, ToolProgress, ToolStarted
from chatbots.terminal.tool_lines import MAX_LINE, line_of


def finished(content: str) -> ToolFinished:
    return ToolFinished("c", "f", content, is_error=False, seconds=0.1)


@pytest.mark.parametrize(
    ("news", "line"),
    [
        (ToolStarted("c", "multiply", '{"a": 6,  "b": 7}'), "> multiply(a=6, b=7)"),
        (ToolStarted("c", "find", '{"city":"Zürich","n":[1]}'), '> find(city="Zürich", n=[1])'),
        (ToolStarted("c", "now", "{}"), "> now()"),
        (ToolStarted("c", "f", '{"a": 6, "b'), '> f({"a": 6, "b)'),
        (ToolStarted("c", "f", "[" * 100_000), "> f(" + "[" * (MAX_LINE - 5) + "…"),
        (ToolProgress("c", "Reading", 0.5), "~ 50% Reading"),
        (ToolProgress("c", "Reading"), "~ Reading"),
        (finished("42"), "< 42"),
        (finished("two\nlines\t and more "), "< two lines and more"),
        (finished("no \u202erewsna\u2066"), "< no \ufffdrewsna\ufffd"),
        (finished("x" * 1000), "< " + "x" * (MAX_LINE - 3) + "…"),
    ],
)
def test_news_of_a_tool_is_one_line(news: ToolDelta, line: str) -> None:
    assert line_of(news) == line
