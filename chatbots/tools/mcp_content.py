"""What an MCP server answers, as text: what is no text is named in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock


def text_of(result: CallToolResult) -> str:
    """Return the texts of *result*, a line between; its structured content if it has no other.

    A server says structured content in a text as well (MCP 2025-06-18, tools, structured content).
    """
    if not result.content and result.structured_content is not None:
        return msgspec.json.encode(result.structured_content).decode()
    return "\n".join(map(_text, result.content))


def _text(block: ContentBlock) -> str:
    if block.type == "text":
        return block.text
    if block.type == "resource_link":
        about = f": {block.description}" if block.description else ""
        return f"[{block.title or block.name}]({block.uri}){about}"
    if block.type == "resource":
        held = block.resource
        text: str | None = getattr(held, "text", None)
        return text if text is not None else _unshown(held.mime_type or "data", str(held.uri))
    return _unshown(block.mime_type, block.type)


def _unshown(kind: str, what: str) -> str:
    return f"[{kind} that cannot be shown as text: {what}]"
