"""How a request gets to the server: over a connection of ours, or as the SDK would send it.

The client owns the configuration: address, key, headers, deadlines, certificates, proxies.
Ours serves the clients made in `client.py`, unless a proxy is between; see `docs/hot-path.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import quote, quote_plus

import anyio
import httpx2
import msgspec
import openai

from chatbots.provider.client import READ_TIMEOUT, Shared, shared_by
from chatbots.provider.connection import Take
from chatbots.provider.resilience import of_status
from chatbots.provider.wire import Body

MOST_HEADS: Final = 100
"""Heads of requests that are kept: Azure has a path for each model, and a caller names it."""
MAX_ERROR: Final = 64 * 1024
"""Bytes read of what a server says about a failure."""


class Response(Protocol):
    """The answer of a server that agreed: its head is there, its body comes."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields of the head, by their names in lower case."""
        ...

    async def pour(self, take: Take) -> bool:
        """Hand the body to *take*, a network read at a time; see `Connection.pour`.

        May return true of its own accord: then it is to be called again.
        """
        ...

    async def aclose(self) -> None:
        """Be done with it; where the body is not whole, its connection is closed at once.

        Whatever happens, cancellation included: the server must see that nobody reads on.
        """
        ...


async def post(
    client: openai.AsyncOpenAI, path: str, body: Body, *, within: float = math.inf
) -> Response:
    """Post *body* to *path* under the client's base URL; return the answer of a success.

    Raises `ChatError` for another status, and what the SDK and httpx2 raise:
    `httpx2.ReadTimeout` where no head comes *within* so many seconds.
    """
    shared = shared_by(client)
    if shared is None or shared.pool is None:
        with anyio.move_on_after(within):
            return await _through_sdk(client, path, body)
        raise httpx2.ReadTimeout("The server did not begin to answer.")
    request = encode(shared, _placed(shared, path, body), msgspec.json.encode(body))
    answer = await shared.pool.ask(request, httpx2.Timeout(client.timeout), within=within)
    status = answer.status_code
    if 200 <= status < 300 and "content-encoding" not in answer.headers:
        return answer
    said = b""
    try:
        with suppress(httpx2.TransportError):
            said = await read(answer, MAX_ERROR)
    finally:
        await answer.aclose()
    if status < 300:
        raise httpx2.DecodingError("it is compressed, which was not asked for")
    raise of_status(client, status, answer.headers, said)


async def read(response: Response, most: int) -> bytes:
    """Return the whole body, or what has come of it once that is more than *most* bytes."""
    data = bytearray()

    def take(chunk: bytes) -> bool:
        data.extend(chunk)
        return len(data) > most

    while await response.pour(take) and len(data) <= most:
        pass
    return bytes(data)


def encode(shared: Shared, path: str, body: bytes) -> bytes:
    """Return the bytes of the request, which says what the SDK's would.

    Raises `httpx2.LocalProtocolError` for a header that cannot be sent.
    """
    head = shared.heads.get(path)
    if head is None:
        if len(shared.heads) >= MOST_HEADS:
            shared.heads.clear()
        head = shared.heads[path] = _head(shared, path)
    return b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body)


def _head(shared: Shared, path: str) -> bytes:
    """Make what is the same in each request to *path*: the client, made here, does not change."""
    client, url = shared.client, shared.client.base_url
    fields = {
        name.lower(): value
        for name, value in (*client.auth_headers.items(), *client.default_headers.items())
        if isinstance(value, str)
    }
    fields["x-stainless-retry-count"] = "0"
    fields["x-stainless-read-timeout"] = str(READ_TIMEOUT)
    if not shared.access.bears_key:
        fields.pop("authorization", None)
    fields["host"] = url.netloc.decode()
    fields["accept-encoding"] = "identity"
    target = url.raw_path.decode() + path.removeprefix("/")
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if any("\n" in line or "\r" in line or not line.isascii() for line in lines):
        raise httpx2.LocalProtocolError("A header has a character that no header may have.")
    return "\r\n".join([*lines, ""]).encode()


def _placed(shared: Shared, path: str, body: Body) -> str:
    """Return where Azure's dated API has *path*: under the deployment, which *body* names."""
    version = shared.access.api_version
    if version is None:
        return path
    deployment = quote(body["model"], safe="!$&'()*+,;=:@")  # what a path takes (RFC 3986, 3.3)
    return f"/deployments/{deployment}{path}?api-version={quote_plus(version)}"


async def _through_sdk(client: openai.AsyncOpenAI, path: str, body: Body) -> Response:
    # The SDK sends and authenticates; the body is read by us, so that a broken end is seen as one.
    try:
        response: object = await client.post(
            path,
            cast_to=httpx2.Response,
            body=msgspec.to_builtins(body),
            # A redirect would take the whole prompt to another origin.
            options={"max_retries": 0, "follow_redirects": False},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
    except openai.APIStatusError as error:
        answer = error.response
        # Not from the SDK's error: it repeats what the server said, the key perhaps included.
        raise of_status(client, answer.status_code, answer.headers, answer.content) from None
    if not isinstance(response, httpx2.Response):
        raise TypeError(f"The client gave a {type(response).__name__}, not a response.")
    if {"transfer-encoding", "content-length"} <= response.headers.keys():
        # Unread, its connection is closed: what follows could be taken for another answer.
        await response.aclose()
        raise httpx2.RemoteProtocolError("Transfer-Encoding can't be present with Content-Length.")
    return _Foreign(response)


class _Foreign:
    """An answer over the SDK's transport."""

    def __init__(self, response: httpx2.Response) -> None:
        self.headers = response.headers
        self._response = response
        self._chunks = response.aiter_bytes()

    async def pour(self, take: Take) -> bool:
        # One read a call: httpx2 cannot be cancelled and then go on.
        async for chunk in self._chunks:
            take(chunk)
            return True
        return False

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
