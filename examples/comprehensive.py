"""Everything at once, against the fake server: `python examples/comprehensive.py`.

Text, audio both ways, a tool, turn detection, items that are cut and deleted, and mistakes,
once in the beta dialect, which is the reference's, and once in the one of today (GA).
It prints which of the events there are have come and been sent.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import anyio

from chatbots import RealtimeClient, RealtimeConn
from chatbots.realtime.address import Address
from chatbots.realtime.events import client, responses, server
from chatbots.realtime.events.event import BETA, GA, ClientEvent, Dialect
from chatbots.realtime.events.items import Item
from chatbots.realtime.events.registry import CLIENT, REFERENCE_CLIENT, REFERENCE_SERVER, SERVER
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    ResponseParams,
    Session,
    Transcription,
    TurnDetection,
)
from chatbots.services.realtime import TEXT
from chatbots.testing import FakeOpenAI

LISTENING = Session(
    output_modalities=("audio",),
    audio=Audio(
        input=AudioInput(
            format=AudioFormat(type="audio/pcm", rate=24_000),
            transcription=Transcription(model="whisper-1"),
            turn_detection=TurnDetection(
                type="server_vad",
                threshold=0.5,
                prefix_padding_ms=300,
                silence_duration_ms=200,
                create_response=True,
                interrupt_response=True,
            ),
        ),
        output=AudioOutput(voice="alloy"),
    ),
)
PUSH_TO_TALK = Session(audio=Audio(input=AudioInput(turn_detection=None)))
TALKING = array("h", [8000, -8000] * 6000).tobytes()
"""Half a second of noise, PCM of 16 bits at 24 kHz."""
SILENCE = bytes(48 * 500)


def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


class Tour:
    """One conversation, in which everything happens that can."""

    def __init__(self, conn: RealtimeConn) -> None:
        self._conn = conn
        self.items: list[Item] = []

    async def until(self, come: Callable[[object], bool]) -> None:
        """Read on until something has *come*."""
        while True:
            event = await self._conn.read_message()
            if isinstance(event, responses.ResponseDone):
                self.items += event.response.output or ()
            if come(event):
                return

    async def do(self, event: ClientEvent, answer: type[object]) -> None:
        """Send *event* and wait for what answers it."""
        await self._conn.send(event)
        await self.until(lambda come: isinstance(come, answer))

    async def talk(self) -> None:
        """Write, call a function, and be stopped."""
        await self._conn.send_text("What is 6 times 7?")
        await self.until(lambda come: _text(come) == "It is 42.")
        await self._conn.send_text("Tell me a long story.")
        await self.until(lambda come: isinstance(come, responses.ResponseTextDelta))
        await self._conn.send(client.ResponseCancel())
        await self.until(lambda come: isinstance(come, responses.ResponseDone))

    async def listen(self) -> None:
        """Speak and be heard, and hear what is said."""
        await self.do(client.SessionUpdate(LISTENING), server.SessionUpdated)
        for piece in (TALKING, SILENCE):
            await self._conn.send(client.InputAudioBufferAppend.of(piece))
        await self.until(lambda come: isinstance(come, responses.ResponseDone))
        name = self.items[-1].id or ""
        await self.do(
            client.ConversationItemTruncate(name, 0, 100), server.ConversationItemTruncated
        )
        await self.do(client.SessionUpdate(PUSH_TO_TALK), server.SessionUpdated)
        await self._conn.send(client.InputAudioBufferAppend.of(TALKING))
        await self.do(client.InputAudioBufferClear(), server.InputAudioBufferCleared)
        await self._conn.send_audio(TALKING)
        await self.until(lambda come: isinstance(come, responses.ResponseDone))

    async def tidy(self, dialect: Dialect) -> None:
        """Look at an item, delete it, and be told of a mistake."""
        name = self.items[0].id or ""
        if dialect == GA:
            await self.do(client.ConversationItemRetrieve(name), server.ConversationItemRetrieved)
        await self.do(client.ConversationItemDelete(name), server.ConversationItemDeleted)
        await self.do(client.ConversationItemDelete("item_nobody"), server.ErrorEvent)
        aside = ResponseParams(conversation="none", output_modalities=("text",))
        await self.do(client.ResponseCreate(aside), responses.ResponseDone)


def _text(event: object) -> str | None:
    return event.response.output_text if isinstance(event, responses.ResponseDone) else None


async def tour(fake: FakeOpenAI, dialect: Dialect) -> tuple[set[str], set[str]]:
    """Have a conversation in *dialect*; return the types of what came, and of what was sent."""
    address = Address(base_url=fake.base_url, dialect=dialect)
    realtime = RealtimeClient(address=address, tools=[multiply])
    fake.answer(tool_calls=[("multiply", {"a": 6, "b": 7})])
    fake.answer("It is 42.")
    fake.answer(["Once ", "upon ", "a ", "time "], delay=0.05)
    async with realtime.connect(session=TEXT) as conn:
        whole = Tour(conn)
        await whole.talk()
        await whole.listen()
        await whole.tidy(dialect)
    # A session in which nobody can be understood.
    deaf = RealtimeClient(address=address, model="fault:transcription-failed")
    async with deaf.connect(session=LISTENING) as conn:
        await conn.send(client.InputAudioBufferAppend.of(TALKING))
        failed = server.ConversationItemInputAudioTranscriptionFailed
        await Tour(conn).do(client.InputAudioBufferAppend.of(SILENCE), failed)
    talks = fake.talks[-2:]
    return (
        {event["type"] for talk in talks for event in talk.sent},
        {event["type"] for talk in talks for event in talk.received},
    )


async def main() -> None:
    """Tour both dialects and count."""
    async with FakeOpenAI() as fake:
        for name, dialect, of_server, of_client in (
            ("reference", BETA, set(REFERENCE_SERVER), set(REFERENCE_CLIENT)),
            ("GA", GA, set(SERVER), set(CLIENT)),
        ):
            came, sent = await tour(fake, dialect)
            print(f"{name}: {len(came & of_server)}/{len(of_server)} server events came")
            print(f"{name}: {len(sent & of_client)}/{len(of_client)} client events were sent")
            for event in sorted((of_server - came) | (of_client - sent)):
                print(f"  not here: {event}")


if __name__ == "__main__":
    anyio.run(main)
