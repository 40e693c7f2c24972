from chatbots.realtime.transport import Limits, WebSocketDialer
from chatbots.realtime.aiohttp_transport import AiohttpDialer
from chatbots.testing.transport_contract import WebSocketTransportContract


class TestAiohttp(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return AiohttpDialer(limits)
