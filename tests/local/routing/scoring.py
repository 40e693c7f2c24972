"""Asks the real model every prompt of a corpus, and counts what it calls."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

from msgspec import Struct, convert
from msgspec.structs import replace

from chatbots.clients import clients_for
from chatbots.flow.bot import Bot
from chatbots.interfaces import ChatModel, Sink
from chatbots.local.tool_routing import ToolRouting
from chatbots.messages import Message, ModelAnswer, ModelRequest
from chatbots.provider.chat import OpenAIChat
from chatbots.sampling import Sampling
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.testing.scripted import CollectingSink
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult
from tests.local.routing.toolset import Case, offered

FOLDER: Final = Path(__file__).parent
CORPUS: Final = "corpus"
HELD_OUT: Final = "held_out"
PRODUCTS: Final = "products"
DIGITS: Final = range(3, 21)


class Scored(Struct, frozen=True):
    """A case, the call that was made, and what it came to."""

    case: Case
    call: ToolCall | None
    result: ToolResult | None

    @property
    def routed(self) -> bool:
        return self.call is None if not self.case.tool else self.name in self.case.tool

    @property
    def valid(self) -> bool:
        """Whether the tool took the arguments and did what it does."""
        return self.result is not None and not self.result.is_error

    @property
    def exact(self) -> bool:
        """Whether the call gives what it must, as far as the corpus says."""
        if self.call is None or self.result is None:
            return False
        wanted = self.case.result
        given = json.loads(self.call.arguments)
        return wanted in (None, self.result.content) and _has(given, self.case.arguments)

    @property
    def name(self) -> str:
        return "none" if self.call is None else self.call.name


def cases(name: str) -> list[Case]:
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    return convert(tomllib.loads(text)["case"], list[Case])


def without_schema(request: ModelRequest) -> ModelRequest:
    return replace(request, output=None)


def without_examples(request: ModelRequest) -> ModelRequest:
    first, *_, last = request.messages
    return replace(request, messages=(first, last)) if request.output else request


BREAKS: Final[dict[str, Callable[[ModelRequest], ModelRequest]]] = {
    "schema": without_schema,
    "examples": without_examples,
}


class _Broken:
    """The model, asked in another way."""

    def __init__(self, model: ChatModel, how: Callable[[ModelRequest], ModelRequest]) -> None:
        self._model = model
        self._how = how

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        return await self._model.complete(self._how(request), out)


@asynccontextmanager
async def local_model() -> AsyncGenerator[ChatModel]:
    clients = clients_for(Settings(openai_model="local", chatbots_local_idle=5), None)
    try:
        yield OpenAIChat(clients.get, model="local")
    finally:
        await clients.aclose()


async def score(case: Case, model: ChatModel, broken: str | None = None) -> Scored:
    asked = _Broken(model, BREAKS[broken]) if broken else model
    tools = offered(case.offered)
    before = [Message("assistant" if n % 2 else "user", text) for n, text in enumerate(case.before)]
    request = ModelRequest(
        messages=(*before, Message("user", case.prompt)),
        stream=False,
        request_id="routing",
        sampling=Sampling(max_tokens=1, temperature=0),  # what it says in words does not matter
        tools=tuple(tools.specs()),
    )
    answer = await ToolRouting(asked).complete(request, CollectingSink())
    if not answer.tool_calls:
        return Scored(case, None, None)
    call = answer.tool_calls[0]
    return Scored(case, call, await tools.run(call, ToolContext(request_id="routing")))


async def product(digits: int, model: ChatModel) -> tuple[str, str, bool]:
    """Have the product of two numbers of so many *digits* told: question, answer, exactly?"""
    pick = random.Random(digits)  # noqa: S311 - no secret
    a, b = (pick.randrange(10 ** (digits - 1), 10**digits) for _ in "ab")
    forms = ("What is {a} times {b}?", "Multiply {a} by {b}.", "How much is {a} x {b}?")
    question = forms[digits % 3].format(a=a, b=b)
    bot = Bot(StreamingChat(ToolRouting(model), InMemorySessions()))
    answer = (await bot.ask(question, tools=offered("builtin"))).text
    return question, answer, str(a * b) in answer


def table(scored: Sequence[Scored]) -> str:
    """Return the score: in all, for each tool, and what went wrong."""
    calls = [one for one in scored if one.call is not None]
    due = [one for one in scored if one.case.tool]
    lines = [
        f"routed right      {sum(one.routed for one in scored)}/{len(scored)}",
        f"calls valid       {sum(one.valid for one in calls)}/{len(calls)}",
        f"arguments right   {sum(one.routed and one.exact for one in due)}/{len(due)}",
        "",
    ]
    for name in dict.fromkeys(one.case.tool[0] if one.case.tool else "none" for one in scored):
        rows = [one for one in scored if (one.case.tool or ("none",))[0] == name]
        lines.append(f"{name:17} {sum(one.routed for one in rows)}/{len(rows)}")
    for one in scored:
        if not (one.routed and (one.exact or not one.case.tool)):
            called = "" if one.call is None else f" {one.call.arguments}"
            lines.append(f"  {one.case.prompt[:60]!r} -> {one.name}{called}"[:150])
    return "\n".join(lines)


def _has(given: object, wanted: object) -> bool:
    if isinstance(wanted, dict):
        parts = cast("dict[str, object]", wanted)
        held = cast("dict[str, object]", given if isinstance(given, dict) else {})
        return all(_has(held.get(name), part) for name, part in parts.items())
    if isinstance(wanted, str):
        return isinstance(given, str) and wanted.casefold() in given.casefold()
    return type(given) is type(wanted) and given == wanted
