from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given, strategies as st

from chatbots.errors import InvalidRequest
from chatbots.images import Image
from chatbots.messages import (
    DEFAULT_TIMEOUT,
    MAX_NAME,
    FinalState,
    Message,
    Metrics,
    ModelAnswer,
    ModelRequest,
    Prompt,
    Reply,
    Role,
    TokenLogprob,
    Turn,
    TurnState,
    Usage,
    check_session,
    check_text,
    total,
)
from chatbots.sampling import Sampling
from chatbots.tool_calls import ToolCall

PLENTY = 1000
CAT = Image("https://example.com/cat.png")


def prompt(*said: str, **fields: object) -> Prompt:
    values = {"messages": tuple(Message("user", text) for text in said), "request_id": "r"}
    return Prompt(**(values | fields))  # type: ignore[arg-type]  # the fields under test


def refusal(asked: Prompt, max_chars: int = PLENTY) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        asked.check(max_chars)
    return raised.value


# Messages


@pytest.mark.parametrize("role", get_args(Role))
def test_a_message_has_a_role_of_the_api(role: Role) -> None:
    assert Message(role, "Hi").role == role


@pytest.mark.checklist(198)
@pytest.mark.parametrize("role", ["", "bot", "User", "function"])
def test_an_unknown_role_is_refused_with_those_there_are(role: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Message(role, "Hi")  # type: ignore[arg-type]  # the mistake under test
    assert str(raised.value) == (
        f"There is no role {role!r}; "
        "a message's role is one of system, developer, user, assistant, tool."
    )
    assert (raised.value.code, raised.value.param) == ("invalid_request", "role")


@pytest.mark.parametrize(
    "value",
    [
        Message("user", "Hi"),
        Usage(),
        ToolCall("c", "f", "{}"),
        TokenLogprob("Hi", -0.1),
        Metrics(seconds=1.0),
        prompt("Hi"),
        ModelRequest(messages=(), stream=True, request_id="r"),
        ModelAnswer(text="Hi", state="completed", reason="stop"),
        Turn(session="s", request_id="r", seq=1, state="accepted", said=()),
        Reply(text="", state="completed", reason=None, usage=None, request_id="r", session=None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_said_does_not_change(value: msgspec.Struct) -> None:
    assert hash(value) == hash(msgspec.structs.replace(value))
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], "another")


def test_a_plain_message_is_written_as_the_api_has_it() -> None:
    assert msgspec.json.encode(Message("user", "Hi")) == b'{"role":"user","content":"Hi"}'
    result = Message("tool", "42", tool_call_id="c1")
    assert msgspec.json.decode(msgspec.json.encode(result)) == {
        "role": "tool",
        "content": "42",
        "tool_call_id": "c1",
    }


def test_a_message_is_read_as_it_was_written() -> None:
    message = Message(
        "assistant", "", images=(CAT,), tool_calls=(ToolCall("c", "f", "{}"),), tool_call_id="d"
    )
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message
    cut = Message("assistant", "Once", heard_ms=240, unheard=" upon a time")
    assert msgspec.json.decode(msgspec.json.encode(cut), type=Message) == cut


def test_every_text_of_a_message_can_be_looked_at() -> None:
    assert Message("user", "Hi").texts == ("Hi",)
    message = Message("user", "Hi", (CAT,), (ToolCall("c", "f", "{}"),), "d")
    assert message.texts == ("Hi", CAT.url, "c", "f", "{}", "d")


# Text


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_other_text_can_be_sent(text: str) -> None:
    check_text(text, "prompt")


def test_a_nul_cannot_be_sent() -> None:
    with pytest.raises(InvalidRequest, match=r"^The prompt has a NUL character\.$") as raised:
        check_text("a\0b", "prompt")
    assert raised.value.param == "prompt"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"ab\xff".decode("utf-8", "surrogateescape"), "a byte that is not UTF-8 at character 3"),
        (chr(0xDC80), "a byte that is not UTF-8 at character 1"),
        (chr(0xDCFF), "a byte that is not UTF-8 at character 1"),
        ("👍\ud83d", "half a surrogate pair at character 2"),
        (chr(0xDC7F), "half a surrogate pair at character 1"),
        (chr(0xDD00), "half a surrogate pair at character 1"),
    ],
)
def test_text_that_is_no_unicode_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        check_text(text, "session")
    assert str(raised.value) == f"The session is not valid Unicode text: {why}."
    assert (raised.value.code, raised.value.param) == ("invalid_request", "session")


# Prompts


def test_a_prompt_has_five_minutes() -> None:
    assert prompt("Hi").timeout == DEFAULT_TIMEOUT == 300


def test_a_usual_prompt_passes() -> None:
    prompt("Hi", "👍", session="s", model="m", instructions="Be brief.").check(PLENTY)


@pytest.mark.checklist(198)
@pytest.mark.parametrize("said", [(), ("",), (" \n\t", "\u2003")])
def test_a_prompt_that_says_nothing_is_refused(said: tuple[str, ...]) -> None:
    error = refusal(prompt(*said))
    assert str(error) == "The prompt is empty."
    assert (error.code, error.param) == ("invalid_request", "prompt")


def test_an_image_alone_says_something() -> None:
    Prompt(messages=(Message("user", "", (CAT,)),), request_id="r").check(PLENTY)


@pytest.mark.checklist(198)
def test_a_prompt_may_be_as_long_as_allowed_and_no_longer() -> None:
    prompt("a" * 600, "👍" * 634).check(1234)
    error = refusal(prompt("a" * 600, "👍" * 635), 1234)
    assert error.message == "The prompt has 1,235 characters; at most 1,234 are allowed."
    assert error.hint == "Shorten it, or raise CHATBOTS_MAX_PROMPT_CHARS."
    assert (error.code, error.param, error.category) == ("prompt_too_long", "prompt", "too_large")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (prompt("fine", "a\0"), "prompt"),
        (prompt("Hi", sampling=Sampling(stop=("a", "\ud800"))), "stop"),
        (prompt("Hi", messages=(Message("tool", "42", tool_call_id="\0"),)), "prompt"),
        (prompt("Hi", instructions="\0"), "system message"),
        (prompt("Hi", request_id="\0"), "request_id"),
        (prompt("Hi", session="\ud800"), "session"),
        (prompt("Hi", model="\0"), "model"),
    ],
)
def test_what_cannot_be_sent_is_refused_wherever_it_is(asked: Prompt, param: str) -> None:
    assert refusal(asked).param == param


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_deadline_is_some_time_ahead(timeout: float) -> None:
    error = refusal(prompt("Hi", timeout=timeout))
    assert str(error) == f"The timeout must be more than 0 seconds, not {timeout}."
    assert error.param == "timeout"


# Turns


def test_the_text_of_a_turn_is_what_the_assistant_said() -> None:
    answer = (Message("assistant", "Hel"), Message("tool", "{}"), Message("assistant", "lo"))
    turn = Turn(session="s", request_id="r", seq=1, state="completed", said=(), answer=answer)
    assert turn.text == "Hello"


def test_a_turn_is_under_way_or_has_ended() -> None:
    states = {state for kind in get_args(TurnState) for state in get_args(kind)}
    ended = {"completed", "incomplete", "failed", "interrupted", "cancelled"}
    assert set(get_args(FinalState)) == ended
    assert states == {"accepted", "streaming", "waiting_for_tools"} | ended


@pytest.mark.parametrize("name", ["request_id", "session", "model"])
def test_a_name_that_is_longer_than_names_are_is_refused(name: str) -> None:
    prompt("Hi", **{name: "x" * MAX_NAME}).check(PLENTY)
    with pytest.raises(InvalidRequest, match="at most 256") as raised:
        prompt("Hi", **{name: "x" * (MAX_NAME + 1)}).check(PLENTY)
    assert raised.value.param == name


def test_a_name_that_is_no_text_is_refused() -> None:
    assert refusal(prompt("Hi", session=5)).param == "session"


def test_a_session_without_a_name_is_refused() -> None:
    check_session("ada")
    with pytest.raises(InvalidRequest, match="name is empty"):
        check_session("")


def test_the_usage_of_two_answers_is_their_sum_and_estimated_if_one_is() -> None:
    one, other = Usage(1, 2, 3, 4, 5), Usage(10, 20, 30, estimated=True)
    assert total(one, other) == Usage(11, 22, 33, 4, 5, estimated=True)
    assert (total(one, None), total(None, other), total(None, None)) == (one, other, None)
