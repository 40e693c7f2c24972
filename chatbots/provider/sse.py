"""Bytes of an event stream -> the data of its events (WHATWG HTML 9.2, server-sent events).

Sans-I/O, and indifferent to how the bytes were split: between the bytes of a character, between
CR and LF, anywhere. Only `data` matters to this protocol; `event`, `id` and `retry` are read over.
"""

from __future__ import annotations

import re
from typing import Final

MAX_EVENT: Final = 1024 * 1024
"""Bytes one event may have."""

LF: Final = 10
CR: Final = 13
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """One event has more bytes than the decoder takes."""


class EventDecoder:
    """Feed it bytes, get the data of every event that is whole.

    Raises `EventTooLarge` beyond *max_event* bytes; an unfinished last event is never given out.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._at_start = True
        self._within = True  # the beginning, or an event: what comes belongs to what came

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that *chunk* completes, in order."""
        if chunk[:6] == b"data: " and chunk[-2:] == b"\n\n" and not self._within:
            # One event and nothing else: what a server sends that streams token by token.
            data = chunk[6:-2]
            # Numbers: looking for a piece of bytes costs twice what decoding the event does.
            if LF not in data and CR not in data and len(data) < self._max_event:
                return [data]
        return self._feed(chunk)

    def _feed(self, chunk: bytes) -> list[bytes]:
        self._rest = self._rest + chunk if self._rest else chunk
        if self._at_start and not self._skip_bom():
            return []
        events: list[bytes] = []
        data = self._data
        for line in self._lines():
            if line.startswith(b"data:") or line == b"data":
                # One space after the colon belongs to neither.
                value = line[6:] if line.startswith(b"data: ") else line[5:]
                data.append(value)
                self._size += len(value) + 1
                if self._size > self._max_event:
                    break
            elif not line and data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._size = 0
        if self._size + len(self._rest) > self._max_event:
            raise EventTooLarge(f"An event has more than {self._max_event:,} bytes.")
        self._within = bool(self._rest or data)
        return events

    def _skip_bom(self) -> bool:
        """Drop a leading byte order mark; False while it could still be one."""
        if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
            return False
        self._rest = self._rest.removeprefix(_BOM)
        self._at_start = False
        return True

    def _lines(self) -> list[bytes]:
        """Take the whole lines out of what is there, without their ends."""
        held = self._rest
        if b"\r" not in held:
            *lines, self._rest = held.split(b"\n")
            return lines
        # A CR at the very end may be the first half of a CRLF: it waits for the next byte.
        usable = len(held) - 1 if held.endswith(b"\r") else len(held)
        *lines, rest = _LINE_END.split(held[:usable])
        self._rest = rest + held[usable:]
        return lines
