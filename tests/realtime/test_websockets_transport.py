from chatbots.realtime.transport import Limits, WebSocketDialer
from chatbots.realtime.websockets_transport import WebSocketsDialer
from chatbots.testing.transport_contract import WebSocketTransportContract


class TestWebSockets(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return WebSocketsDialer(limits)
