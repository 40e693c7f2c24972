"""Bytes of an HTTP/1.1 answer -> its head, and its body piece by piece (RFC 9112).

Sans-I/O. llhttp (`httptools`) reads the protocol, and refuses what could be understood in two ways.
"""

from __future__ import annotations

from typing import Final

import httptools

MAX_HEAD: Final = 100 * 1024
"""Bytes the head of an answer may have; the SDK's transport takes as many."""


class NotHTTP(ValueError):
    """What came is no HTTP/1.1 answer, or one with too large a head."""


class Incoming:
    """One answer: feed it what the network read, take the `pieces` of its body.

    `status` is 0 until the head has been read; names in `headers` are in lower case.
    Interim answers (1xx) are read over.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.begun = False
        self.whole = False
        self.keep_alive = False
        # What the parser calls; the list's own method, so that a piece costs no call of Python's.
        self.on_body = self.pieces.append
        self._head_size = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Take in the next bytes; raises `NotHTTP`."""
        self.begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise NotHTTP(str(error.__context__ or error)) from error
        if not self.status:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                raise NotHTTP(f"its head has more than {MAX_HEAD:,} bytes")

    def ends(self) -> bool:
        """Tell whether the answer is whole now that the server has closed the connection."""
        bounded = "content-length" in self.headers or "transfer-encoding" in self.headers
        self.whole = self.whole or (self.status > 0 and not bounded)
        return self.whole

    def on_message_begin(self) -> None:
        """Begin to read a head; nothing may follow an answer that is whole."""
        if self.whole:
            raise NotHTTP("something follows the answer")
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field; of several with one name, all the values (RFC 9110, section 5.3)."""
        key, said = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {said}" if key in self.headers else said

    def on_headers_complete(self) -> None:
        """Know the status, unless it is an interim one."""
        status = self._parser.get_status_code()
        self.status = status if status >= 200 else 0

    def on_message_complete(self) -> None:
        """Know that the answer is whole, and whether the connection may be used again."""
        self.whole = self.status > 0
        self.keep_alive = self.whole and self._parser.should_keep_alive()
