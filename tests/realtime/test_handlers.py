from __future__ import annotations

import pytest
import structlog

from chatbots.errors import ProviderError
from chatbots.realtime.audience import Audience
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.responses import ResponseDone
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.handlers import Handlers, Said
from chatbots.wakeup import Wakeup
from tests.realtime.said import done, text

STRANGE = UnknownEvent("new", b'{"type": "new"}', "new")
SAID: list[Said] = [text("Hi"), STRANGE, done()]


async def run(handlers: Handlers, error: ProviderError | None = None) -> None:
    audience = Audience[Said](Wakeup())
    stream = audience.join()
    audience.tell(SAID, 1)
    audience.end(error)
    await handlers.run(stream)


async def test_each_event_goes_to_the_handlers_of_its_kind_in_order() -> None:
    calls: list[tuple[str, str]] = []
    handlers = Handlers()
    assert not handlers

    async def later(event: Said) -> None:
        calls.append(("later", event.type))

    handlers.add(ServerEvent | UnknownEvent, later)
    handlers.add(ResponseDone, lambda event: calls.append(("done", event.type)))
    off = handlers.add(UnknownEvent, lambda event: calls.append(("strange", event.type)))
    assert handlers
    await run(handlers)
    assert calls == [
        ("later", "response.output_text.delta"),
        ("later", "new"),
        ("strange", "new"),
        ("later", "response.done"),
        ("done", "response.done"),
    ]
    off()
    off()
    calls.clear()
    await run(handlers, ProviderError("stream_interrupted", "Broken."))
    assert "strange" not in dict(calls)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_handler_that_raises_is_logged_and_hurts_no_other(wait: bool) -> None:
    calls: list[str] = []
    handlers = Handlers()

    async def fails_later(event: Said) -> None:
        raise ValueError("Bearer sk-canary-0123")

    def fails(event: Said) -> None:
        raise ValueError("Bearer sk-canary-0123")

    handlers.add(ResponseDone, fails_later if wait else fails)
    handlers.add(ResponseDone, lambda event: calls.append(event.type))
    structlog.configure()
    with structlog.testing.capture_logs() as logs:
        await run(handlers)
    assert calls == ["response.done"]
    (line,) = logs
    assert (line["event"], line["of"]) == ("realtime.handler", "response.done")
    assert line["error"] == "ValueError: Bearer [redacted]"
