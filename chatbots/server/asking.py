"""What a chat request asks for: its payload becomes a prompt, and the bot that answers it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.flow.calling import make_prompt
from chatbots.images import Detail, Image
from chatbots.messages import Message, Prompt, Role, check_session
from chatbots.sampling import UNSAID
from chatbots.telemetry import new_request_id
from chatbots.tool_calls import (
    ToolCall,
    ToolChoice,
    ToolContext,
    ToolResult,
    ToolRunner,
    ToolSpec,
    tool_choice_of,
)
from chatbots.tools.registry import ToolRegistry

Tokens: TypeAlias = Annotated[int, Meta(ge=1, le=2**31 - 1)]
OnDisconnect: TypeAlias = Literal["continue", "cancel"]

MAX_TOOLS: Final = 128
"""Tools a request may name (OpenAI's API reference, chat completions, `tools`)."""


class ImageUrl(Struct):
    """Where an image is."""

    url: str
    detail: Detail | None = None


class Part(Struct):
    """A part of what is said: text, or an image."""

    type: Literal["text", "image_url"]
    text: str = ""
    image_url: ImageUrl | None = None


class Function(Struct):
    """What was called."""

    name: str
    arguments: str


class Called(Struct):
    """A call of a tool, as an answer had it."""

    id: str
    function: Function
    type: Literal["function"] = "function"

    def call(self) -> ToolCall:
        """Return it as ours."""
        return ToolCall(self.id, self.function.name, self.function.arguments)


class Said(Struct):
    """A message, in the shape of chat completions."""

    role: Role
    content: str | list[Part] | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None

    def message(self) -> Message:
        """Return it as ours; raises `InvalidRequest` for an image that cannot be sent."""
        parts = self.content if isinstance(self.content, list) else []
        images = [part.image_url for part in parts if part.image_url is not None]
        text = self.content if isinstance(self.content, str) else "".join(p.text for p in parts)
        return Message(
            self.role,
            text,
            images=tuple(Image(image.url, image.detail) for image in images),
            tool_calls=tuple(called.call() for called in self.tool_calls or ()),
            tool_call_id=self.tool_call_id,
        )


class ChatPayload(Struct, frozen=True, kw_only=True):
    """What both chat requests carry; what is None is left to the server.

    With a `session_id` the server remembers, and `messages` are what is new: one of the user's,
    after a system message for this turn if need be. `tools` are the client's own, and it runs
    them; in the `tool_mode` `server` the server runs its own.
    """

    messages: list[Said]
    model: str | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    tool_mode: Literal["client", "server"] = "client"
    session_id: str | None = None
    on_disconnect: OnDisconnect | None = None
    timeout: float | None = None

    @property
    def outlives_its_socket(self) -> bool:
        """Whether the turn goes on when the client has gone: one that is remembered does."""
        if self.on_disconnect is None:
            return self.session_id is not None
        return self.on_disconnect == "continue"


class Offered(ToolRunner):
    """Tools that the client runs, as the model sees them."""

    def __init__(self, tools: list[Any]) -> None:
        if len(tools) > MAX_TOOLS:
            raise _refused(f"There are {len(tools)} tools, of {MAX_TOOLS} at most.", "tools")
        self._specs = tuple(ToolSpec.of(said) for said in tools)

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return them."""
        return self._specs

    async def run(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Run nothing: the call goes to the client."""
        raise NotImplementedError(f"{call.name} is the client's to run, in {context.request_id}.")


def prompt_of(
    payload: ChatPayload, *, request_id: str, tools: ToolRegistry, timeout: float, user: str | None
) -> Prompt:
    """Return what a request asks a bot; *tools* are the server's, *timeout* the longest there is.

    A *request_id* names the turn where it is remembered; others may use it again.
    Raises `InvalidRequest`.
    """
    messages = [said.message() for said in payload.messages]
    instructions = None
    if payload.session_id is not None:
        check_session_id(payload.session_id)
        instructions, messages = _news(messages)
    elif any(message.role in ("system", "developer") for message in messages):
        instructions = ""  # The client's own system message takes the place of the server's.
    wanted = payload.timeout
    prompt = make_prompt(
        messages,
        request_id=new_request_id() if payload.session_id is None else request_id,
        session=payload.session_id,
        model=payload.model,
        instructions=instructions,
        timeout=timeout if wanted is None else min(wanted, timeout),
        temperature=payload.temperature,
        top_p=payload.top_p,
        frequency_penalty=payload.frequency_penalty,
        presence_penalty=payload.presence_penalty,
        max_tokens=payload.max_completion_tokens or payload.max_tokens,
        stop=payload.stop,
        seed=payload.seed,
        reasoning_effort=payload.reasoning_effort,  # type: ignore[arg-type]  # it is checked there
        tools=_tools(payload, tools),
        tool_choice=_choice(payload.tool_choice),
        user=user,
    )
    return prompt if prompt.session is None else _on_terms(prompt, payload)


def _on_terms(prompt: Prompt, payload: ChatPayload) -> Prompt:
    """Return *prompt* with a digest of all that the answer depends on beside what is said.

    So one request id stands for one answer: stores compare what is said under it.
    """
    served = payload.tool_mode == "server"
    about = (prompt.model, prompt.instructions, prompt.tool_choice, prompt.sampling, served)
    if about == (None, None, None, UNSAID, False):
        return prompt
    *said, last = prompt.messages
    digest = sha256(msgspec.json.encode(about)).hexdigest()
    return replace(prompt, messages=(*said, replace(last, terms=digest[:16])))


def check_session_id(name: str, field: str = "session_id") -> None:
    """Raise `InvalidRequest` about *field* where *name* cannot be a session's."""
    with _about(field):
        check_session(name)


@contextmanager
def _about(param: str) -> Generator[None]:
    """Name the field of the payload in what is refused."""
    try:
        yield
    except InvalidRequest as error:
        error.param = param
        raise


def _choice(said: object) -> ToolChoice | None:
    with _about("tool_choice"):
        return None if said is None else tool_choice_of(said)


def _news(messages: list[Message]) -> tuple[str | None, list[Message]]:
    """Return the instructions for a turn and what is said in it; the past is the server's."""
    first = messages[0] if messages else None
    instructions = None
    if first is not None and first.role in ("system", "developer"):
        instructions, messages = first.content, messages[1:]
    if [message.role for message in messages] != ["user"]:
        raise _refused(
            "With a session_id the messages are one of the user's: the server has the rest.",
            "messages",
        )
    return instructions, messages


def _tools(payload: ChatPayload, tools: ToolRegistry) -> ToolRunner | None:
    if payload.tool_mode == "server":
        if payload.tools:
            raise _refused("With the tool_mode server there are no tools of the client's.", "tools")
        return tools if len(tools) else None
    if not payload.tools:
        return None
    if payload.session_id is not None:
        raise _refused(
            "With a session_id the tools are the server's: the tool_mode is server.", "tools"
        )
    return Offered(payload.tools)


def _refused(message: str, param: str) -> InvalidRequest:
    return InvalidRequest("invalid_request", message, param=param)
