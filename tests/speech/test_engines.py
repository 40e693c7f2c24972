from __future__ import annotations

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.testing import ScriptedModel
from tests.local.processes import eventually
from tests.speech.engines_of import Recogniser, Voice, engines_of


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
