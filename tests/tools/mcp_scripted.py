"""A small MCP server by hand, for what no good server does: `python mcp_scripted.py MANNER`.

Only the standard library: it starts in no time. As a module it is the same server over HTTP.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OBJECT = {"type": "object"}
READS = {"readOnlyHint": True}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"To {name}.", "inputSchema": OBJECT, **more}


TOOLS = [
    tool("echo", inputSchema=NUMBER, annotations=READS),
    tool("erase"),
    tool("add more", annotations={"idempotentHint": True}),
    *map(tool, ("die", "hang", "fail", "refuse", "work", "many", "environment")),
]
BROKEN = {"name": "broken", "inputSchema": {"type": "object", "properties": {"a": {"type": 7}}}}


class Script:
    """What the server says to each message it gets."""

    def __init__(self, manner: str) -> None:
        self.manner = manner
        self.tools = [*TOOLS, BROKEN]

    def answers(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        method, params = message.get("method", ""), message.get("params", {})
        note("heard", message)
        if "id" not in message:
            return
        head = {"jsonrpc": "2.0", "id": message["id"]}
        if method == "tools/call":
            yield from (
                {**head, **one} if "method" not in one else one for one in self.call(params)
            )
        elif method == "initialize" and self.manner != "modern":
            about = {"name": "scripted", "version": "1"}
            version, able = params["protocolVersion"], {"tools": {"listChanged": True}}
            told = {"protocolVersion": version, "capabilities": able, "serverInfo": about}
            yield {**head, "result": told}
        elif method == "server/discover" and self.manner == "modern":
            told = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
            yield {**head, "result": told | {"resultType": "complete"} | CACHED}
        elif method == "tools/list":
            yield {**head, "result": self.page(params.get("cursor"))}
        else:
            yield {**head, "error": {"code": -32601, "message": f"What is {method}?"}}

    def page(self, cursor: str | None) -> dict[str, Any]:
        modern = {"resultType": "complete"} | CACHED if self.manner == "modern" else {}
        if self.manner == "endless":
            number = int(cursor or 0)
            tools = [tool(f"t{number}_{i}") for i in range(300)]
            return {"tools": tools, "nextCursor": str(number + 1)}
        if cursor is None:
            return {"tools": self.tools[:2], "nextCursor": "rest", **modern}
        return {"tools": self.tools[2:], **modern}

    def call(self, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        name, given = params["name"], params.get("arguments", {})
        token = params.get("_meta", {}).get("progressToken")
        if name == "add more":
            self.tools.append(tool("more"))
            yield {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        elif name == "die":
            sys.stderr.write("That was too much.\n")
            os._exit(7)
        elif name == "hang":
            return
        elif name in ("work", "many"):
            for number in range(3 if name == "work" else 2000):
                told = {"progressToken": token, "progress": number, "total": 4, "message": "on it"}
                yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}
        elif name == "refuse":
            yield {"error": {"code": given.get("code", -32602), "message": "Not like this."}}
            return
        text = json.dumps(dict(os.environ) if name == "environment" else given)
        said = {"content": [{"type": "text", "text": text}], "isError": name == "fail"}
        yield {"result": said | ({"resultType": "complete"} if self.manner == "modern" else {})}


CACHED = {"ttlMs": 0, "cacheScope": "private"}


def note(what: str, value: object) -> None:
    """Write it down where the test looks, if it does."""
    if folder := os.environ.get("NOTES"):
        with (Path(folder) / what).open("a") as file:
            file.write(json.dumps(value) + "\n")


def main(manner: str) -> None:
    """Serve on the pipes, in a manner of one's own."""
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("pids", os.getpid())
    time.sleep(float(os.environ.get("LATE", "0")))
    if manner == "family":
        note("pids", subprocess.Popen(["sleep", "600"]).pid)
    elif manner == "exit":
        sys.exit("There is nothing here.")
    elif manner == "deaf":
        os.close(0)
    elif manner == "banner":
        write("Welcome!\n\n{}\n")
    end = {"garbage": "\n", "long line": ""}.get(manner)
    while end is not None:
        write(f"{'All work and no play. ' * 3000}{end}")
    if manner in ("silent", "stubborn", "deaf"):
        time.sleep(600)
    script = Script(manner)
    for line in sys.stdin:
        for message in script.answers(json.loads(line)):
            write(f"{json.dumps(message)}\n")


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def over_http(manner: str = "") -> Generator[tuple[str, list[dict[str, str]]]]:
    """Serve in a thread; yield the URL and the headers of each request that came.

    It forgets its sessions when the manner is `forgetful`, after the first call, and lets nobody
    in when it is `closed`. It opens no stream of its own, and says so in an unusual way.
    """
    script, heads, sessions = Script(manner), list[dict[str, str]](), ["1"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heads.append({key.lower(): value for key, value in self.headers.items()})
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if manner == "closed":
                self.answer(401, b"")
                return
            if message["method"] == "initialize":
                sessions.append(str(len(sessions) + 1))
            elif heads[-1].get("mcp-session-id") != sessions[-1]:
                self.answer(404, b"")
                return
            answers = list(script.answers(message))
            body = json.dumps(answers[-1]).encode() if answers else b""
            self.answer(200 if answers else 202, body)
            if manner == "forgetful" and message["method"] == "tools/call" and len(sessions) == 2:
                sessions.append("another")

        def do_GET(self) -> None:
            self.answer(404, b"")

        def do_DELETE(self) -> None:
            heads.append({"method": "DELETE"})
            self.answer(200, b"")

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("mcp-session-id", sessions[-1])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/mcp", heads
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
