"""What a good client waits beside an abuser: the frames, the numbers, the table."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from bench.abuser import KINDS, asked, framed
from bench.beside import add, percentile, table
from bench.measure import Found


@contextmanager
def listening(handler: object) -> Iterator[int]:
    server: Server = serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.1)  # type: ignore[arg-type]
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["pings", "nonsense", "large frames", "requests"])
def test_what_an_abuser_sends_are_frames(kind: str) -> None:
    got: list[str | bytes] = []

    def handle(client: ServerConnection) -> None:
        got.append(client.recv())
        client.close()

    with listening(handle) as port, suppress(OSError):
        KINDS[kind](port, "token")
    assert len(got) == 1
    if kind != "nonsense":
        assert json.loads(got[0])["request_id"]


def test_a_frame_says_its_size() -> None:
    assert [framed(b"x" * size)[1] & 0x7F for size in (125, 126, 65_536)] == [125, 126, 127]
    assert b'"type": "ping"' in asked("ping", {})


def test_the_table_says_how_many_times_longer_a_good_client_waits() -> None:
    found: Found = {"alone_p50": [], "alone_p99": [], "beside_p50": [], "beside_p99": []}
    values = [float(number) for number in range(100)]
    add(found, "alone", values)
    add(found, "beside", [3 * value for value in values])
    assert percentile(values, 0.5) == 50
    assert found["alone_p99"] == [99.0]
    assert table({"pings": found}).splitlines()[-1].split() == [
        "pings", "50.0", "150.0", "99.0", "297.0", "3.00",
    ]  # fmt: skip


def test_a_knock_that_is_refused_is_no_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        KINDS["strangers"](port, "")
