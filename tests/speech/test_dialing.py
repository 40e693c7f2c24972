from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from chatbots.errors import ConfigurationError
from chatbots.local.model import Endpoint, LocalModel
from chatbots.realtime.transport import WebSocketConn
from chatbots.speech.dialing import SpeechDialer


class Helper:
    """A local model that is somewhere else each time it is asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.closed = 0

    async def endpoint(self) -> Endpoint:
        self.asked += 1
        url = f"http://127.0.0.1:{5000 + self.asked}/v1"
        return Endpoint(base_url=url, api_key=f"key-{self.asked}", pid=1, model="speech")

    async def aclose(self) -> None:
        self.closed += 1


class Dialer:
    def __init__(self) -> None:
        self.dialled: list[tuple[str, Mapping[str, str]]] = []

    async def dial(self, url: str, headers: Mapping[str, str]) -> WebSocketConn:
        self.dialled.append((url, headers))
        return cast("WebSocketConn", self)


async def test_each_socket_goes_to_where_the_helper_is_now_with_its_key() -> None:
    helper, dialer, made = Helper(), Dialer(), list[Path]()

    async def speech() -> LocalModel:
        made.append(Path())
        return cast("LocalModel", helper)

    here = SpeechDialer(speech, dialer)
    await here.aclose()
    for _ in range(2):
        await here.dial("wss://any/v1/realtime?model=m", {"Authorization": "none", "X": "1"})
    there = [f"ws://127.0.0.1:{port}/v1/realtime?model=m" for port in (5001, 5002)]
    assert [url for url, _ in dialer.dialled] == there
    keys = [headers["Authorization"] for _, headers in dialer.dialled]
    assert keys == ["Bearer key-1", "Bearer key-2"]
    assert dialer.dialled[0][1]["X"] == "1"
    assert len(made) == 1
    await here.aclose()
    assert helper.closed == 1


async def test_what_is_missing_is_told_and_may_be_there_the_next_time() -> None:
    answers: list[LocalModel | ConfigurationError] = [
        ConfigurationError("weights_missing", "None."),
        cast("LocalModel", Helper()),
    ]

    async def speech() -> LocalModel:
        answer = answers.pop(0)
        if isinstance(answer, ConfigurationError):
            raise answer
        return answer

    here, url = SpeechDialer(speech, Dialer()), "ws://any/v1/realtime"
    with pytest.raises(ConfigurationError, match="None"):
        await here.dial(url, {})
    await here.dial(url, {})
