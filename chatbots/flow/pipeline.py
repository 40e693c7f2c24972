"""producer -> service -> flusher -> consumer, in one task group.

Prompts travel over a bounded anyio memory stream, deltas over a bounded channel:
a consumer that is slow slows the upstream read, and memory does not grow.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from chatbots.deltas import Failed
from chatbots.errors import TurnCancelled
from chatbots.flow.channel import DEFAULT_CAPACITY, ReceiveChannel, SendChannel, open_channel
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatService, Consumer
from chatbots.messages import Prompt


class Pipeline:
    """Answers prompts one after the other into a consumer.

    *window* is the consumer's flush window in seconds: the first text of an answer is shown at
    once, then at most once a window. *capacity* is how many characters may wait for the consumer
    before the service does.
    """

    def __init__(
        self,
        service: ChatService,
        consumer: Consumer,
        *,
        window: float = 0.0,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        self._service = service
        self._consumer = consumer
        self._window = window
        self._capacity = capacity
        self._turn: anyio.CancelScope | None = None
        self._producing: anyio.CancelScope | None = None
        self._stopping = False

    async def run(self, prompts: AsyncIterable[Prompt] | Iterable[Prompt]) -> None:
        """Answer *prompts* until they end or the consumer leaves.

        A turn that fails is told to the consumer as `Failed`, and the next prompt is still asked.
        What raises here is a bug, or an error of the producer or the consumer, as itself.
        """
        out, source = open_channel(self._window, capacity=self._capacity)
        ask, asked = anyio.create_memory_object_stream[Prompt](1)
        with unwrapped():
            async with anyio.create_task_group() as group:
                group.start_soon(self._produce, prompts, ask)
                group.start_soon(self._serve, asked, out)
                group.start_soon(self._consume, source, group)

    def stop_turn(self) -> None:
        """Cancel the turn that is running, if any; its consumer gets `Failed(cancelled)`."""
        if self._turn is not None:
            self._turn.cancel("the turn was stopped")

    def stop(self) -> None:
        """Cancel the turn that is running and take no further prompt; `run` then returns."""
        self._stopping = True
        if self._producing is not None:
            self._producing.cancel("the pipeline was stopped")
        self.stop_turn()

    async def _produce(
        self, prompts: AsyncIterable[Prompt] | Iterable[Prompt], ask: MemoryObjectSendStream[Prompt]
    ) -> None:
        async with ask:
            with anyio.CancelScope() as self._producing:
                if self._stopping:
                    return
                if isinstance(prompts, AsyncIterable):
                    async for prompt in prompts:
                        await ask.send(prompt)
                else:
                    for prompt in prompts:
                        await ask.send(prompt)

    async def _serve(self, asked: MemoryObjectReceiveStream[Prompt], out: SendChannel) -> None:
        async with asked, out:
            async for prompt in asked:
                if self._stopping:
                    break
                with anyio.CancelScope() as self._turn:
                    await self._service.respond(prompt, out)
                if self._turn.cancelled_caught:
                    await out.send(_cancelled(prompt))
                self._turn = None

    async def _consume(self, source: ReceiveChannel, group: TaskGroup) -> None:
        async with source:
            try:
                await self._consumer.consume(source)
            finally:
                # A consumer that leaves early ends the pipeline: nobody would read the rest.
                # It does so before the source closes, or the service would fail over that as well.
                group.cancel_scope.cancel("the consumer is done")


def _cancelled(prompt: Prompt) -> Failed:
    return Failed(
        error=TurnCancelled("cancelled", "The answer was stopped."),
        state="cancelled",
        request_id=prompt.request_id,
        session=prompt.session,
    )
