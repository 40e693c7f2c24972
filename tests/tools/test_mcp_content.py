from __future__ import annotations

from typing import Any

import pytest
from mcp_types import CallToolResult

from chatbots.tools.mcp_content import text_of


def said(*content: dict[str, Any], **more: Any) -> str:
    return text_of(CallToolResult.model_validate({"content": list(content), **more}))


def resource(**held: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": "file:///a", **held}}


def test_texts_are_joined() -> None:
    assert said({"type": "text", "text": "a"}, {"type": "text", "text": "b"}) == "a\nb"
    assert said() == ""


def test_structured_content_is_told_where_it_is_said_in_no_text() -> None:
    told = {"structuredContent": {"degrees": 20}}
    assert said(**told) == '{"degrees":20}'
    assert said({"type": "text", "text": "20 degrees"}, **told) == "20 degrees"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "image", "data": "AAAA", "mimeType": "image/png"},
         "[image/png that cannot be shown as text: image]"),
        ({"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
         "[audio/wav that cannot be shown as text: audio]"),
        ({"type": "resource_link", "name": "a", "uri": "file:///a"}, "[a](file:///a)"),
        ({"type": "resource_link", "name": "a", "title": "A", "uri": "x:a", "description": "B"},
         "[A](x:a): B"),
        (resource(text=""), ""),
        (resource(text="hello"), "hello"),
        (resource(blob="AAAA"), "[data that cannot be shown as text: file:///a]"),
        (resource(blob="AAAA", mimeType="application/pdf"),
         "[application/pdf that cannot be shown as text: file:///a]"),
    ],
)  # fmt: skip
def test_each_kind_of_content_has_a_place_in_the_text(block: dict[str, Any], text: str) -> None:
    assert said(block) == text
