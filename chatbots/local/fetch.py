"""One file over HTTP into a `Part`: resumed where it stopped, hashed as it comes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import httpx2
from msgspec import Struct

from chatbots.local.file_urls import FileTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from chatbots.local.part import Part

CONNECT_SECONDS: Final = 3.0
"""How long to wait for a connection: a source that cannot be reached must say so quickly."""
ANSWER_SECONDS: Final = 10.0
"""How long to wait for the head of an answer, redirects included."""
SILENCE_SECONDS: Final = 30.0
"""How long an answer may pause."""

RETRIES: Final = 3
"""How often to ask again in a row, in vain, once something has come."""
PAUSE_SECONDS: Final = 1.0
"""How long to wait before that."""

_BUFFER: Final = 1 << 20
_OK: Final = 200
_PARTIAL: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416


class SourceFailed(Exception):
    """A source did not deliver; the next one may. The text says why, without credentials."""


class WrongBytes(Exception):
    """A source delivered a whole file, and it is another one."""


class Item(Struct, frozen=True, kw_only=True):
    """What to fetch: an address without credentials, and what the file must be, in bytes."""

    url: str
    size: int
    sha256: str
    auth: tuple[str, str] | None = None


def new_client() -> httpx2.AsyncClient:
    """Return a client that honours the user's proxies and certificate settings.

    Raises `SourceFailed` if these cannot be used.
    """
    try:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=True,
            trust_env=True,
            mounts={"file://": FileTransport()},
        )
    except (OSError, ValueError, ImportError) as error:
        raise SourceFailed(f"the proxy or certificate settings cannot be used: {error}") from error


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Take the user and the password out of *url*, so that no log and no message has them.

    Raises `SourceFailed` for something that is no address.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise SourceFailed("its address makes no sense") from None
    if parsed.scheme == "file":
        # httpx2 takes an address without a host for a relative one. RFC 8089 allows a host;
        # "localhost" would fall under the rules about proxies.
        return str(parsed.copy_with(host="this-machine")), None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SourceFailed("its address is neither http, https nor file")
    if not parsed.userinfo:
        return url, None
    return str(parsed.copy_with(userinfo=b"")), (parsed.username, parsed.password)


async def read_page(
    client: httpx2.AsyncClient, url: str, *, accept: str, auth: tuple[str, str] | None
) -> tuple[bytes, str]:
    """Return the body and the content type of a small page. Raises `SourceFailed`."""
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            response = await client.get(url, headers={"accept": accept}, auth=auth)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        raise SourceFailed(_reason(error)) from error
    if response.status_code != _OK:
        raise SourceFailed(f"it answers {response.status_code} for {response.url.path}")
    return response.content, response.headers.get("content-type", "text/html")


async def fetch(
    client: httpx2.AsyncClient,
    item: Item,
    part: Part,
    *,
    moved: Callable[[int], None],
    missing: Callable[[int], None] = lambda _size: None,
) -> None:
    """Complete *part* to the file that *item* describes.

    *moved* is told the length after each step; *missing*, whenever the source is about to deliver,
    how many bytes there must be room for: it may raise to have nothing written.
    Cancelling, and every error but `WrongBytes`, leaves the part to be resumed.
    Raises `SourceFailed`, `WrongBytes` (the part is emptied), `OSError` (the disk).
    """
    there = part.size_on_disk
    await anyio.to_thread.run_sync(part.keep, there if there <= item.size else 0)
    resumed = part.length > 0
    moved(part.length)
    await _complete(client, item, part, moved=moved, missing=missing)
    if part.sha256() != item.sha256 and resumed:
        # What an earlier attempt left may be the culprit (a login page in place of the file).
        await anyio.to_thread.run_sync(part.keep, 0)
        await _complete(client, item, part, moved=moved, missing=missing)
    found = part.sha256()
    if found != item.sha256:
        await anyio.to_thread.run_sync(part.keep, 0)
        raise WrongBytes(f"its sha256 is {found}, not {item.sha256}")


async def _complete(
    client: httpx2.AsyncClient,
    item: Item,
    part: Part,
    *,
    moved: Callable[[int], None],
    missing: Callable[[int], None],
) -> None:
    left = 0  # A source that cannot be reached at all must say so at once.
    while part.length < item.size:
        before = part.length
        reason = "the answer ended early"
        try:
            await _read_on(client, item, part, moved=moved, missing=missing)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            reason = _reason(error)
        if part.length > before:
            left = RETRIES
        elif left:
            left -= 1
            await anyio.sleep(PAUSE_SECONDS)
        else:
            here = f" ({part.length:,} of {item.size:,} bytes are here)" if part.length else ""
            raise SourceFailed(f"{reason}{here}")


async def _read_on(
    client: httpx2.AsyncClient,
    item: Item,
    part: Part,
    *,
    moved: Callable[[int], None],
    missing: Callable[[int], None],
) -> None:
    headers = {"accept-encoding": "identity"}
    if part.length:
        headers["range"] = f"bytes={part.length}-"
    request = client.build_request("GET", item.url, headers=headers)
    with anyio.fail_after(ANSWER_SECONDS):
        response = await client.send(request, auth=item.auth, stream=True)
    try:
        await _place(response, item, part)
        missing(item.size - part.length)
        async for block in _blocks(response):
            if part.length + len(block) > item.size:
                await anyio.to_thread.run_sync(part.keep, 0)
                raise WrongBytes(f"it is longer than {item.size} bytes")
            await anyio.to_thread.run_sync(part.append, block)
            moved(part.length)
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()


async def _place(response: httpx2.Response, item: Item, part: Part) -> None:
    """Make *part* end where the *response* begins."""
    status = response.status_code
    if response.headers.get("content-encoding", "identity") != "identity":
        raise SourceFailed("it answers with an encoding that was not asked for")
    if status == _RANGE_NOT_SATISFIABLE or (
        status == _PARTIAL and not _begins_at(response, part.length)
    ):
        raise SourceFailed("it has a file of another length")
    if status == _OK:
        length = response.headers.get("content-length")
        if length is not None and length != str(item.size):
            raise SourceFailed(f"it offers {length} bytes, not {item.size}")
        if part.length:
            await anyio.to_thread.run_sync(part.keep, 0)
    elif status != _PARTIAL:
        raise SourceFailed(f"it answers {status}")


def _begins_at(response: httpx2.Response, start: int) -> bool:
    span = response.headers.get("content-range", "")
    return bool(start) and span.startswith(f"bytes {start}-")


async def _blocks(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Join what arrives to a megabyte: each block costs a hand-over to a thread."""
    gathered = bytearray()
    try:
        async for data in response.aiter_raw():
            gathered += data
            if len(gathered) >= _BUFFER:
                yield bytes(gathered)
                gathered.clear()
    except httpx2.HTTPError:
        if gathered:
            yield bytes(gathered)
        raise
    if gathered:
        yield bytes(gathered)


def _reason(error: Exception) -> str:
    """Say what went wrong on the way; the exceptions' own texts hold no address."""
    if isinstance(error, httpx2.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "it stopped answering"
    if isinstance(error, httpx2.ConnectError):
        return f"it cannot be reached: {error}"
    return str(error) or type(error).__name__


def is_full(error: OSError) -> bool:
    """Whether *error* means that the disk, or the user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
