"""Who tries to come in: without a token, from a foreign page, under a foreign name."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.abuse.house import House, house
from tests.abuse.raw import Gone, connection

FOREIGN = (
    "null", "http://evil.test", "http://localhost:3000", "http://localhost.evil.test",
    "http://localhost@evil.test", "http://localhost:80@evil.test", "http://evil.test/localhost",
    "http://localhost/", "file://", "file:///etc/passwd", "localhost",
    "chrome-extension://localhost",
    "http://LOCALHOST.EVIL.TEST", "http://127.0.0.1.nip.io", "http://localhost, http://evil.test",
    "http://evil.test#localhost", "http://xn--lcalhost-n4a", "about:blank", "http://", "http://127.0.0.1",
)  # fmt: skip
"""Origins that are not `http://localhost`, however they look."""

REBOUND = (
    "evil.test", "localhost.evil.test", "evil.test:8080", "127.0.0.1.nip.io", "localhost.", "127.1",
    "0x7f000001", "2130706433", "xlocalhost", "localhost@evil.test", "[::1", "localhost:80:80", "",
)  # fmt: skip
"""Names under which a foreign page may have this machine resolved."""


async def _let_in(
    here: House, wanted: tuple[int, str], headers: Mapping[str, str], path: str = "/ws"
) -> str | None:
    """Return what is wrong with the answer to these headers; None if they are refused as wanted."""
    answer = await here.knock(headers, path)
    try:
        code = json.loads(answer.body)["error_code"]
    except (ValueError, KeyError):
        code = answer.body[:60]
    return None if (answer.status, code) == wanted else f"{answer.status} {code}"


async def no_valid_token() -> list[str]:
    """No token, wrong ones, revoked ones; in a header, among the subprotocols, in the path."""
    holes = []
    tried: list[tuple[dict[str, str], str]] = []
    async with house() as here:
        token = here.tokens["ada"]
        secret = token.split("_", 2)[2]
        (eve,) = here.file.revoke("eve")
        for wrong in (
            "", "x", token[:-1], token + "x", token.swapcase(), f"cb_{eve.id}_{secret}",
            secret, eve.sha256, here.tokens["eve"], "ada", "null", here.gate.page_token,
        ):  # fmt: skip
            tried += [
                ({"Authorization": f"Bearer {wrong}"}, "/ws"),
                ({"Sec-WebSocket-Protocol": f"chatbots, bearer.{wrong}"}, "/ws"),
            ]
        tried += [
            ({}, "/ws"), ({}, f"/ws?token={token}"), ({"Authorization": f"Basic {token}"}, "/ws"),
            ({"Cookie": f"token={token}"}, "/ws"),
            ({"Authorization": f"Bearer x\r\nAuthorization: Bearer {token}"}, "/ws"),
        ]  # fmt: skip
        for headers, path in tried:
            if hole := await _let_in(here, (401, "unauthorized"), headers, path):
                holes.append(f"{path} {headers}: {hole}")
    return holes


async def revoked_while_open() -> list[str]:
    """A token that is revoked while its socket is open."""
    async with house() as here, here.client("ada") as peer:
        if "error" in await peer.ask("ping"):
            return ["it was never let in"]
        here.file.revoke("ada")
        try:
            said = await peer.ask("tools_list")
        except Gone:
            return []
        return [] if said.get("error_code") == "unauthorized" else [f"still served: {said}"]


async def foreign_pages() -> list[str]:
    """Foreign, null and look-alike origins, with a valid token, on a server with and without."""
    holes = []
    for guarded in (True, False):
        async with house(guarded=guarded) as here:
            token = here.tokens.get("ada") or here.gate.page_token
            for origin in FOREIGN:
                headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
                if hole := await _let_in(here, (403, "origin_not_allowed"), headers):
                    holes.append(f"{origin}: {hole}")
    return holes


async def rebound_names() -> list[str]:
    """Foreign names in Host, as DNS rebinding has them, the page of the same name."""
    holes = []
    async with house(guarded=False) as here:
        for host in REBOUND:
            for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
                for path in ("/ws", "/info"):
                    answer = await here.knock(headers, path)
                    told = path == "/info" and "model" not in answer.body
                    if answer.status not in (400, 403) and not told:
                        holes.append(f"{path} {host!r}: {answer.status}")
    return holes


async def pages_without_the_token() -> list[str]:
    """A page of the same name and port, without the token that the server's own page carries."""
    async with house(guarded=False) as here:
        own = {"Origin": "http://localhost"}
        holes = [await _let_in(here, (401, "unauthorized"), own)]
        wrong = own | {"Sec-WebSocket-Protocol": "chatbots, bearer.guess"}
        holes.append(await _let_in(here, (401, "unauthorized"), wrong))
        right = own | {"Sec-WebSocket-Protocol": f"chatbots, bearer.{here.gate.page_token}"}
        answer = await here.knock(right)
        if answer.status != 101 or answer.headers.get("sec-websocket-protocol") != "chatbots":
            holes.append(f"its own page is refused: {answer}")
    return [hole for hole in holes if hole]


async def compression() -> list[str]:
    """A client that offers to compress: a small frame could then be a large one."""
    async with house() as here:
        offers = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        answer = await here.knock(here.headers("ada") | offers)
        taken = answer.headers.get("sec-websocket-extensions")
        return [f"it is taken: {taken}"] if answer.status != 101 or taken else []


async def strangers_ask_about_it() -> list[str]:
    """What /health and /info tell a stranger, and where no socket is."""
    holes = []
    async with house() as here:
        health = await here.get("/health")
        if json.loads(health.body) != {"status": "ok", "clients": 0}:
            holes.append(f"/health: {health.body}")
        info = json.loads((await here.get("/info")).body)
        if set(info) - {"name", "version"}:
            holes.append(f"/info tells strangers {info}")
        for path in ("/ws/../ws2", "/", "/ws/", "//ws", "/WS", "/.env", "/../../etc/passwd"):
            answer = await here.knock(here.headers("ada"), path)
            if answer.status == 101:
                holes.append(f"a socket at {path}")
        async with connection(here.port) as peer:
            await peer.send(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got = await peer.stream.receive()
            if b" 426 " not in got:
                holes.append(f"a plain GET /ws: {got[:40]!r}")
    return holes
