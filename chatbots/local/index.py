"""Reading a package index: which file is the wheel that the catalogue pins, and where.

The simple repository API, as HTML (PEP 503) and as JSON (PEP 691).
"""

from __future__ import annotations

import re
from email.message import Message
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from chatbots.local.catalog import Wheel

ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
"""What to ask an index for (PEP 691, "Version + Format Selection")."""


class Link(NamedTuple):
    """A file that an index offers; `sha256` is what the index says of it, if it does."""

    filename: str
    url: str
    sha256: str | None


class _File(Struct):
    filename: str
    url: str
    hashes: dict[str, str] = {}


class _Project(Struct):
    files: list[_File]


def normalized(distribution: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503, "Normalized Names")."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def project_page(index: str, distribution: str) -> str:
    """Return the address of a project's page on the *index*."""
    return f"{index.rstrip('/')}/{normalized(distribution)}/"


def read_page(body: bytes, *, content_type: str, url: str) -> list[Link]:
    """Return the links of a project's page that was found at *url*.

    Raises `ValueError` for a page that makes no sense.
    """
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type().endswith("json"):
        project = msgspec.json.decode(body, type=_Project)
        return [
            Link(file.filename, urljoin(url, file.url), file.hashes.get("sha256"))
            for file in project.files
        ]
    page = _Page(url)
    page.feed(body.decode(header.get_content_charset("utf-8"), errors="replace"))
    return page.links


def is_wheel(filename: str, wheel: Wheel) -> bool:
    """Whether *filename* is that of *wheel* (PEP 427, "File name convention")."""
    stem, dot, kind = filename.rpartition(".")
    parts = stem.split("-")
    return (
        (dot + kind) == ".whl"
        and len(parts) in (5, 6)
        and normalized(parts[0]) == normalized(wheel.distribution)
        and parts[1] == wheel.version
    )


def same_origin(url: str, other: str) -> bool:
    """Whether both addresses are of one scheme, host and port (RFC 6454)."""
    one, two = urlsplit(url), urlsplit(other)
    return (one.scheme, one.netloc) == (two.scheme, two.netloc)


class _Page(HTMLParser):
    """Collects the links of an HTML page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._base = url
        self.links: list[Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link, or the address that links start from."""
        href = dict(attrs).get("href")
        if href is None:
            return
        if tag == "base":
            self._base = urljoin(self._base, href)
        elif tag == "a":
            url, fragment = urldefrag(urljoin(self._base, href))
            name, _, value = fragment.partition("=")
            filename = unquote(urlsplit(url).path.rpartition("/")[2])
            self.links.append(Link(filename, url, value if name == "sha256" else None))
