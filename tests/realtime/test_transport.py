"""A transport made for the test keeps the promises of all."""

from __future__ import annotations

from chatbots.realtime.transport import HandshakeResponse, Limits, WebSocketDialer
from chatbots.testing import WebSocketTransportContract
from tests.realtime.tiny_transport import TinyDialer


class TestTransportOfOnesOwn(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return TinyDialer(limits)


def test_a_frame_may_be_as_large_as_the_largest_that_openai_sends() -> None:
    assert Limits().message == 16 * 1024 * 1024


def test_a_socket_is_closed_within_the_two_seconds_of_a_program() -> None:
    assert Limits().close < 2


def test_what_the_server_answered_is_a_value() -> None:
    assert HandshakeResponse(101, {"a": "b"}) == HandshakeResponse(101, {"a": "b"})
