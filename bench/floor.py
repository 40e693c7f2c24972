"""The floor: what Linux and Python cost before anybody understands a byte.

A bare epoll loop reads every socket and counts the tokens in what it read.
"""

from __future__ import annotations

import select
import socket
from urllib.parse import urlsplit

from bench.watch import Watch


def read(url: str, model: str, streams: int, watch: Watch) -> None:
    """Read *streams* answers at once."""
    where = urlsplit(url)
    body = b'{"model":"%s"}' % model.encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for _ in range(streams):
        one = socket.create_connection((where.hostname or "", where.port or 80))
        one.setblocking(False)
        poll.register(one.fileno(), select.EPOLLIN)
        sockets[one.fileno()] = one
    for one in sockets.values():
        one.send(head % len(body) + body)
    open_streams = streams
    while open_streams:
        for number, _ in poll.poll():
            data = sockets[number].recv(65536)
            tokens = data.count(b'"content"')
            if tokens:
                watch.count(tokens)
            if b"[DONE]" in data:
                open_streams -= 1
    for one in sockets.values():
        one.close()
