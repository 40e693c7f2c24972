"""An upstream that costs nothing to speak of: one thread a connection, answers encoded before.

`python -m bench.upstream CHUNKS` prints its base URL and serves until its input ends.
Every POST gets an answer of CHUNKS streamed chunks, as fast as the socket takes them, or paced
where the request's model says `paced:RATE` (chunks a second).
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def event(choice: dict[str, object] | None, **more: object) -> bytes:
    """Return one event as OpenAI writes it."""
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
        "choices": [] if choice is None else [choice],
        **more,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    """Return *data* as a chunk of HTTP/1.1."""
    return b"%x\r\n%s\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = chunk(
    event({"index": 0, "delta": {"content": " token"}, "logprobs": None, "finish_reason": None})
)
USAGE = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
END = (
    chunk(event({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}))
    + chunk(event(None, usage=USAGE))
    + chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


class Handler(BaseHTTPRequestHandler):
    """Answers every POST alike."""

    protocol_version = "HTTP/1.1"
    chunks = 0

    def do_POST(self) -> None:
        """Stream the answer."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind, _, rate = asked["model"].partition(":")
        self.wfile.write(HEAD)
        if kind == "paced":
            self._paced(float(rate))
        else:
            self.wfile.write(PIECE * self.chunks)
        self.wfile.write(END)

    def _paced(self, rate: float) -> None:
        begun = time.perf_counter()
        for number in range(self.chunks):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            self.wfile.write(PIECE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def main() -> None:
    """Serve until standard input ends."""
    Handler.chunks = int(sys.argv[1])
    socketserver.TCPServer.request_queue_size = 1024
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
