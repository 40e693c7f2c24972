"""Every way to abuse the server that is tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from tests.abuse import entering, flooding, framing, leaking, sharing

Case: TypeAlias = Callable[[], Awaitable[list[str]]]
"""Tries something, and returns what it got that it should not have, a line each."""

SLOW: Final = frozenset(
    {"every_field", "open_to_strangers", "the_keys", "anothers_session", "spent_quota",
     "foreign_pages", "a_writer_that_never_reads", "requests_without_end"}
)  # fmt: skip
"""Those that take long: the fast suite leaves them out."""

CASES: Final[Mapping[str, Case]] = {
    case.__name__: case
    for case in (
        entering.no_valid_token,
        entering.revoked_while_open,
        entering.foreign_pages,
        entering.rebound_names,
        entering.pages_without_the_token,
        entering.compression,
        entering.strangers_ask_about_it,
        sharing.anothers_session,
        sharing.anothers_request,
        sharing.private_tools,
        framing.no_requests,
        framing.every_field,
        framing.broken_frames,
        framing.fragments_without_end,
        flooding.many_in_one_write,
        flooding.too_many_messages,
        flooding.too_many_sockets,
        flooding.too_many_turns,
        flooding.spent_quota,
        flooding.half_open,
        flooding.a_socket_that_is_dead,
        flooding.a_reader_that_stops,
        flooding.a_writer_that_never_reads,
        flooding.requests_without_end,
        flooding.vanishing,
        flooding.tool_loops,
        leaking.open_to_strangers,
        leaking.the_keys,
    )
}
