from __future__ import annotations

import sys

import pytest

from chatbots.app import Chatbots
from chatbots.errors import ConfigurationError
from chatbots.server.access import OpenDoor
from chatbots.server.backend import Limits
from chatbots.settings import Settings
from chatbots.tools.registry import ToolRegistry
from chatbots.version import installing


async def test_the_server_is_an_application_to_be_mounted() -> None:
    settings = Settings(
        openai_api_key="k",
        openai_model="m",
        server_in_flight=3,
        server_write_timeout=7,
        server_drain_timeout=2,
    )
    async with Chatbots(settings) as bots:
        app = bots.asgi(tools=[len])
        assert app.backend.model_name == "m"
        assert [tool.name for tool in app.backend.tools] == ["len"]
        assert app.backend.store() is bots.store
        assert app.limits == Limits(in_flight=3, write_timeout=7, drain=2)
        registry = ToolRegistry()
        assert bots.asgi(tools=registry, guard=OpenDoor()).backend.tools is registry


def test_without_its_extra_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "chatbots.server.application", raising=False)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(ConfigurationError, match="starlette") as caught:
        Chatbots(Settings(openai_api_key="k")).asgi()
    assert caught.value.code == "extra_missing"
    assert installing("server") in str(caught.value.hint)


async def test_a_stream_is_an_answer_over_http() -> None:
    async with Chatbots(Settings(openai_api_key="k")) as bots:
        response = bots.sse(bots.stateless().stream("Hi"), model="m")
        assert response.media_type == "text/event-stream"
