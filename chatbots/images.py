"""An image as part of what is said."""

from __future__ import annotations

import base64
from typing import Final, Literal, Self, TypeAlias, get_args

from msgspec import Struct

from chatbots.errors import InvalidRequest

Detail: TypeAlias = Literal["auto", "low", "high"]
"""How closely the model looks."""

MAX_IMAGE: Final = 20 * 1024 * 1024
"""Bytes an image may have."""

_SCHEMES: Final = ("https://", "http://", "data:image/")


class Image(Struct, frozen=True, omit_defaults=True):
    """An image, at an address the server can fetch or in a `data:` URL (RFC 2397).

    Raises `InvalidRequest` for another URL, and for one of more than `MAX_IMAGE` bytes.
    """

    url: str
    detail: Detail | None = None

    def __post_init__(self) -> None:
        if not (self.url.startswith(_SCHEMES) and self.url.isascii()):
            raise _refused(f"{self.url[:80]!r} is no address of one: https: or data:image/")
        # In base64 four characters are three bytes.
        if len(self.url) > MAX_IMAGE * 4 // 3 + len("data:image/jpeg;base64,="):
            raise _refused(f"it has more than {MAX_IMAGE:,} bytes")
        if self.detail not in (None, *get_args(Detail)):
            raise _refused(f"its detail is one of {', '.join(get_args(Detail))}")

    @classmethod
    def of(cls, data: bytes, detail: Detail | None = None) -> Self:
        """Return the image in *data*: PNG, JPEG, GIF or WebP, whatever its file is called.

        Raises `InvalidRequest` for anything else, and for more than `MAX_IMAGE` bytes.
        """
        kind = _kind_of(data)
        if kind is None:
            raise _refused("it is none of PNG, JPEG, GIF and WebP")
        if len(data) > MAX_IMAGE:
            raise _refused(f"it has more than {MAX_IMAGE:,} bytes")
        return cls(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", detail)


def _kind_of(data: bytes) -> str | None:
    # By the first bytes, as WHATWG MIME Sniffing 6.1 has it.
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:14] == b"WEBPVP" else None


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest("invalid_request", f"The image cannot be sent: {why}.", param="images")
