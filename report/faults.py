"""Which faults are tried, and what a client one can trust does under each.

The names are those of docs/fake-server.md.
Left out are the faults of tool calls and the refusal, which are no answer in text;
`endless`, where any reader reads on; and `slow-first-byte`, which is `hang` to a client that
does not wait a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from chatbots.testing.faults.chunks import HARD_TEXT, MIB
from report.scoring import Must

ANSWER: Final = (
    "Rivers begin small: a spring, some snow, rain on a hill. "
    "They end at the sea, o\u00f9 tout s\u2019arr\u00eate, where nobody can say \U0001f30a "
    "which drop was whose. That is all."
)
OWN: Final[dict[str, int]] = {"401-echo": 401, "500-echo": 500}
"""Faults that only the report has: an error with this status that repeats the key in full."""


class Tried(NamedTuple):
    """A fault as the fake server takes it, and what a client must do.

    *endings*: what may follow the answer's text where the fault adds to it.
    """

    spec: str
    must: Must
    endings: tuple[str, ...] = ("",)

    @property
    def whole(self) -> tuple[str, ...]:
        """The texts that are the whole answer."""
        return tuple(ANSWER + ending for ending in self.endings)


IN_THE_STREAM: Final = {
    Must.ERROR: """
        midstream-disconnect midstream-reset midstream-eof midstream-500-text midstream-stall
        keepalive-forever midstream-error midstream-error-event finish-missing
        invalid-json invalid-utf8 non-object deep-json
    """,
    Must.REASON: "finish-length finish-content-filter",
    Must.ANSWER: """
        ok slow-drip:0.05 split-bytes split-utf8 one-packet crlf cr mixed-eol comments
        multi-line-data bom no-space id-retry-fields no-done double-done data-after-done
        finish-twice finish-unknown null-choices missing-choices empty-choices usage-only
        usage-null delta-null delta-missing content-null empty-delta role-repeat unknown-fields
        reasoning n2 unicode lone-surrogate
    """,
    Must.EITHER: "huge-line",
}
BEFORE_THE_STREAM: Final = {
    Must.ERROR: """
        reset close-empty bad-status-line 400 400-context 401 401-echo 403 404 408 409 413 422
        429 429-s 429-huge 429-quota 500 500-echo 502 503 503-noretry 529
        hang headers-only slow-headers empty-body html-200
        json-error json-empty json-array json-null json-string json-truncated
        short-body err-nonjson err-deep redirect redirect-loop
    """,
    Must.EITHER: "json-unstreamed huge-header gzip-bomb:64 smuggle",
}
ENDINGS: Final = {
    "huge-line": ("x" * 2 * MIB,),
    "unicode": (HARD_TEXT,),
    # Half a pair may stay as it is, or become the sign for what cannot be shown.
    "lone-surrogate": ("\ud83d", "\ufffd", "\\ud83d", ""),
}


def tried(table: dict[Must, str]) -> Iterator[Tried]:
    """Read one of the two tables."""
    for must, specs in table.items():
        for spec in specs.split():
            yield Tried(spec, must, ENDINGS.get(spec, ("",)))


FAULTS: Final = (*tried(IN_THE_STREAM), *tried(BEFORE_THE_STREAM))
SMOKE: Final = ("midstream-reset", "midstream-eof", "split-utf8", "401-echo", "html-200")
"""What the smoke run tries."""
