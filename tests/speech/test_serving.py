from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from typing import Any, Literal

import httpx2
import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chatbots.realtime import g711
from chatbots.speech.serving import PATH, serving
from chatbots.testing import ScriptedModel
from tests.speech.engines_of import Recogniser, Voice, engines_of
from tests.speech.test_ear import silence, tone


async def test_whoever_has_the_key_converses_and_nobody_else() -> None:
    async with serving(engines_of(ScriptedModel("Yes.")), api_key="right") as port:
        url = f"ws://127.0.0.1:{port}{PATH}?model=any"
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é"}):
            with pytest.raises(InvalidStatus, match="401"):
                await connect(url, additional_headers=headers)
        right = {"Authorization": "Bearer right"}
        with pytest.raises(InvalidStatus, match="404"):
            await connect(url.replace(PATH, "/v1/other"), additional_headers=right)
        async with connect(url, additional_headers=right, compression="deflate") as socket:
            created = json.loads(await socket.recv())
            assert (created["type"], created["session"]["model"]) == ("session.created", "any")
            told = {"type": "realtime", "output_modalities": ["text"]}
            await socket.send(json.dumps({"type": "session.update", "session": told}))
            await socket.send(json.dumps({"type": "response.create"}))
            kinds: list[str] = []
            while "response.done" not in kinds:
                message = await socket.recv()
                assert isinstance(message, str)
                kinds.append(json.loads(message)["type"])
            assert "response.output_text.delta" in kinds
            assert socket.protocol.extensions == []
        async with httpx2.AsyncClient() as http:
            health = await http.get(f"http://127.0.0.1:{port}/health")
            assert (health.status_code, health.json()) == (200, {"status": "ok"})


async def test_the_older_dialect_is_spoken_to_who_asks_for_it() -> None:
    async with serving(engines_of(ScriptedModel()), api_key="right") as port:
        headers = {"Authorization": "Bearer right", "OpenAI-Beta": "realtime=v1"}
        async with connect(f"ws://127.0.0.1:{port}{PATH}", additional_headers=headers) as socket:
            created = json.loads(await socket.recv())
            assert created["session"]["model"] == "local"
            assert created["session"]["input_audio_format"] == "pcm16"


async def test_a_session_says_whose_voice_it_has_and_who_else_can_be_asked_for() -> None:
    engines = engines_of(ScriptedModel("Yes."), joe=(joe := Voice()))
    async with serving(engines, api_key="right") as port:
        headers = {"Authorization": "Bearer right"}
        async with connect(f"ws://127.0.0.1:{port}{PATH}", additional_headers=headers) as socket:
            created = json.loads(await socket.recv())
            assert created["session"]["audio"]["output"]["voice"] == "af_heart"
            for name in ("nobody", "joe"):
                told = {"type": "realtime", "audio": {"output": {"voice": name}}}
                await socket.send(json.dumps({"type": "session.update", "session": told}))
            assert "'nobody'. Supported values are: 'af_heart', 'joe'." in str(await socket.recv())
            assert "session.updated" in str(await socket.recv())
            assert joe.begun  # before it is needed
            await socket.send(json.dumps({"type": "response.create"}))
            while "response.done" not in str(await socket.recv()):
                pass
    assert joe.said == ["Yes."]


async def test_who_leaves_in_the_middle_leaves_nothing_behind() -> None:
    async with serving(engines_of(ScriptedModel()), api_key="right") as port:
        headers = {"Authorization": "Bearer right"}
        for _ in range(3):
            socket = await connect(f"ws://127.0.0.1:{port}{PATH}", additional_headers=headers)
            await socket.recv()
            socket.transport.abort()


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
async def test_a_telephone_is_heard_and_spoken_to_in_its_own_sound(
    law: Literal["pcmu", "pcma"],
) -> None:
    form: Any = {"type": f"audio/{law}"}
    code: g711.Law = "ulaw" if law == "pcmu" else "alaw"
    recogniser = Recogniser("Are you there?")
    engines = engines_of(ScriptedModel("Yes."), recogniser)
    question = g711.encode(silence(100, 8_000) + tone(600, 8_000), code)
    sound = b""
    async with (
        serving(engines, api_key="right") as port,
        AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="right") as client,
        client.realtime.connect(model="local") as call,
    ):
        heard: Any = {"format": form, "turn_detection": None}
        await call.session.update(
            session={"type": "realtime", "audio": {"input": heard, "output": {"format": form}}}
        )
        await call.input_audio_buffer.append(audio=b64encode(question).decode())
        await call.input_audio_buffer.commit()
        await call.response.create()
        async for event in call:
            assert event.type != "error", event
            if event.type == "session.updated":
                told: Any = event.session.audio
                assert (told.input.format.type, told.output.format.type) == (f"audio/{law}",) * 2
            if event.type == "response.output_audio.delta":
                sound += b64decode(event.delta)
            if event.type == "response.done":
                break
    assert recogniser.heard == [pytest.approx(700, abs=5)]
    assert len(sound) / 8 == pytest.approx(10 * len("YES."), abs=1)
    assert max(array("h", g711.decode(sound, code))) < 20  # as soft as the voice's
