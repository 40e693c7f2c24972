from __future__ import annotations

import json

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chatbots.speech.serving import PATH, serving
from chatbots.testing import ScriptedModel
from tests.speech.engines_of import Voice, engines_of


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
