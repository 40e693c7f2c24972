"""What each client did, as JSON lines: `--log FILE`."""

from __future__ import annotations

from typing import BinaryIO, cast

import msgspec

from chatbots.testing.bodies import Json
from chatbots.testing.calls import Call


def entry(call: Call) -> Json:
    """Return what is worth knowing of a *call* that is over; no header is in it, so no key.

    `read_on` tells whether the client was still there when bytes followed what was wrong;
    it is null where nothing followed.
    """
    moments = call.moments
    followed = moments.struck is not None and call.sent_bytes > moments.struck_at_byte
    asked = _asked(call)
    return {
        "call": call.number,
        "connection": call.connection,
        "request": f"{call.method} {call.path}",
        "request_bytes": len(call.body),
        "model": asked.get("model"),
        "stream": bool(asked.get("stream")),
        "fault": call.fault or None,
        "fault_after": moments.after(moments.struck) if call.fault else None,
        "sent_bytes": call.sent_bytes,
        "sent_pieces": call.sent_chunks,
        "finished": call.finished is not None,
        "hung_up_after": moments.after(moments.hung_up),
        "read_on": not call.hung_up if call.fault and followed else None,
    }


def _asked(call: Call) -> Json:
    try:
        body = call.json
    except ValueError:
        return {}
    return cast("Json", body) if isinstance(body, dict) else {}


class Log:
    """Writes a line for each call to a *file*, at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __call__(self, call: Call) -> None:
        """Write down a call that is over."""
        self._file.write(msgspec.json.encode(entry(call)) + b"\n")
        self._file.flush()
