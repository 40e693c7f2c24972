"""Which client a bot asks with, over real sockets."""

from __future__ import annotations

import traceback
from pathlib import Path

import anyio
import msgspec
import pytest
from openai import AsyncOpenAI

from chatbots import clients
from chatbots.app import Chatbots
from chatbots.clients import (
    find_weights,
    local_model,
    local_speech,
    realtime_address,
    realtime_client,
    realtime_dialer,
    weights_of,
)
from chatbots.errors import ChatError, ConfigurationError
from chatbots.local.model import Endpoint
from chatbots.settings import Settings
from chatbots.speech import files
from chatbots.speech.dialing import SpeechDialer
from chatbots.testing import FakeOpenAI
from chatbots.testing.http1 import Exchange


def settings_for(fake: FakeOpenAI, **values: object) -> Settings:
    return Settings(openai_base_url=fake.base_url, **values)


# The client


async def test_nothing_is_sent_before_the_first_turn() -> None:
    async with FakeOpenAI() as fake:
        async with Chatbots(settings_for(fake)) as bots:
            bots.stateless(), bots.memory(), bots.streaming()
        assert fake.connections == 0


@pytest.mark.checklist(181)
async def test_equal_settings_on_one_loop_share_a_client() -> None:
    async with FakeOpenAI() as fake:
        async with Chatbots(settings_for(fake)) as one:
            async with Chatbots(settings_for(fake)) as other:
                await one.stateless().ask("Hi")
                await other.stateless().ask("Hi")
            await one.stateless().ask("Still open?")
            assert fake.connections == 1
        await fake.until(lambda: fake.open_connections == 0)


async def test_another_key_is_another_client() -> None:
    async with FakeOpenAI() as fake:
        async with (
            Chatbots(settings_for(fake, openai_api_key="a")) as one,
            Chatbots(settings_for(fake, openai_api_key="b")) as other,
        ):
            await one.stateless().ask("Hi")
            await other.stateless().ask("Hi")
        assert [call.headers["authorization"] for call in fake.calls] == ["Bearer a", "Bearer b"]
        assert fake.connections == 2


async def test_closing_twice_is_no_error() -> None:
    async with FakeOpenAI() as fake:
        bots = Chatbots(settings_for(fake))
        await bots.stateless().ask("Hi")
        await bots.aclose()
        await bots.aclose()
        await fake.until(lambda: fake.open_connections == 0)


@pytest.mark.checklist(151)
async def test_an_applications_own_client_is_used_and_left_open() -> None:
    async with FakeOpenAI() as fake, AsyncOpenAI(base_url=fake.base_url, api_key="mine") as mine:
        async with Chatbots(Settings(), client=mine) as bots:
            await bots.stateless().ask("Hi")
        assert not mine.is_closed()
        assert fake.calls[0].headers["authorization"] == "Bearer mine"
        async with Chatbots(Settings(), client=mine) as bots:
            await bots.stateless().ask("Hi")


# Azure

AZURE_KEY = "canary-azure-0123456789"


def azure_for(fake: FakeOpenAI, **values: object) -> Settings:
    return Settings(
        azure_openai_endpoint=fake.base_url.removesuffix("/v1"),
        azure_openai_api_key=AZURE_KEY,
        openai_api_key="sk-not-for-azure",
        openai_org_id="org-not-for-azure",
        **values,
    )


@pytest.mark.parametrize(
    ("version", "place", "query"),
    [
        (None, "/openai/v1", ""),
        ("2025-01-01", "/openai/deployments/{}", "?api-version=2025-01-01"),
    ],
)
async def test_azure_is_asked_by_settings(version: str | None, place: str, query: str) -> None:
    async with FakeOpenAI(api_key=AZURE_KEY) as fake:
        settings = azure_for(
            fake,
            openai_api_version=version,
            azure_openai_deployment="mine",
            openai_embedding_model="vectors",
            openai_max_tokens=7,
        )
        async with Chatbots(settings) as bots:
            async with bots.streaming().stream("Hi") as s:
                assert "".join([text async for text in s.text]) == "Hi"
            assert (await bots.stateless().ask("Hi", model="other")).text == "Hi"
            await bots.embed("text")
        assert [call.target for call in fake.calls] == [
            f"{place.format(model)}{path}{query}"
            for model, path in (
                ("mine", "/chat/completions"),
                ("other", "/chat/completions"),
                ("vectors", "/embeddings"),
            )
        ]
    assert [call.json["model"] for call in fake.calls] == ["mine", "other", "vectors"]
    # Azure is OpenAI's own, not a compatible server.
    assert fake.calls[0].json["max_completion_tokens"] == 7
    for call in fake.calls:
        assert call.headers["api-key"] == AZURE_KEY
        assert "authorization" not in call.headers
        assert "not-for-azure" not in str(call.headers)


@pytest.mark.parametrize("version", [None, "2024-10-21"])
@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (
            400,
            {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's "
                f"content management policy. {AZURE_KEY}",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
                },
            },
            "content_filtered",
        ),
        (
            404,
            {"code": "DeploymentNotFound", "message": "The API deployment does not exist."},
            "model_not_available",
        ),
        (
            401,
            {"code": "401", "message": f"Access denied due to invalid key {AZURE_KEY}."},
            "upstream_auth",
        ),
        (429, {"code": "429", "message": "Requests have exceeded token rate."}, "rate_limited"),
    ],
)
async def test_azures_errors_are_ours_and_its_key_is_in_none(
    status: int, error: dict[str, object], code: str, version: str | None
) -> None:
    async with FakeOpenAI() as fake:
        # 61 seconds are more than is waited for.
        for _ in range(2):
            fake.answer(status=status, error=error, headers={"retry-after": "61"})
        async with Chatbots(azure_for(fake, openai_api_version=version)) as bots:
            for bot in (bots.stateless(), bots.streaming()):
                with pytest.raises(ChatError) as caught:
                    await bot.ask("Hi")
                assert caught.value.code == code
                assert AZURE_KEY not in "".join(traceback.format_exception(caught.value))
    # Asked to slow down, nobody asks again before the time.
    assert len(fake.calls) == (1 if code == "rate_limited" else 2)


async def test_azures_stream_begins_with_a_chunk_about_the_prompt() -> None:
    chunks = (
        {
            "choices": [],
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
        },
        {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
        {
            "choices": [
                {"index": 0, "delta": {"content": "Hi"}, "content_filter_results": {"hate": {}}}
            ]
        },
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )

    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        for chunk in chunks:
            await exchange.send(b"data: %b\n\n" % msgspec.json.encode(chunk))
        await exchange.finish(b"data: [DONE]\n\n")

    async with FakeOpenAI() as fake, Chatbots(azure_for(fake)) as bots:
        fake.play(player)
        reply = await bots.streaming().ask("Hello")
    assert (reply.text, reply.state) == ("Hi", "completed")


async def test_a_base_url_wins_over_azure_whose_key_it_never_gets() -> None:
    async with FakeOpenAI() as azure, FakeOpenAI() as fake:
        settings = Settings(
            **azure_for(azure).model_dump(exclude_unset=True), openai_base_url=fake.base_url
        )
        async with Chatbots(settings) as bots:
            await bots.stateless().ask("Hi")
        assert azure.calls == []
        assert AZURE_KEY not in str(fake.calls[0].headers)


def test_azure_without_its_own_key_is_not_configured() -> None:
    settings = Settings(azure_openai_endpoint="https://h.invalid", openai_api_key="sk-1")
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY") as caught:
        Chatbots(settings)
    assert caught.value.code == "not_configured"


# Nobody to ask


@pytest.mark.parametrize("weights", [True, False])
def test_the_library_never_takes_the_local_model_by_itself(
    weights: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clients, "find_weights", lambda _: tmp_path if weights else None)
    with pytest.raises(ConfigurationError) as caught:
        Chatbots(Settings())
    assert caught.value.code == "not_configured"
    for remedy in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHATBOTS_LOCAL=1"):
        assert remedy in str(caught.value)


# The local model


class Local:
    """A local model that is somewhere else, and moves."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints = list(endpoints)
        self.closed = 0

    async def endpoint(self) -> Endpoint:
        await anyio.lowlevel.checkpoint()
        return self.endpoints[0]

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed += 1


def at(fake: FakeOpenAI, key: str) -> Endpoint:
    return Endpoint(base_url=fake.base_url, api_key=key, pid=1, model="local")


@pytest.mark.parametrize("asked", [{"chatbots_local": True}, {"openai_model": "local"}])
async def test_asked_for_by_name_the_local_model_answers(
    asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeOpenAI(api_key="one") as fake, FakeOpenAI(api_key="two") as restarted:
        local = Local(at(fake, "one"), at(restarted, "two"))

        async def found(_: Settings) -> Local:
            return local

        monkeypatch.setattr(clients, "local_model", found)
        settings = Settings(openai_base_url="http://elsewhere.invalid/v1", **asked)
        async with Chatbots(settings) as bots:
            await bots.stateless().ask("Hi")
            local.endpoints.pop(0)
            await bots.stateless().ask("Where are you?")
            await fake.until(lambda: fake.open_connections == 0)
        assert fake.calls[0].json["model"] == "local"
        assert len(restarted.calls) == 1
        assert local.closed == 1
        await restarted.until(lambda: restarted.open_connections == 0)


async def test_cancelled_it_gives_everything_back_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeOpenAI() as fake:
        local = Local(at(fake, "any"))

        async def found(_: Settings) -> Local:
            return local

        monkeypatch.setattr(clients, "local_model", found)
        with anyio.CancelScope() as scope:
            async with Chatbots(Settings(chatbots_local=True)) as bots:
                await bots.stateless().ask("Hi")
                scope.cancel()
                await anyio.sleep_forever()
        assert local.closed == 1
        await fake.until(lambda: fake.open_connections == 0)


async def test_only_the_local_model_is_helped_to_call_tools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    async with FakeOpenAI(api_key="one") as fake:

        async def found(_: Settings) -> Local:
            await anyio.lowlevel.checkpoint()
            return Local(at(fake, "one"))

        monkeypatch.setattr(clients, "local_model", found)
        for answer in ('{"tool":"double"}', '{"number":21}', "It is 42."):
            fake.answer(answer)
        async with Chatbots(Settings(chatbots_local=True)) as bots:
            reply = await bots.streaming(tools=[double]).ask("Double 21.")
        assert reply.text == "It is 42."
        assert [("tools" in call.json, call.json.get("stream")) for call in fake.calls] == [
            (False, None),
            (False, None),
            (False, True),
        ]
        there = Settings(openai_base_url=fake.base_url, openai_api_key="one")
        async with Chatbots(there) as bots:
            await bots.stateless().ask("Hi", tools=[double])
        assert "tools" in fake.calls[3].json


async def test_a_local_model_that_was_never_asked_is_never_looked_for() -> None:
    async with Chatbots(Settings(chatbots_local=True)):
        pass


async def test_a_local_model_that_is_not_here_is_an_error_of_the_turn(tmp_path: Path) -> None:
    settings = Settings(chatbots_local=True, chatbots_cache=tmp_path)
    async with Chatbots(settings) as bots:
        with pytest.raises(ConfigurationError, match="chatbots models pull") as caught:
            await bots.stateless().ask("Hi")
        with pytest.raises(ConfigurationError, match=r"chatbots models pull --speech$"):
            await bots.voice().ask("Hi")
    assert caught.value.code == "weights_missing"


async def test_a_file_of_ones_own_is_the_local_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF...")
    settings = Settings(chatbots_local_model=path)
    assert find_weights(settings) == path
    model = await local_model(settings)
    await model.aclose()


def test_weights_are_looked_for_in_the_cache_of_the_settings(tmp_path: Path) -> None:
    store, weights = weights_of(Settings(chatbots_cache=tmp_path))
    assert store.place(weights) == tmp_path / "models" / weights.file
    assert find_weights(Settings(chatbots_cache=tmp_path)) is None


# Where realtime sessions are opened


@pytest.mark.checklist(74, 147, 155)
def test_a_realtime_session_is_opened_beside_the_rest_of_the_api() -> None:
    plain = realtime_address(Settings(openai_api_key="sk-abc", openai_base_url="http://h:1/v1/"))
    assert (plain.url(model="m"), plain.key) == ("ws://h:1/v1/realtime?model=m", "sk-abc")
    openai = realtime_address(Settings(openai_api_key="sk-abc"))
    assert openai.url() == "wss://api.openai.com/v1/realtime"


@pytest.mark.parametrize(
    ("settings", "here"),
    [
        (Settings(), True),
        (Settings(chatbots_local=True, openai_api_key="sk-abc"), True),
        (Settings(openai_api_key="sk-abc"), False),
        (Settings(openai_base_url="http://h/v1"), False),
        (Settings(openai_realtime_url="ws://h/live"), False),
    ],
)
def test_where_nobody_is_named_sessions_are_held_on_this_machine(
    settings: Settings, here: bool
) -> None:
    assert (realtime_address(settings).url() == "ws://127.0.0.1/v1/realtime") is here
    assert isinstance(realtime_dialer(settings), SpeechDialer) is here


async def test_the_speech_stack_needs_the_language_model_its_packages_and_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(chatbots_cache=tmp_path)
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="onnxruntime"):
        await local_speech(settings)
    monkeypatch.setattr(files, "PACKAGES", ())
    with pytest.raises(ConfigurationError, match="The local model, Qwen"):
        await local_speech(settings)
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF")
    with pytest.raises(ConfigurationError, match="Kokoro-82M, the voice"):
        await local_speech(Settings(chatbots_cache=tmp_path, chatbots_local_model=mine))


def test_settings_of_its_own_win_over_where_the_rest_is() -> None:
    settings = Settings(
        openai_base_url="http://h/v1",
        openai_org_id="o",
        openai_project_id="p",
        openai_realtime_url="ws://other/live",
        openai_realtime_dialect="beta",
    )
    address = realtime_address(settings)
    assert (address.url(), address.dialect) == ("ws://other/live", "beta")
    assert (address.organization, address.project) == ("o", "p")


@pytest.mark.parametrize(
    ("version", "url"),
    [
        (None, "wss://res/openai/v1/realtime?model=d"),
        ("2024-10-01-preview", "wss://res/openai/realtime?api-version=2024-10-01-preview&deployment=d"),
    ],
)  # fmt: skip
def test_azure_is_asked_by_whichever_of_its_apis_is_set(version: str | None, url: str) -> None:
    settings = Settings(
        azure_openai_endpoint="https://res", azure_openai_api_key="k", openai_api_version=version
    )
    assert realtime_address(settings).url(model="d") == url
    with pytest.raises(ConfigurationError, match="no key"):
        realtime_address(Settings(azure_openai_endpoint="https://res"))


def test_a_realtime_client_is_as_patient_as_the_others() -> None:
    settings = Settings(
        openai_api_key="sk-abc",
        openai_realtime_model="rt",
        chatbots_connect_timeout=1,
        chatbots_first_token_timeout=2,
        chatbots_gap_timeout=3,
        chatbots_timeout=4,
    )
    client = realtime_client(settings, realtime_dialer(settings))
    assert (client.model, client.address.key) == ("rt", "sk-abc")
    patience = client.patience
    assert patience is not None
    assert (patience.first_delta, patience.gap, patience.response) == (2, 3, 4)
    assert vars(client.dialer)["_limits"].open == 1


def test_the_way_to_a_realtime_server_is_by_the_environments_proxies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    dialer = realtime_dialer(Settings(openai_api_key="sk-abc"))
    assert vars(dialer)["_proxies"].to("wss://api.openai.com/") == "http://proxy:1"
