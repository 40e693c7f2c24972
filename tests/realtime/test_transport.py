"""A transport made for the test keeps the promises of all."""

from __future__ import annotations

import pytest

from chatbots.realtime.transport import (
    HandshakeResponse,
    Limits,
    WebSocketConn,
    WebSocketDialer,
)
from chatbots.testing import WebSocketTransportContract
from examples.own_transport import TinyDialer


@pytest.mark.checklist(70, 75, 144, 145)
class TestTransportOfOnesOwn(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return TinyDialer(limits)


@pytest.mark.checklist(144, 145)
def test_a_connection_is_five_methods_and_a_dialer_one() -> None:
    methods = {name for name in vars(WebSocketConn) if not name.startswith("_")}
    assert methods == {"read_message", "write_message", "close", "response", "ping"}
    assert {name for name in vars(WebSocketDialer) if not name.startswith("_")} == {"dial"}


def test_a_frame_may_be_as_large_as_the_largest_that_openai_sends() -> None:
    assert Limits().message == 16 * 1024 * 1024


def test_a_socket_is_closed_within_the_two_seconds_of_a_program() -> None:
    assert Limits().close < 2


def test_what_the_server_answered_is_a_value() -> None:
    assert HandshakeResponse(101, {"a": "b"}) == HandshakeResponse(101, {"a": "b"})
