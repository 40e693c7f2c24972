"""`file:` addresses for the downloader: a package index may be a folder."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import anyio
import anyio.to_thread
import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLOCK: Final = 1 << 20


class FileTransport(httpx2.AsyncBaseTransport):
    """Answers GET for a file, and for a folder with its `index.html` or a list of its files.

    A `Range: bytes=N-` is honoured.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response that a web server over the same folder would give."""
        path = Path(unquote(request.url.path))
        if await anyio.to_thread.run_sync(path.is_dir):
            page = path / "index.html"
            if not await anyio.to_thread.run_sync(page.is_file):
                listing = await anyio.to_thread.run_sync(_listing, path)
                return httpx2.Response(200, html=listing)
            path = page
        if not await anyio.to_thread.run_sync(path.is_file):
            return httpx2.Response(404, text="no such file")
        return await anyio.to_thread.run_sync(_answer, path, request.headers.get("range"))


class _FileStream(httpx2.AsyncByteStream):
    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._start = start

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with await anyio.open_file(self._path, "rb") as file:
            await file.seek(self._start)
            while block := await file.read(_BLOCK):
                yield block


def _answer(path: Path, wanted: str | None) -> httpx2.Response:
    size = path.stat().st_size
    kind = {"content-type": "text/html" if path.suffix == ".html" else "application/octet-stream"}
    if wanted is None:
        return httpx2.Response(
            200, headers={**kind, "content-length": str(size)}, stream=_FileStream(path, 0)
        )
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    if start >= size:
        return httpx2.Response(416, headers={"content-range": f"bytes */{size}"})
    span = {"content-range": f"bytes {start}-{size - 1}/{size}"}
    length = {"content-length": str(size - start)}
    return httpx2.Response(206, headers=kind | span | length, stream=_FileStream(path, start))


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    links = (f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names)
    return "<!DOCTYPE html>" + "".join(links)
