from __future__ import annotations

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.messages import ModelRequest
from chatbots.realtime.events.session import ResponseParams
from chatbots.speech.thinking import request
from chatbots.testing import ScriptedModel
from tests.local.processes import eventually
from tests.speech.engines_of import Recogniser, Voice, engines_of
from tests.speech.test_ear import tone


async def test_text_is_said_as_it_is_spoken_and_sound_is_heard() -> None:
    voice, recogniser = Voice(), Recogniser("Hello.")
    engines = engines_of(ScriptedModel(), recogniser, voice)
    assert len(await engines.say("It is 5.", speed=2)) == 48 * 10 * len("It is five.") / 2
    assert voice.said == ["It is five."]
    assert await engines.hear(bytes(32_000)) == "Hello."
    assert recogniser.heard == [1000]


async def test_it_is_said_by_whoever_is_asked_to() -> None:
    first, puck = Voice(), Voice()
    engines = engines_of(ScriptedModel(), voice=first, am_puck=puck)
    for name in ("am_puck", "puck", "marin", "", "af_heart", "nobody"):
        await engines.say(name, voice=name)
    assert puck.said == ["am puck", "puck"]
    assert first.said == ["marin", "", "af heart", "nobody"]


async def test_cancelled_the_work_of_the_voice_ends_too() -> None:
    voice = Voice()
    voice.go.clear()
    engines = engines_of(ScriptedModel(), voice=voice)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engines.say, "A long story.")
        await eventually(lambda: bool(voice.marks))
        tasks.cancel_scope.cancel()
    assert voice.marks[0].terminate
    voice.go.set()
    assert await engines.say("Go on.")  # the voice is free again


async def test_the_voice_says_one_thing_at_a_time() -> None:
    voice = Voice()
    voice.go.clear()
    engines = engines_of(ScriptedModel(), voice=voice)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engines.say, "One.")
        tasks.start_soon(engines.say, "Two.")
        await eventually(lambda: bool(voice.said))
        await anyio.sleep(0.05)
        assert len(voice.said) == 1
        voice.go.set()
    assert len(voice.said) == 2


async def test_what_an_engine_cannot_do_is_told_without_what_was_said() -> None:
    class Mute(Voice):
        def say(self, text: str, *, speed: float = 1.0, mark: object = None) -> bytes:
            raise ValueError(text)

    engines = engines_of(ScriptedModel(), voice=Mute())
    with pytest.raises(ProviderError, match="cannot be said: ValueError") as caught:
        await engines.say("Hello")
    assert "Hello" not in str(caught.value)
    with pytest.raises(ProviderError, match="cannot be made out: IndexError"):
        await engines.hear(b"")


async def test_the_model_reads_ahead_where_it_may_and_what_comes_of_it_is_nothing() -> None:
    def asked() -> ModelRequest:
        return request(ResponseParams(), [], audible=True)

    model = ScriptedModel("Hm.")
    await engines_of(model).read_ahead(asked)
    assert model.requests == []
    engines = engines_of(model, reads_ahead=True)
    for _ in range(2):  # the second fails: there is no other answer
        await engines.read_ahead(asked)
    assert [one.sampling.max_tokens for one in model.requests] == [1, 1]


async def test_of_noise_nothing_is_made_out() -> None:
    engines = engines_of(ScriptedModel(), Recogniser("You", "Hello."))
    assert await engines.hear_any(bytes(32_000)) == ""
    assert await engines.hear_any(tone(500, 16_000)) == "You"
