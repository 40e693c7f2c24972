from __future__ import annotations

from operator import methodcaller

import anyio
import msgspec
import pytest

from chatbots.errors import InvalidRequest, ProviderError
from chatbots.messages import ModelRequest, Usage
from chatbots.realtime.events.responses import ResponseFailure, ResponseUsage
from chatbots.realtime.events.session import ResponseParams
from chatbots.speech.performing import Form, Performance, Step, heard_of
from chatbots.speech.thinking import request
from chatbots.testing import Gate, ScriptedModel
from chatbots.tool_calls import ToolCall
from tests.local.processes import eventually
from tests.speech.engines_of import Voice, engines_of

AUDIO = Form(audible=True, format="audio/pcm", rate=24_000, speed=1.0)
TEXT = Form(audible=False, format="audio/pcm", rate=24_000, speed=1.0)


class Answer:
    """Keeps the verbs it is told, sound as its milliseconds."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def say(self, text: str) -> None:
        self.told.append(("say", text))

    def sound(self, audio: bytes) -> None:
        self.told.append(("sound", len(audio) / 48))

    def call(self, name: str, arguments: str, *, call_id: str) -> None:
        self.told.append(("call", name, arguments, call_id))

    def end(self, *how: object, **why: object) -> None:
        self.told.append(("end", *how, why))

    def take(self, step: Step) -> None:
        step(self)  # type: ignore[arg-type]  # it has the verbs


def asked() -> ModelRequest:
    return request(ResponseParams(), [], audible=True)


def performance(
    model: ScriptedModel, form: Form = AUDIO, voice: Voice | None = None
) -> Performance:
    return Performance(engines_of(model, voice=voice), asked, form)


async def test_each_clause_is_said_as_soon_as_it_is_there() -> None:
    gate, answer = Gate(), Answer()
    model = ScriptedModel(["Yes, of ", gate, "course."])
    act = performance(model)
    act.wanted(answer.take)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(act.run)
        await gate.reached()
        await eventually(lambda: len(answer.told) == 2)
        assert answer.told == [("say", "Yes, "), ("sound", 40)]
        gate.open()
    assert answer.told[2:] == [
        ("say", "of course."),
        ("sound", 100),
        ("end", "completed", None, {"usage": None}),
    ]
    assert act.said == [("Yes, ", 40 * 48), ("of course.", 140 * 48)]


async def test_a_long_clause_sounds_in_pieces() -> None:
    answer = Answer()
    act = performance(ScriptedModel("x" * 45))
    act.wanted(answer.take)
    await act.run()
    assert [ms for kind, ms, *_ in answer.told if kind == "sound"] == [200, 200, 50]


async def test_telephones_get_their_own_sound() -> None:
    answer = Answer()
    act = performance(ScriptedModel("x" * 20), Form(True, "audio/pcmu", 8_000, 1.0))
    act.wanted(answer.take)
    await act.run()
    assert answer.told[1] == ("sound", pytest.approx(200 * 8 / 48, abs=1))


async def test_text_is_told_as_it_comes_and_the_voice_is_silent() -> None:
    voice, answer = Voice(), Answer()
    act = performance(ScriptedModel("Yes, of course."), TEXT, voice)
    act.wanted(answer.take)
    await act.run()
    assert answer.told[0] == ("say", "Yes, of course.")
    assert voice.said == []


async def test_a_guess_tells_nothing_until_it_is_wanted_and_then_all_of_it() -> None:
    answer = Answer()
    act = performance(ScriptedModel("Yes."))
    await act.run()
    assert act.over.is_set()
    assert answer.told == []
    act.wanted(answer.take)
    assert [kind for kind, *_ in answer.told] == ["say", "sound", "end"]


async def test_stopped_it_thinks_and_says_no_more() -> None:
    model, voice, answer = ScriptedModel(["Yes, ", Gate()]), Voice(), Answer()
    voice.go.clear()
    act = performance(model, voice=voice)
    act.wanted(answer.take)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(act.run)
        await eventually(lambda: bool(voice.said))
        act.scope.cancel()
        await act.over.wait()
    assert (model.cancelled, answer.told) == (1, [])
    assert voice.marks[0].terminate


async def test_calls_limits_and_costs_are_told_at_the_end() -> None:
    model, answer = ScriptedModel(), Answer()
    call = ToolCall("c1", "multiply", "{}")
    model.answer("Wait.", reason="length", usage=Usage(3, 4, 7), tool_calls=[call])
    act = performance(model, TEXT)
    act.wanted(answer.take)
    await act.run()
    assert answer.told[1:] == [
        ("call", "multiply", "{}", "c1"),
        ("end", "incomplete", "max_output_tokens", {
            "usage": ResponseUsage(total_tokens=7, input_tokens=3, output_tokens=4)}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProviderError("upstream_timeout", "Too late."), "upstream_timeout"),
        (None, "invalid_request"),
    ],
)
async def test_what_goes_wrong_is_told_by_its_code(error: ProviderError | None, code: str) -> None:
    def impossible() -> ModelRequest:
        raise InvalidRequest("invalid_request", "No.")

    answer, model = Answer(), ScriptedModel()
    model.answer(*([error] if error else []))
    act = Performance(engines_of(model), asked if error else impossible, AUDIO)
    act.wanted(answer.take)
    await act.run()
    why = ResponseFailure(type="server_error", code=code)
    assert answer.told == [("end", "failed", {"error": why})]


async def test_where_the_voice_fails_the_answer_has_failed_and_thinking_ends() -> None:
    class Mute(Voice):
        def say(self, text: str, *, speed: float = 1.0, mark: object = None) -> bytes:
            raise ValueError

    answer, model = Answer(), ScriptedModel(["Yes, ", Gate()])
    act = performance(model, voice=Mute())
    act.wanted(answer.take)
    await act.run()
    assert model.cancelled == 1
    why = ResponseFailure(type="server_error", code="upstream_error")
    assert answer.told == [("end", "failed", {"error": why})]


def test_the_form_is_what_the_manner_asks_for() -> None:
    assert Form.of(ResponseParams()) == AUDIO
    assert Form.of(ResponseParams(output_modalities=("text",))) == TEXT
    told = {"audio": {"output": {"format": {"type": "audio/pcma"}, "speed": 1.5}}}
    manner = msgspec.convert(told, ResponseParams)
    assert Form.of(manner) == Form(True, "audio/pcma", 8_000, 1.5)


SAID = [("Yes, ", 100), ("one two three four", 500)]


@pytest.mark.parametrize(
    ("played", "heard"),
    [(0, ""), (99, ""), (100, "Yes,"), (300, "Yes, one two"), (499, "Yes, one two three"),
     (500, "Yes, one two three four"), (9999, "Yes, one two three four")],
)  # fmt: skip
def test_what_was_heard_of_an_answer_that_was_cut(played: int, heard: str) -> None:
    assert heard_of(SAID, played) == heard


def test_a_step_is_a_verb_of_an_answer() -> None:
    answer = Answer()
    answer.take(methodcaller("say", "Yes."))
    assert answer.told == [("say", "Yes.")]
