"""Each way a socket fails has its error, and its own words."""

from __future__ import annotations

import socket
import ssl

import pytest

from chatbots.errors import ChatError
from chatbots.realtime.failures import Peer

KEY = "canary-0123456789"
PEER = Peer.at("wss://HOST:1/v1/realtime?model=m", {"authorization": f"Bearer {KEY}"})


def refused(status: int, body: str = "", **headers: str) -> ChatError:
    return PEER.refused(status, headers, body.encode())


def body(code: str, message: str = "So it is.") -> str:
    return f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'


def certificate() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "no")
    error.verify_message = "self-signed certificate"
    return error


# fmt: off
# ruff: noqa: E501 - a table
WAYS = [
    (refused(400), "invalid_request", False, "refuses the session as it was asked for (status 400)"),
    (refused(401, body("invalid_api_key")), "upstream_auth", False, "refuses the key: So it is"),
    (refused(403), "upstream_auth", False, "does not allow this key to do that (status 403)"),
    (refused(404, "<html>no</html>"), "model_not_available", False, "no such path (status 404)."),
    (refused(407), "upstream_unreachable", True, "wants a password"),
    (refused(418, "tea"), "invalid_request", False, ": tea (status 418)"),
    (refused(429), "rate_limited", True, "asks to slow down"),
    (refused(429, body("insufficient_quota")), "quota_exhausted", False, "no credit left"),
    (refused(500), "upstream_error", True, "failed to open the session"),
    (refused(307), "upstream_bad_response", False, "opens no socket there (status 307)"),
    (refused(200, "[]"), "upstream_bad_response", False, "opens no socket there"),
    (PEER.closed(1000), "stream_interrupted", True, "has ended the session (code 1000)"),
    (PEER.closed(1001), "stream_interrupted", True, "is going away, or"),
    (PEER.closed(1001, "maximum duration of 60 minutes."), "stream_interrupted", True, "session expire"),
    (PEER.closed(1002), "upstream_bad_response", True, "protocol was broken"),
    (PEER.closed(1005), "stream_interrupted", True, "did not say why"),
    (PEER.closed(1006), "stream_interrupted", True, "dropped the connection."),
    (PEER.closed(1007), "invalid_request", False, "could not read"),
    (PEER.closed(1008, "no"), "invalid_request", False, "policy: no (code 1008)"),
    (PEER.closed(1009), "invalid_request", False, "too large for HOST:1"),
    (PEER.closed(1011), "upstream_error", True, "in the middle"),
    (PEER.closed(1012), "upstream_error", True, "being restarted"),
    (PEER.closed(1013), "upstream_error", True, "cannot take a session now"),
    (PEER.closed(3000), "upstream_auth", False, "refuses the key"),
    (PEER.closed(4000, "beta_api_shape_disabled"), "invalid_setting", False, "the beta dialect"),
    (PEER.closed(4321), "upstream_error", True, "has ended the session (code 4321)"),
    (PEER.failed(1009), "upstream_bad_response", True, "larger than is taken"),
    (PEER.failed(1011), "stream_stalled", True, "no sign of life"),
    (PEER.failed(1002, "rsv"), "upstream_bad_response", True, "makes no sense: rsv (code 1002)"),
    (PEER.unreachable(ConnectionRefusedError(111, "refused")), "upstream_unreachable", True, "No co"),
    (PEER.unreachable(socket.gaierror(-2, "?")), "upstream_unreachable", True, "not known."),
    (PEER.unreachable(TimeoutError()), "upstream_timeout", True, "did not open the session in time"),
    (PEER.unreachable(certificate()), "upstream_tls", False, "is refused: self-signed certificate"),
    (PEER.unreachable(ssl.SSLError(1, "[SSL] wrong")), "upstream_tls", False, "No TLS with HOST:1"),
    (PEER.senseless("bad accept"), "upstream_bad_response", True, "no WebSocket server: bad accept."),
    (PEER.stuck(10.0), "stream_stalled", True, "for 10 seconds."),
    (PEER.proxied("http://u:p@proxy:1", "407"), "upstream_unreachable", True, "The proxy proxy leads"),
]
# fmt: on


@pytest.mark.checklist(118)
@pytest.mark.parametrize(("error", "code", "retryable", "words"), WAYS)
def test_a_way_to_fail_has_its_error(
    error: ChatError, code: str, retryable: bool, words: str
) -> None:
    assert (error.code, error.retryable) == (code, retryable)
    assert words in error.message
    assert "HOST:1" in error.message


def test_no_two_ways_are_told_in_the_same_words() -> None:
    messages = [error.message for error, *_ in WAYS]
    assert len(set(messages)) == len(messages)


def test_a_server_that_repeats_the_key_is_quoted_without_it() -> None:
    for error in (refused(401, f"No {KEY} here"), PEER.closed(3000, KEY), PEER.failed(1002, KEY)):
        assert KEY not in str(error)
    assert "No " in refused(401, f"No {KEY} here").message


def test_what_is_said_ends_with_one_mark() -> None:
    assert PEER.told("server_error", "Sorry about that!").message.endswith("about that!")
    assert PEER.told("server_error", "Sorry about that.").message.endswith("about that.")


def test_what_is_said_at_length_is_cut() -> None:
    assert len(refused(500, "x" * 9999).message) < 400


def test_the_time_to_wait_is_passed_on_where_there_is_one() -> None:
    assert PEER.refused(429, {"retry-after": "7"}, b"").retry_after == 7
    assert PEER.refused(429, {"retry-after": "soon"}, b"").retry_after is None


class Frame:
    def __init__(self, code: int) -> None:
        self.code, self.reason = code, ""


def test_who_closed_first_is_to_blame() -> None:
    theirs, ours = Frame(1011), Frame(1009)
    assert PEER.ended(theirs, ours, theirs_first=True).code == "upstream_error"
    assert PEER.ended(theirs, None, theirs_first=None).code == "upstream_error"
    assert PEER.ended(theirs, ours, theirs_first=False).code == "upstream_bad_response"
    assert PEER.ended(None, ours, theirs_first=None).code == "upstream_bad_response"
    assert PEER.ended(None, None, theirs_first=None).message.startswith("HOST:1 dropped")
