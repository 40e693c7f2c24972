"""An answer in a demanded shape: held back until it fits, asked for once more if it does not."""

from __future__ import annotations

import msgspec
from anyio.abc import ObjectSendStream
from msgspec.structs import replace

from chatbots import telemetry
from chatbots.deltas import Delta, TextDelta
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.interfaces import ChatModel, Sink
from chatbots.joined import Joined
from chatbots.messages import REFUSAL, Message, ModelAnswer, ModelRequest, total
from chatbots.output import OutputFormat


class Structured:
    """A `ChatModel` that asks *model*, and shows what it answers in one piece, once it fits.

    Requests without a demanded shape go through as they are.
    An answer that was cut, or refuses, is shown as it is.
    Raises what *model* raises, and `ProviderError` (`output_invalid`); what had arrived is shown.
    """

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation by one message; see `ChatModel.complete`."""
        wish = request.output
        if wish is None:
            return await self._model.complete(request, out)
        first = answer = await self._held(request, out)
        try:
            text = _fitting(wish, answer)
        except ProviderError as error:
            telemetry.emit("warning", "output.repair", schema=wish.name)
            answer = await self._held(_repair(request, wish, answer.text, error), out)
            answer = replace(answer, usage=total(first.usage, answer.usage))
            try:
                text = _fitting(wish, answer)
            except ProviderError:
                await _show(answer.text, out)
                raise
        if answer.tool_calls:  # Beside the value, its reply has no text.
            text = ""
        await _show(text, out)
        return replace(answer, text=text)

    async def _held(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        held = Held(out)
        try:
            return await self._model.complete(request, held)
        except ChatError as error:
            if isinstance(error, InvalidRequest) and "response_format" in error.message:
                error.param = "output_type"
                error.hint = "Ask without output_type=, or a server that takes this JSON schema."
            await _show(held.said.text, out)
            raise


class Held(ObjectSendStream[Delta]):
    """Keeps the text, in `said`, and lets everything else through to *out*."""

    def __init__(self, out: Sink) -> None:
        self.said = Joined()
        self._out = out

    async def send(self, item: Delta) -> None:
        """Keep *item* if it is text."""
        if isinstance(item, TextDelta):
            self.said.add(item.text)
        else:
            await self._out.send(item)

    async def aclose(self) -> None:
        """Leave the way open: it is the caller's."""


async def _show(text: str, out: Sink) -> None:
    if text:
        await out.send(TextDelta(text))


def _fitting(wish: OutputFormat, answer: ModelAnswer) -> str:
    """Return what is shown of *answer*; raises `ProviderError` if it is whole and does not fit."""
    if answer.state != "completed" or answer.reason == REFUSAL or answer.tool_calls:
        return answer.text
    return wish.text_of(answer.text)


def _repair(
    request: ModelRequest, wish: OutputFormat, text: str, error: ProviderError
) -> ModelRequest:
    """Return *request*, continued by the answer and what is wrong with it."""
    schema = msgspec.json.encode(wish.schema).decode()
    complaint = (
        f"{error.message}\nAnswer again, with nothing but JSON that fits this schema: {schema}"
    )
    said = (Message("assistant", text),) if text else ()
    return replace(request, messages=(*request.messages, *said, Message("user", complaint)))
