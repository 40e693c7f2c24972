"""What a conversation is made of: messages, calls of functions, and what came of them."""

from __future__ import annotations

import secrets
from binascii import b2a_base64
from typing import Final

from msgspec import Struct

MAX_ITEM_ID: Final = 32
"""Characters the id of an item may have (OpenAI's API reference, conversation.item.create)."""

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def generate_id(prefix: str, length: int) -> str:
    """Return a random id of *length* characters, *prefix* included; the rest is base58."""
    return prefix + "".join(secrets.choice(_BASE58) for _ in range(length - len(prefix)))


def encoded(audio: bytes) -> str:
    """Return *audio* as events carry it: base64."""
    return b2a_base64(audio, newline=False).decode("ascii")


class ContentPart(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A part of a message: text, audio in base64, or an image by its URL.

    `type` is `input_text`, `input_audio` or `input_image` for the user and the system,
    `output_text` or `output_audio` for the assistant (`text` and `audio` in the beta dialect).
    `transcript` is what the audio says; `detail` is `auto`, `low` or `high`.
    """

    type: str | None = None
    id: str | None = None
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: str | None = None


class McpFailure(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an MCP server's tool failed: `protocol_error`, `tool_execution_error`, `http_error`."""

    type: str | None = None
    message: str | None = None
    code: int | None = None


class McpListed(Struct, frozen=True, gc=False, omit_defaults=True):
    """A tool that an MCP server offers."""

    name: str
    input_schema: object = None
    description: str | None = None
    annotations: object = None


class Item(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One item of a conversation; which fields it has depends on its `type`.

    `message`: `role` and `content`. `function_call`: `call_id`, `name`, `arguments` (JSON text).
    `function_call_output`: `call_id` and `output`. `mcp_list_tools`: `server_label`, `tools`.
    `mcp_call`: `server_label`, `name`, `arguments`, `output` or `error`.
    `mcp_approval_request` and `mcp_approval_response`: what may be called, and whether.
    `item_reference` (in the input of a response): `id`.
    `status` is `in_progress`, `completed` or `incomplete`.
    """

    type: str | None = None
    id: str | None = None
    object: str | None = None
    status: str | None = None
    role: str | None = None
    content: tuple[ContentPart, ...] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    tools: tuple[McpListed, ...] | None = None
    error: McpFailure | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None

    @property
    def text(self) -> str:
        """All that is said in it, as text or as the transcript of its audio."""
        return "".join(part.text or part.transcript or "" for part in self.content or ())


def _message(role: str, *content: ContentPart, id: str | None) -> Item:  # noqa: A002  # the API's word
    return Item(type="message", id=id, role=role, content=content)


def user_text(text: str, *, id: str | None = None) -> Item:  # noqa: A002  # the API's word
    """Return a message in which the user writes *text*."""
    return _message("user", ContentPart(type="input_text", text=text), id=id)


def system_text(text: str, *, id: str | None = None) -> Item:  # noqa: A002  # the API's word
    """Return a message of the system."""
    return _message("system", ContentPart(type="input_text", text=text), id=id)


def assistant_text(text: str, *, id: str | None = None) -> Item:  # noqa: A002  # the API's word
    """Return what the assistant has said, to be replayed to another session."""
    return _message("assistant", ContentPart(type="output_text", text=text), id=id)


def user_audio(audio: bytes, *, transcript: str | None = None) -> Item:
    """Return a message in which the user says *audio*, in the session's input format."""
    part = ContentPart(type="input_audio", audio=encoded(audio), transcript=transcript)
    return _message("user", part, id=None)


def function_call(call_id: str, name: str, arguments: str) -> Item:
    """Return a call that the model made; *arguments* is JSON text."""
    return Item(type="function_call", call_id=call_id, name=name, arguments=arguments)


def function_output(call_id: str, output: str) -> Item:
    """Return what came of a call."""
    return Item(type="function_call_output", call_id=call_id, output=output)
