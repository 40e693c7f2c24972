"""One client that abuses the server until it is ended: `python -m bench.abuser KIND PORT TOKEN`.

It is in a hurry and reads no answers, so it speaks WebSocket by hand (RFC 6455, section 5.2).
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

AT_ONCE: Final = 20
"""Sockets of one user."""
CONNECTIONS: Final = 400
STAY: Final = 20
"""Seconds that who does not read stays; the server cuts it after 30."""
PATIENCE: Final = 0.05
"""Seconds that a server which does not take more is waited for."""

ENDLESS: Final = {"model": "burst:100000000", "messages": [{"role": "user", "content": "Hi"}]}


def framed(payload: bytes) -> bytes:
    """Return a text frame; the mask is zero, which changes nothing."""
    size = len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 1 << 16:
        head = b"\x81\xfe" + struct.pack("!H", size)
    else:
        head = b"\x81\xff" + struct.pack("!Q", size)
    return head + b"\0\0\0\0" + payload


def asked(kind: str, payload: object, request_id: str = "r1") -> bytes:
    """Return a frame that asks for something."""
    return framed(json.dumps({"type": kind, "request_id": request_id, "payload": payload}).encode())


def handshake(token: str) -> bytes:
    """Return what opens a socket."""
    return (
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def connected(port: int, first: bytes = b"") -> socket.socket:
    """Connect, and send what comes *first*."""
    here = socket.create_connection(("127.0.0.1", port), timeout=5)
    here.sendall(first)
    return here


def entered(port: int, token: str) -> socket.socket:
    """Open a socket, and wait until one is let in (RFC 6455, section 4.1)."""
    here = connected(port, handshake(token))
    while b"\r\n\r\n" not in here.recv(1 << 16, socket.MSG_PEEK):
        pass
    return here


def repeating(frames: bytes) -> Callable[[int, str], None]:
    """Return who sends *frames* over one socket as fast as it takes them, and reads along."""

    def abuse(port: int, token: str) -> None:
        rest = b""
        with entered(port, token) as here:
            here.setblocking(False)
            while True:
                rest = rest or frames
                can_read, can_send, _ = select.select([here], [here], [], PATIENCE)
                if can_read and not here.recv(1 << 20):
                    return
                if can_send:
                    rest = rest[here.send(rest) :]

    return abuse


def strangers(port: int, _: str) -> None:
    """Knock with a wrong token, again and again."""
    while True:
        with connected(port, handshake("cb_00000000_x")) as here:
            here.recv(1 << 16)


def silent(port: int, _: str) -> None:
    """Hold connections that say nothing; make another for each that is hung up on."""
    held = [connected(port) for _ in range(CONNECTIONS)]
    while True:
        ready, *_others = select.select(held, [], [], 1)
        for hung_up in ready:
            held.remove(hung_up)
            hung_up.close()
            held.append(connected(port))


def readers(port: int, token: str) -> None:
    """Ask for answers without end on every socket there may be, read none, and stay."""
    while True:
        with suppress(OSError):
            held = [entered(port, token) for _ in range(AT_ONCE)]
            for here in held:
                here.sendall(asked("chat_completion_stream", ENDLESS))
            time.sleep(STAY)
            for here in held:
                here.close()


def many(number: int) -> Iterator[bytes]:
    """Yield requests that each need an answer of the model."""
    for count in range(number):
        payload = {**ENDLESS, "model": "burst:50"}
        yield asked("chat_completion_stream", payload, f"r{count}-{os.urandom(4).hex()}")


KINDS: Final[dict[str, Callable[[int, str], None]]] = {
    "pings": repeating(asked("ping", {}) * 500),
    "pings below": repeating(b"\x89\x80\0\0\0\0" * 5000),  # RFC 6455, section 5.5.2
    "pongs below": repeating(b"\x8a\x80\0\0\0\0" * 5000),
    "fragments": repeating(b"\x01\x80\0\0\0\0" + b"\x00\x81\0\0\0\0x" * 5000 + b"\x80\x80\0\0\0\0"),
    "nonsense": repeating(framed(b"nonsense") * 500),
    "large frames": repeating(
        framed(b'{"type":"ping","request_id":"r1","payload":"%b"}' % (b"x" * 900_000))
    ),
    "requests": repeating(b"".join(many(500))),
    "strangers": strangers,
    "silent": silent,
    "readers": readers,
}


if __name__ == "__main__":
    kind, port, token = sys.argv[1:]
    while True:
        with suppress(OSError):
            KINDS[kind](int(port), token)
        time.sleep(PATIENCE)
