"""A small web server over a folder, with the faults that downloads meet."""

from __future__ import annotations

import base64
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Site:
    """What the server has and how it behaves; `asked` lists (path, Range, Authorization)."""

    url: str
    folder: Path
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    cut: int | None = None
    """Break the connection after so many bytes of a body; once, then it is forgotten."""
    drops: list[bool] = field(default_factory=list)
    """For each of the next requests: whether to hang up without an answer."""
    ranges: bool = True
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/html"
    login: tuple[str, str] | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    stall: threading.Event | None = None
    """With a cut: keep the connection open, silent, until the event is set."""
    length: bool = True
    """Whether to send a Content-Length."""


@contextmanager
def serving(folder: Path) -> Generator[Site]:
    """Serve *folder* on loopback."""
    site = Site("", folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, site)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        if site.stall is not None:
            site.stall.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    path = unquote(handler.path.partition("?")[0])
    wanted = handler.headers.get("range")
    site.asked.append((path, wanted, handler.headers.get("authorization")))
    handler.close_connection = True
    if site.drops and site.drops.pop(0):
        return None
    if path in site.redirects:
        return head(handler, 302, {"location": site.redirects[path], "content-length": "0"})
    if site.login is not None:
        expected = "Basic " + base64.b64encode(":".join(site.login).encode()).decode()
        if handler.headers.get("authorization") != expected:
            return head(handler, 401, {"content-length": "0"})
    file = site.folder / path.strip("/")
    file = file / "index.html" if file.is_dir() else file
    if site.status is not None or not file.is_file():
        return head(handler, site.status or 404, {"content-length": "0"})
    body = file.read_bytes()
    start = int(wanted[6:-1]) if wanted and site.ranges else 0
    headers = {"content-type": site.content_type, **site.headers}
    if start and start >= len(body):
        return head(handler, 416, {"content-length": "0"})
    if start:
        headers.setdefault("content-range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    if site.length:
        headers.setdefault("content-length", str(len(body) - start))
    head(handler, 206 if start else 200, headers)
    cut, site.cut = site.cut, None
    handler.wfile.write(body[start : None if cut is None else start + cut])
    if cut is not None and site.stall is not None:
        handler.wfile.flush()
        site.stall.wait(30)
    return None


def head(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    handler.send_response(status)
    handler.send_header("connection", "close")
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
