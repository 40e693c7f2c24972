"""What must come of every fault of the fake server: for whole answers, and for streams.

The stateless and the memory bot ask for whole answers, the streaming bot for streams.
The bots offer no tool, so a model that calls one asks for what nobody can do, unless they are
tried with one; the programs offer some by themselves.

Where two readings are possible, the more telling one holds:

- What a server says of its failure decides, wherever it says it: an error object with status 200,
  or in a stream, is the error it names, and status 500 is one whatever its body looks like.
- A body that is shorter than its length is a lost connection, as any other that breaks off.
- A whole answer to a stream's request is an answer; some servers know no streams.
- Nothing at all, ended properly, is no interrupted answer: it was none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from chatbots.testing.faults.chunks import HARD_TEXT

TEXT: Final = "One two three four five six."
"""What the server would answer if nothing went wrong, in six pieces."""
HALF: Final = "One two three"
"""The three pieces before it breaks off."""
MIB: Final = 1024 * 1024

COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"

EXIT: Final[Mapping[str, int]] = {COMPLETED: 0, INCOMPLETE: 1, FAILED: 1, INTERRUPTED: 1}
"""The exit status of a program, by how the turn ended, as its `--help` says."""


class Outcome(NamedTuple):
    """How a turn ends.

    `code` is the error's code, or the reason of an end that is none.
    `text` is what the user keeps; with `and_more`, some text after it too.
    `requests` counts what the server was asked: 1, and the retries.
    """

    state: str
    code: str
    text: str = ""
    requests: int = 1
    and_more: bool = False


class Row(NamedTuple):
    """A fault as it is written, with its number, and what comes of it."""

    fault: str
    whole: Outcome
    stream: Outcome
    offered: Outcome | None = None
    """Where tools were offered, and that makes a difference."""

    @property
    def name(self) -> str:
        """The fault's name without its number."""
        return self.fault.partition(":")[0]


def good(text: str = TEXT, reason: str = "stop") -> Outcome:
    """Nothing is to be seen of the fault."""
    return Outcome(COMPLETED, reason, text)


def cut(reason: str, text: str = TEXT) -> Outcome:
    """A limit or a filter ended it, and that is said."""
    return Outcome(INCOMPLETE, reason, text)


def failed(code: str, requests: int = 1) -> Outcome:
    """Nothing was shown; it was asked so often."""
    return Outcome(FAILED, code, "", requests)


def broken(code: str, text: str = HALF, *, and_more: bool = False) -> Outcome:
    """Something was shown: it is kept, and nothing is asked again."""
    return Outcome(INTERRUPTED, code, text, and_more=and_more)


UNREACHABLE: Final = failed("upstream_unreachable", 3)
SERVER_ERROR: Final = failed("upstream_error", 3)
SENSELESS: Final = failed("upstream_bad_response", 2)
LIMITED: Final = failed("rate_limited", 3)
NOT_BEGUN: Final = failed("upstream_timeout", 2)
"""No first token in time, twice."""
TURN_OVER: Final = failed("upstream_timeout")
"""The whole turn's deadline: a whole answer has none for its first token."""
LOST: Final = failed("stream_interrupted", 3)
NOT_OFFERED: Final = failed("upstream_bad_response")
"""A tool is called that nobody offered; what the model wants, it wants again."""
BROKE_OFF: Final = broken("stream_interrupted")

SAME: Final[Mapping[str, Outcome]] = {
    "ok": good(),
    "reset": UNREACHABLE, "close-empty": UNREACHABLE, "bad-status-line": UNREACHABLE,
    "400": failed("invalid_request"), "413": failed("invalid_request"),
    "422": failed("invalid_request"),
    "400-context": failed("context_too_long"),
    "401": failed("upstream_auth"), "403": failed("upstream_auth"),
    "404": failed("model_not_available"),
    "408": SERVER_ERROR, "409": SERVER_ERROR, "500": SERVER_ERROR, "502": SERVER_ERROR,
    "503": SERVER_ERROR, "529": SERVER_ERROR,
    "503-noretry": failed("upstream_error"),
    "429": LIMITED, "429-bad": LIMITED, "429-neg": LIMITED,
    "429-s:0.1": LIMITED, "429-ms:100": LIMITED, "429-date:1": LIMITED,
    "429-huge": failed("rate_limited"),
    "429-quota": failed("quota_exhausted"),
    "empty-body": SENSELESS, "html-200": SENSELESS,
    "json-error": SERVER_ERROR, "json-empty": SENSELESS, "json-array": SENSELESS,
    "json-null": SENSELESS, "json-string": SENSELESS, "json-truncated": SENSELESS,
    "err-nonjson": SERVER_ERROR, "err-deep": SERVER_ERROR,
    "huge-header": SENSELESS, "gzip-bomb:40": SENSELESS, "smuggle": SENSELESS,
    "redirect": failed("upstream_bad_response"), "redirect-loop": failed("upstream_bad_response"),
    "slow-drip:0.1": good(),
    "split-bytes": good(), "split-utf8": good(), "one-packet": good(), "crlf": good(),
    "cr": good(), "mixed-eol": good(), "comments": good(), "multi-line-data": good(),
    "bom": good(), "no-space": good(), "id-retry-fields": good(),
    "no-done": good(), "double-done": good(), "data-after-done": good(), "finish-twice": good(),
    "finish-unknown": good(reason="out_of_ideas"),
    "finish-length": cut("length"), "finish-content-filter": cut("content_filter"),
    "usage-null": good(), "role-repeat": good(), "unknown-fields": good(), "reasoning": good(),
    "refusal": good(reason="refusal"), "n2": good(),
    "unicode": good(TEXT + HARD_TEXT), "lone-surrogate": good(TEXT + "\ufffd"),
    "tool-split": NOT_OFFERED, "tool-interleaved": NOT_OFFERED, "tool-no-id": NOT_OFFERED,
    "tool-invalid-json": NOT_OFFERED, "tool-unknown": NOT_OFFERED, "tool-huge-args": NOT_OFFERED,
    "tool-loop": NOT_OFFERED, "tool-bomb": NOT_OFFERED,
    "tool-then-text": good(reason="tool_calls"),
    "tool-truncated": cut("length", ""),
}  # fmt: skip
"""What comes of a fault, whichever way the answer is asked for."""

EITHER: Final[Mapping[str, tuple[Outcome, Outcome]]] = {
    "hang": (TURN_OVER, NOT_BEGUN),
    "headers-only": (TURN_OVER, NOT_BEGUN),
    "slow-headers:0.1": (TURN_OVER, NOT_BEGUN),
    "slow-first-byte": (TURN_OVER, NOT_BEGUN),
    "json-unstreamed": (SENSELESS, good()),
    "short-body": (LOST, broken("stream_interrupted", "One", and_more=True)),
    "midstream-disconnect": (LOST, BROKE_OFF),
    "midstream-reset": (LOST, BROKE_OFF),
    "midstream-eof": (SENSELESS, BROKE_OFF),
    "midstream-500-text": (SENSELESS, BROKE_OFF),
    "midstream-stall": (TURN_OVER, broken("stream_stalled")),
    "keepalive-forever": (TURN_OVER, broken("stream_stalled")),
    "midstream-error": (SENSELESS, broken("upstream_error")),
    "midstream-error-event": (SENSELESS, broken("upstream_error")),
    "endless": (TURN_OVER, broken("upstream_timeout", TEXT, and_more=True)),
    "finish-missing": (SENSELESS, broken("stream_interrupted", TEXT)),
    "huge-line": (good(TEXT + "x" * 2 * MIB), broken("upstream_bad_response", TEXT)),
    "invalid-json": (SENSELESS, broken("stream_interrupted", "One")),
    "invalid-utf8": (SENSELESS, broken("stream_interrupted", "One")),
    "non-object": (SENSELESS, broken("stream_interrupted", "One")),
    "deep-json": (SENSELESS, broken("stream_interrupted", "One")),
    "null-choices": (SENSELESS, good()),
    "missing-choices": (SENSELESS, good()),
    "empty-choices": (SENSELESS, good()),
    "usage-only": (SENSELESS, good()),
    "delta-null": (SENSELESS, good()),
    "delta-missing": (SENSELESS, good()),
    "content-null": (SENSELESS, good()),
    "empty-delta": (SENSELESS, good()),
}
"""What comes of a fault, where a whole answer, and where a stream was asked for."""

CALLED: Final = good()._replace(requests=2)
"""The call was run, or the model was told what is wrong with it; then it answers."""
NO_END: Final = cut("tool_limit", "")

OFFERED: Final[Mapping[str, Outcome]] = {
    "tool-split": CALLED, "tool-interleaved": CALLED, "tool-no-id": CALLED,
    "tool-invalid-json": CALLED, "tool-unknown": CALLED, "tool-huge-args": CALLED,
    "tool-then-text": CALLED._replace(text=TEXT * 2),
    "tool-truncated": cut("length", ""),
    # Eight rounds, and the call that would begin another.
    "tool-loop": NO_END._replace(requests=9),
    "tool-bomb": NO_END, "tool-bomb:16": CALLED,
}  # fmt: skip
"""What comes of a call of a tool where tools are offered, whichever way the answer is asked for."""

QUOTED: Final[Mapping[str, tuple[Outcome, Outcome]]] = {
    "quoted-401": (failed("upstream_auth"), failed("upstream_auth")),
    "quoted-500": (SERVER_ERROR, SERVER_ERROR),
    "quoted-text": (SERVER_ERROR, SERVER_ERROR),
    "quoted-redirect": (failed("upstream_bad_response"), failed("upstream_bad_response")),
    "quoted-status-line": (UNREACHABLE, UNREACHABLE),
    "quoted-in-200": (SERVER_ERROR, SERVER_ERROR),
    "quoted-in-json": (SENSELESS, SENSELESS),
    "quoted-midstream": (SERVER_ERROR, broken("upstream_error", "One")),
}
"""What comes of a server that quotes the key in what it says about its failure."""

NO_SERVER: Final[Mapping[str, Outcome]] = {
    "refused": failed("upstream_unreachable", 0),
    "certificate": failed("upstream_tls", 0),
}
"""What comes of a server that is not reached, so that it counts no request."""


def rows() -> Iterator[Row]:
    """Yield the table: a row for each fault of the fake server."""
    for fault, outcome in SAME.items():
        yield Row(fault, outcome, outcome, OFFERED.get(fault))
    for fault, (whole, stream) in EITHER.items():
        yield Row(fault, whole, stream)


def more_rows() -> Iterator[Row]:
    """Yield what the fake server has no name for, and as many calls as an answer may have."""
    yield Row("tool-bomb:16", NOT_OFFERED, NOT_OFFERED, OFFERED["tool-bomb:16"])
    for fault, (whole, stream) in QUOTED.items():
        yield Row(fault, whole, stream)
    for fault, outcome in NO_SERVER.items():
        yield Row(fault, outcome, outcome)
    for row in rows():
        # What is asked again is answered the second time.
        if row.whole.requests > 1 and row.stream.requests > 1:
            yield Row(f"{row.fault},ok", again(row.whole), again(row.stream))


def again(outcome: Outcome) -> Outcome:
    """Say what comes of a fault that is over at the next request."""
    return good()._replace(requests=2) if outcome.requests > 1 else outcome
