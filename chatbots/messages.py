"""What is said: the values that travel between an application, a bot and a model."""

from __future__ import annotations

import math
from operator import add
from typing import Final, Generic, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import astuple, replace

from chatbots.errors import InvalidRequest
from chatbots.images import Image
from chatbots.output import OutputFormat, OutputT_co
from chatbots.sampling import Sampling
from chatbots.tool_calls import Confirm, ToolCall, ToolChoice, ToolRunner, ToolSpec

SessionId: TypeAlias = str
"""Names a conversation: data, never a path."""

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks (the `role` of a chat completions message)."""

FinalState: TypeAlias = Literal["completed", "incomplete", "failed", "interrupted", "cancelled"]
"""How a turn ended; see the states of `Done` and `Failed` in `deltas.py`."""

UnderWay: TypeAlias = Literal["streaming", "waiting_for_tools"]
"""What a turn does between its beginning and its end."""

TurnState: TypeAlias = Literal["accepted"] | UnderWay | FinalState
"""Where a turn stands."""

ROLES: Final = frozenset(get_args(Role))
DEFAULT_TIMEOUT: Final = 300.0
"""Seconds a turn may take, retries included."""
REFUSAL: Final = "refusal"
"""The reason of an answer in which the model refuses. It is an answer, and completed."""
MAX_NAME: Final = 256
"""Characters the name of a session, a request or a model may have."""


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a conversation; raises `InvalidRequest` for an unknown role.

    `images` go with what a user says, `tool_calls` with what the assistant says;
    `tool_call_id` names the call whose result a message of the role `tool` is.
    Of what was said aloud and cut short, `heard_ms` were heard, and the text `unheard` was not.
    `terms` is a digest of how a kept question was to be answered, no part of what is said.
    """

    role: Role
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    heard_ms: int | None = None
    unheard: str = ""
    terms: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            known = f"a message's role is one of {', '.join(get_args(Role))}"
            why = f"There is no role {self.role!r}; {known}."
            raise InvalidRequest("invalid_request", why, param="role")

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text in it: what is said, where its images are, what is called."""
        if not (self.images or self.tool_calls or self.tool_call_id):
            return (self.content,)
        called = [text for call in self.tool_calls for text in (call.id, call.name, call.arguments)]
        urls = [image.url for image in self.images]
        return (self.content, *urls, *called, self.tool_call_id or "")


def check_text(text: str, what: str) -> None:
    """Raise `InvalidRequest` where *text* cannot be sent: NUL, bytes that were no UTF-8."""
    if text.isascii() and "\0" not in text:
        return
    if "\0" in text:
        raise InvalidRequest("invalid_request", f"The {what} has a NUL character.", param=what)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # Python reads a byte that is no UTF-8 as U+DC80 to U+DCFF (PEP 383).
        escaped = 0xDC80 <= ord(text[error.start]) <= 0xDCFF
        why = "a byte that is not UTF-8" if escaped else "half a surrogate pair"
        raise InvalidRequest(
            "invalid_request",
            f"The {what} is not valid Unicode text: {why} at character {error.start + 1}.",
            param=what,
        ) from None


def check_name(text: object, what: str) -> None:
    """Raise `InvalidRequest` where *text* is no name: no text, or as `check_text`, or too long."""
    if not isinstance(text, str):
        raise InvalidRequest("invalid_request", f"The {what} is no text: {text!r}.", param=what)
    check_text(text, what)
    if len(text) > MAX_NAME:
        raise InvalidRequest(
            "invalid_request",
            f"The {what} has {len(text):,} characters; at most {MAX_NAME} are allowed.",
            param=what,
        )


def check_session(name: object) -> None:
    """Raise `InvalidRequest` where *name* cannot be a session's: as `check_name`, or empty."""
    check_name(name, "session")
    if not name:
        raise InvalidRequest("invalid_request", "The session's name is empty.", param="session")


class Usage(Struct, frozen=True):
    """Tokens the server counted for one turn; `estimated` where it did not come to it.

    `cached_tokens` are those of the input that it knew already,
    `reasoning_tokens` those of the output that are not in the answer.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


def total(one: Usage | None, other: Usage | None) -> Usage | None:
    """Return the usage of two answers."""
    if one is None or other is None:
        return one or other
    both = Usage(*map(add, astuple(one), astuple(other)))
    return replace(both, estimated=one.estimated or other.estimated)


class TokenLogprob(Struct, frozen=True):
    """A token of the answer, the logarithm of its probability, and the likeliest in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Metrics(Struct, frozen=True, kw_only=True):
    """How quick a turn was.

    `first_token`: seconds from its start to the first text; None where there was none.
    `seconds`: how long it took in all. `tokens_per_second`: of the output after the first text.
    `retries`: tries that failed before the one that answered.
    """

    seconds: float
    first_token: float | None = None
    tokens_per_second: float | None = None
    retries: int = 0


class Prompt(Struct, frozen=True, kw_only=True):
    """One request to a bot: what is said now, in which session, and within what bounds.

    `messages` are the new ones only: a bot with memory adds the past itself.
    `request_id` names the turn: a store makes at most one turn of it.
    `model`, `instructions` and `sampling` override what the bot was made with.
    `timeout` is the deadline of the whole turn in seconds, retries included.
    `output` is the shape that the answer must have.
    `tools` are what the model may call, for `user` where the application says who that is;
    `confirm` asks a person about those that want it.
    """

    messages: tuple[Message, ...]
    request_id: str
    session: SessionId | None = None
    model: str | None = None
    instructions: str | None = None
    sampling: Sampling = Sampling()
    timeout: float = DEFAULT_TIMEOUT
    output: OutputFormat | None = None
    tools: ToolRunner | None = None
    tool_choice: ToolChoice | None = None
    confirm: Confirm | None = None
    user: str | None = None

    def check(self, max_chars: int) -> None:
        """Raise `InvalidRequest` where the prompt is empty, too long, or cannot be sent."""
        chars = sum([len(message.content) for message in self.messages])
        if not any(message.content.strip() or message.images for message in self.messages):
            raise InvalidRequest("invalid_request", "The prompt is empty.", param="prompt")
        if chars > max_chars:
            raise InvalidRequest(
                "prompt_too_long",
                f"The prompt has {chars:,} characters; at most {max_chars:,} are allowed.",
                hint="Shorten it, or raise CHATBOTS_MAX_PROMPT_CHARS.",
                param="prompt",
            )
        for message in self.messages:
            for text in message.texts:
                check_text(text, "prompt")
        for text in self.sampling.stop or ():
            check_text(text, "stop")
        check_text(self.instructions or "", "system message")
        for name in ("request_id", "model"):
            check_name(getattr(self, name) or "", name)
        if self.session is not None:
            check_session(self.session)
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise InvalidRequest(
                "invalid_request",
                f"The timeout must be more than 0 seconds, not {self.timeout}.",
                param="timeout",
            )


class ModelRequest(Struct, frozen=True, kw_only=True):
    """What a `ChatModel` is asked: a whole conversation to continue by one message.

    `stream` asks for the answer as it forms. `model` None means the model's own default.
    `tools` are those it may call; `tool_choice` None leaves it to the server whether it does.
    """

    messages: tuple[Message, ...]
    stream: bool
    request_id: str
    model: str | None = None
    sampling: Sampling = Sampling()
    output: OutputFormat | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None


class ModelAnswer(Struct, frozen=True, kw_only=True):
    """What a `ChatModel` answered.

    `incomplete`: a limit or a filter cut it; `reason` says which, or why the model stopped
    (`refusal`: it did not want to).
    `tool_calls` are whole: one that was cut is not among them.
    `logprobs` are there if asked for. `model` is what the server says has answered,
    `retries` counts the tries before.
    """

    text: str
    state: Literal["completed", "incomplete"]
    reason: str
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    model: str | None = None
    retries: int = 0


class Turn(Struct, frozen=True, kw_only=True):
    """A question and its answer as a store keeps them.

    `seq` counts the turns of a session from 1, without gaps.
    `answer` may be partial, unless the state is `completed`.
    `began_at` is in Unix seconds, by the store's clock.
    `pinned`: the model sees it, however long the conversation gets.
    `summary`, made by the model, is of everything up to this turn, and replaces none of it.
    """

    session: SessionId
    request_id: str
    seq: int
    state: TurnState
    said: tuple[Message, ...]
    answer: tuple[Message, ...] = ()
    reason: str | None = None
    usage: Usage | None = None
    began_at: float | None = None
    pinned: bool = False
    summary: str | None = None

    @property
    def text(self) -> str:
        """What the assistant said in this turn."""
        return "".join(m.content for m in self.answer if m.role == "assistant")


class Reply(Struct, Generic[OutputT_co], frozen=True, kw_only=True):
    """A finished turn, to its caller.

    `state` is `completed`, or `incomplete` where `reason` is `length` or `content_filter`;
    every other end raises a `ChatError`.
    `output` is the value asked for with `output_type=`; None where there is none because
    the answer is incomplete, or the model refused (`reason` is then `refusal`).
    `stored` is false where the store that should keep the turn could not; see `Done`.
    """

    text: str
    state: FinalState
    reason: str | None
    usage: Usage | None
    request_id: str
    session: SessionId | None
    logprobs: tuple[TokenLogprob, ...] = ()
    metrics: Metrics | None = None
    output: OutputT_co | None = None
    stored: bool = True
