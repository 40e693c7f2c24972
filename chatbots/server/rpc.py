"""Frames as values: what a client asks and what it is told, as JSON text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from chatbots.errors import ChatError, InvalidRequest
from chatbots.messages import check_name

MAX_FRAME: Final = 1024 * 1024
"""Bytes a frame may have."""
MAX_DEPTH: Final = 64
"""How deep the JSON of a frame may be nested."""
MAX_ERROR: Final = 500
"""Characters an error may have: what was sent is not sent back."""
NO_TYPE: Final = "error"
"""The type of the answer to a frame that has none."""
INTERNAL: Final = "internal"

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?')
_REQUEST_ID: Final = re.compile(rb'\s*\{[^{]*?"request_id"\s*:\s*"([ !#-\[\]-~]+)"')
"""An id that is not deeper in what is no JSON: the payload of a `cancel` has another's."""
_MISSING: Final = re.compile("missing required field `(.*)`")
_BRACKET: Final = re.compile(rb"[][{}]")


class Request(Struct, frozen=True):
    """What a client asks: the *payload* is JSON that has not been looked into."""

    type: str
    request_id: str
    payload: Raw = Raw(b"{}")


class Unreadable(Exception):
    """A frame that is no request, and as much of it as could be read."""

    def __init__(self, error: InvalidRequest, request_id: str | None = None) -> None:
        super().__init__(error, request_id)
        self.error = error
        self.request_id = request_id


def read(data: str | bytes | None) -> Request:
    """Return the request in a frame; *data* is None for one that is not text.

    Raises `Unreadable` for anything else, and for one too large or nested too deep.
    """
    if data is None:
        raise Unreadable(_invalid("A frame must be text; this one is binary."))
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > MAX_FRAME:
        why = f"The frame is too large; at most {MAX_FRAME:,} bytes are allowed."
        raise Unreadable(InvalidRequest("frame_too_large", why), _rescued(raw))
    try:
        _check_depth(raw)
        request = _REQUEST.decode(raw)
        check_name(request.type, "type")
        check_name(request.request_id, "request_id")
    except InvalidRequest as error:
        raise Unreadable(error, _rescued(raw)) from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(refused("frame", error), _rescued(raw)) from None
    if not request.request_id:
        raise Unreadable(_invalid("The request_id is empty.", "request_id"))
    return request


def refused(what: str, error: Exception) -> InvalidRequest:
    """Return the error for JSON that is not as *what* must be; it names the field."""
    message, _, place = str(error).partition(" - at `$")
    field = place.rstrip("`").lstrip(".")
    where = f" at {field!r}" if field else ""
    param = ".".join(filter(None, (field, *_MISSING.findall(message)))) or None
    return _invalid(f"The {what} cannot be used{where}: {message}.", param)


def answer(kind: str, request_id: str, data: object) -> str:
    """Return the frame that answers a request with *data*."""
    return _text({"type": kind, "request_id": request_id, "data": data})


def failure(
    kind: str,
    request_id: str | None,
    error: ChatError | None,
    *,
    message: str,
    data: Mapping[str, object] | None = None,
) -> str:
    """Return the frame that answers a request with an *error*; None is a bug of the server's."""
    said: dict[str, object] = {
        "type": kind,
        "request_id": request_id,
        "error": message if len(message) <= MAX_ERROR else f"{message[:MAX_ERROR]}…",
        "error_code": INTERNAL if error is None else error.code,
        "error_category": INTERNAL if error is None else error.category,
        "retryable": error is not None and error.retryable,
    }
    if data:
        said["data"] = data
    if error is not None and error.retry_after is not None:
        said["retry_after"] = round(error.retry_after, 3)
    if error is not None and error.param is not None:
        said["param"] = error.param
    return _text(said)


def news(kind: str, data: Mapping[str, object]) -> str:
    """Return a frame that answers no request."""
    return _text({"type": kind, "data": data})


class Pieces:
    """Frames with pieces of one answer's text, the same but for the piece."""

    __slots__ = ("_before",)

    def __init__(self, kind: str, request_id: str) -> None:
        head = _text({"type": kind, "request_id": request_id})
        self._before = f'{head[:-1]},"data":{{"choices":[{{"index":0,"delta":{{"content":'

    def frame(self, text: str) -> str:
        """Return the frame with this piece."""
        return f"{self._before}{_text(text)}}}}}]}}}}"


class _Beginning(Struct):
    request_id: str


_REQUEST: Final = msgspec.json.Decoder(Request)
_BEGINNING: Final = msgspec.json.Decoder(_Beginning)


def _rescued(raw: bytes) -> str | None:
    """Return the request id of a frame that is wrong otherwise."""
    try:
        name = _BEGINNING.decode(raw).request_id
    except msgspec.ValidationError:
        return None
    except (ValueError, RecursionError):
        found = _REQUEST_ID.match(raw)
        if found is None:
            return None
        name = found[1].decode()
    try:
        check_name(name, "request_id")
    except InvalidRequest:
        return None
    return name


def _check_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise _invalid(f"The frame is nested more than {MAX_DEPTH} deep.")


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _invalid(message: str, param: str | None = None) -> InvalidRequest:
    return InvalidRequest("invalid_request", message, param=param)
