"""A transport made for the test keeps the promises; and the suite sees when one does not."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from chatbots.realtime.transport import Limits, WebSocketDialer
from chatbots.testing.transport_contract import LIMITS, WebSocketTransportContract
from tests.realtime.tiny_transport import TinyConn, TinyDialer


class TestTransportOfOnesOwn(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return TinyDialer(limits)
