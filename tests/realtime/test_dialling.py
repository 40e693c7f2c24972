from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from chatbots.errors import ChatError, ConfigurationError, ProviderError
from chatbots.realtime.address import Address
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.dialling import Dialling
from chatbots.realtime.events import server
from chatbots.realtime.events.session import Session
from chatbots.realtime.link import Link
from chatbots.realtime.patience import Clock, Patience
from chatbots.realtime.transport import WebSocketConn
from chatbots.realtime.websockets_transport import WebSocketsDialer
from tests.realtime.talking import Socket, playing

KEY = "sk-canary-0123"
CONFIG = Session(instructions="Be brief.")


class Refusing:
    """A dialer that raises one error after the other."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def dial(self, url: str, headers: Mapping[str, str]) -> WebSocketConn:
        raise self.errors.pop(0)


def dialling(
    address: Address, *errors: Exception, slept: list[float] | None = None, first_event: float = 5
) -> Dialling:
    async def sleep(seconds: float) -> None:
        assert slept is not None
        slept.append(seconds)

    return Dialling(
        Refusing(*errors) if errors else WebSocketsDialer(),
        address,
        "gpt-realtime",
        patience=Patience(first_event=first_event, close=0.1),
        clock=Clock(sleep=sleep, chance=lambda: 1.0),
        plays=False,
    )


async def dialled(address: Address, config: Session | None = None) -> Link:
    return await dialling(address).dial(Conversation(), config, tries=1)


async def test_a_connection_is_there_once_the_session_is_as_it_was_configured() -> None:
    async def configured(socket: Socket) -> None:
        await socket.begin()
        asked = await socket.hear()
        assert asked["session"]["instructions"] == "Be brief."
        await socket.say(server.SessionUpdated(session=CONFIG))

    async with playing(configured) as stage:
        one = dialling(stage.address)
        link = await one.dial(Conversation(), CONFIG, tries=1)
        said = [event.type for event, _, _ in link.early if event is not None]
        assert said == ["session.created", "session.updated"]
        assert one.peer.secrets == (KEY,)
        await one.hang_up(link.conn)


async def test_a_configuration_that_is_refused_opens_nothing() -> None:
    async def refuses(socket: Socket) -> None:
        await socket.begin()
        asked = await socket.hear()
        error = server.ApiError(
            type="invalid_request_error", message=f"No {KEY}.", event_id=asked["event_id"]
        )
        await socket.say(server.ErrorEvent(error=error))

    async with playing(refuses) as stage:
        with pytest.raises(ChatError) as caught:
            await dialled(stage.address, CONFIG)
        assert caught.value.code == "invalid_request"
        assert "No [redacted]." in str(caught.value)
        await stage.sockets[0].socket.wait_closed()


@pytest.mark.usefixtures("time_flies")
async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async def silent(socket: Socket) -> None:
        await socket.socket.wait_closed()

    async with playing(silent) as stage:
        with pytest.raises(ProviderError, match=r"no session within 0\.1 seconds"):
            await dialling(stage.address, first_event=0.1).dial(Conversation(), None, tries=1)


async def test_what_may_pass_is_tried_again_after_a_growing_pause() -> None:
    slept: list[float] = []
    busy = [ProviderError("upstream_error", f"Busy {number}.") for number in range(4)]
    with pytest.raises(ProviderError, match="Busy 2"):
        await dialling(Address(), *busy, slept=slept).dial(Conversation(), None, tries=3)
    assert slept == [1.0, 2.0]
    with pytest.raises(ProviderError, match="Busy 0"):
        await dialling(Address(), *busy, slept=slept).dial(
            Conversation(), None, tries=3, failed=2, after=busy[0]
        )
    assert slept == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("upstream_auth", "No."),
        ProviderError("rate_limited", "Much later.", retry_after=61.0),
    ],
)
async def test_what_will_not_pass_soon_is_not_tried_again(error: ChatError) -> None:
    slept: list[float] = []
    with pytest.raises(ProviderError):
        await dialling(Address(), error, slept=slept).dial(Conversation(), None, tries=3)
    with pytest.raises(ProviderError):
        await dialling(Address(), error, slept=slept).dial(
            Conversation(), None, tries=3, after=error
        )
    assert slept == []


async def test_a_token_that_cannot_be_had_is_an_error_of_ours() -> None:
    def expired() -> str:
        raise RuntimeError("no Bearer secret-1234")

    def not_set_up() -> str:
        raise ConfigurationError("not_configured", "No credential.")

    with pytest.raises(ProviderError, match=r"The token for .* could not be had: RuntimeError"):
        await dialled(Address(key=expired))
    with pytest.raises(ConfigurationError):
        await dialled(Address(key=not_set_up))


@pytest.mark.usefixtures("time_flies")
async def test_hanging_up_takes_no_longer_than_it_may() -> None:
    class Stuck:
        async def close(self) -> None:
            await anyio.sleep(10)

    begun = anyio.current_time()
    await dialling(Address()).hang_up(Stuck())  # type: ignore[arg-type]  # all that is needed of it
    assert anyio.current_time() - begun < 1
