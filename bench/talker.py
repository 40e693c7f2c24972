"""A realtime server that talks as fast as it is read, or hears audio; prints its port.

What it does is said by the model's name: `text:N` and `audio:N` are responses of N pieces,
`paced:N:RATE` one of N pieces, RATE each second; `sink` reads whatever comes.
One socket at a time, and nothing is understood but the handshake.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Iterator
from itertools import islice
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.http11 import Request
from websockets.server import ServerProtocol

OF = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
AUDIO = b64encode(bytes(range(240)) * 20).decode()
"""100 ms of it: 24 kHz, 16 bits."""


def frame(kind: str, number: int, **fields: object) -> bytes:
    """Return an event as a WebSocket frame."""
    said = msgspec.json.encode({"type": kind, "event_id": f"event_{number:021}", **fields})
    size = len(said)
    return (bytes((0x81, size)) if size < 126 else struct.pack("!BBH", 0x81, 126, size)) + said


def opening() -> bytes:
    """Return the session, as the server says it is."""
    return frame("session.created", 0, session={"type": "realtime", "id": "sess_1"})


def answer(kind: str, pieces: int) -> Iterator[bytes]:
    """Yield the frames of a response."""
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    response = {"id": "resp_1", "object": "realtime.response", "status": "in_progress"}
    yield frame("response.created", 1, response=response)
    yield frame("response.output_item.added", 2, item=item, response_id="resp_1", output_index=0)
    for number in range(pieces):
        if kind == "audio":
            yield frame("response.output_audio.delta", number + 3, delta=AUDIO, **OF)
        else:
            yield frame("response.output_text.delta", number + 3, delta=" word", **OF)
    yield frame("response.done", pieces + 3, response={**response, "status": "completed"})


def accept(one: socket.socket) -> list[str]:
    """Do the handshake; return the words of the model's name."""
    protocol = ServerProtocol()
    while True:
        protocol.receive_data(one.recv(65536))
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
                one.sendall(b"".join(protocol.data_to_send()))
                return parse_qs(urlsplit(event.path).query)["model"][0].split(":")


def paced(one: socket.socket, frames: Iterator[bytes], rate: int) -> None:
    """Send so many frames each second."""
    begun = time.perf_counter()
    for number, said in enumerate(frames):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        one.sendall(said)


def serve(one: socket.socket) -> None:
    """Do with a socket what its model says."""
    kind, *numbers = accept(one)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sendall(opening())
    if kind != "sink":
        one.recv(65536)  # the request
        said = answer(kind, int(numbers[0]))
        if kind == "paced":
            paced(one, said, int(numbers[1]))
        else:
            while many := b"".join(islice(said, 500)):
                one.sendall(many)
    hear(one)


def hear(one: socket.socket) -> None:
    """Read frames until one closes the connection, and answer that: clients wait for it."""
    with one.makefile("rb") as frames:
        while len(head := frames.read(2)) == 2:
            size = head[1] & 0x7F
            if size > 125:
                wide = "!H" if size == 126 else "!Q"
                size = struct.unpack(wide, frames.read(struct.calcsize(wide)))[0]
            frames.read(4 + size)  # the mask comes first
            if head[0] == 0x88:
                one.sendall(struct.pack("!BBH", 0x88, 2, 1000))
                return


def main() -> None:
    """Serve for as long as there is somebody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            one, _ = server.accept()
            with one, contextlib.suppress(OSError):
                serve(one)


if __name__ == "__main__":
    main()
