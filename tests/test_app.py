"""The facade: what an application has, over real sockets."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from openai import AsyncOpenAI

from chatbots import app
from chatbots.app import Chatbots, ask_sync, find_weights, local_model, weights_of
from chatbots.errors import ChatError, ConfigurationError
from chatbots.images import Image
from chatbots.local.model import Endpoint
from chatbots.messages import Message, Turn
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI
from chatbots.testing.http1 import Exchange

ROOT = Path(__file__).parent.parent


def settings_for(fake: FakeOpenAI, **values: object) -> Settings:
    return Settings(openai_base_url=fake.base_url, **values)


@contextmanager
def answering() -> Iterator[FakeOpenAI]:
    """Run a fake server in another thread, for programs without a loop."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeOpenAI()) as fake,
    ):
        yield fake


# Bots


async def test_a_stateless_bot_answers() -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        fake.answer("Paris.")
        reply = await bots.stateless().ask("Capital of France?")
    assert (reply.text, reply.state, reply.session) == ("Paris.", "completed", None)


async def test_two_handles_on_one_session_share_what_was_said() -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        await bots.memory(session="ada").ask("My name is Ada.")
        async with bots.streaming(session="ada").stream("What is my name?") as s:
            assert "".join([text async for text in s.text]) == "What is my name?"
        said = [message["content"] for message in fake.calls[1].json["messages"]]
    assert said == ["My name is Ada.", "My name is Ada.", "What is my name?"]
    assert s.reply.session == "ada"


@pytest.mark.parametrize("kind", ["memory", "streaming"])
async def test_without_a_session_a_bot_has_a_conversation_of_its_own(kind: str) -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        one, other = getattr(bots, kind)(), getattr(bots, kind)()
        await one.ask("My name is Ada.")
        await other.ask("What is my name?")
        await one.ask("And now?")
        counts = [len(call.json["messages"]) for call in fake.calls]
    assert counts == [1, 1, 3]
    assert one.session != other.session


async def test_a_bots_defaults_hold_unless_a_call_says_otherwise() -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        bot = bots.stateless(model="m", instructions="Be brief.", temperature=0)
        await bot.ask("Hi")
        await bot.ask("Hi", model="n", instructions="")
        first, second = (call.json for call in fake.calls)
    assert (first["model"], first["temperature"]) == ("m", 0)
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (second["model"], second["temperature"]) == ("n", 0)
    assert [message["role"] for message in second["messages"]] == ["user"]


@pytest.mark.parametrize("own_client", [False, True])
@pytest.mark.parametrize("kind", ["stateless", "memory", "streaming"])
@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("temperature", 0, {"temperature": 0}),
        ("top_p", 0.5, {"top_p": 0.5}),
        ("frequency_penalty", -2, {"frequency_penalty": -2}),
        ("presence_penalty", 2.0, {"presence_penalty": 2}),
        ("max_tokens", 7, {"max_tokens": 7}),
        ("stop", "END", {"stop": ["END"]}),
        ("stop", ("\n", "END"), {"stop": ["\n", "END"]}),
        ("seed", 0, {"seed": 0}),
        ("logprobs", 0, {"logprobs": True, "top_logprobs": 0}),
        ("reasoning_effort", "low", {"reasoning_effort": "low"}),
    ],
)
async def test_each_way_to_pick_words_reaches_the_wire(
    name: str, value: object, sent: dict[str, object], kind: str, own_client: bool
) -> None:
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(api_key="k", base_url=fake.base_url, max_retries=0) as given,
        Chatbots(settings_for(fake), client=given if own_client else None) as bots,
    ):
        await getattr(bots, kind)().ask("Hi", **{name: value})
        said = fake.calls[0].json
    for name in ("model", "messages", "stream", "stream_options"):
        said.pop(name, None)
    assert said == sent


async def test_an_image_is_seen_again_in_the_next_turn() -> None:
    image = Image.of(b"\x89PNG\r\n\x1a\n...")
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        bot = bots.memory()
        await bot.ask(Message("user", "What is this?", images=(image,)))
        await bot.ask("And now?")
        first, second = (call.json["messages"] for call in fake.calls)
    assert first[0]["content"][1] == {"type": "image_url", "image_url": {"url": image.url}}
    assert second[0] == first[0]


async def test_the_settings_reach_the_wire() -> None:
    async with FakeOpenAI(api_key="k") as fake:
        settings = settings_for(
            fake,
            openai_api_key="k",
            openai_model="m",
            openai_temperature=0.5,
            openai_max_tokens=7,
            openai_org_id="org-1",
            openai_project_id="proj-1",
            assistant_instructions="Be brief.",
        )
        async with Chatbots(settings) as bots:
            await bots.stateless().ask("Hi")
        call = fake.calls[0]
    assert (call.json["model"], call.json["temperature"], call.json["max_tokens"]) == ("m", 0.5, 7)
    assert call.json["messages"][0]["content"] == "Be brief."
    assert call.headers["openai-organization"] == "org-1"
    assert call.headers["openai-project"] == "proj-1"


async def test_a_fallback_model_answers_for_one_that_does_not_exist() -> None:
    async with FakeOpenAI(models=["two"]) as fake:
        settings = settings_for(fake, openai_model="one", chatbots_fallback_models="two")
        async with Chatbots(settings) as bots:
            assert (await bots.stateless().ask("Hi")).text == "Hi"
        assert [call.json["model"] for call in fake.calls] == ["one", "two"]


async def test_the_timeout_and_the_prompts_length_are_the_settings() -> None:
    async with FakeOpenAI() as fake:
        settings = settings_for(fake, chatbots_timeout=0.2, chatbots_max_prompt_chars=5)
        async with Chatbots(settings) as bots:
            with pytest.raises(ChatError) as caught:
                await bots.stateless().ask("123456")
            assert caught.value.code == "prompt_too_long"
            fake.answer(hold=anyio.Event())
            with pytest.raises(ChatError) as caught:
                await bots.memory().ask("Hi")
            assert caught.value.code == "upstream_timeout"


async def test_the_sessions_are_bounded_by_the_settings() -> None:
    async with (
        FakeOpenAI() as fake,
        Chatbots(settings_for(fake, chatbots_max_sessions=1)) as bots,
    ):
        await bots.memory(session="one").ask("Hi")
        await bots.memory(session="two").ask("Hi")
        assert not await bots.store.load("one")
        assert await bots.store.load("two")


class Counting(InMemorySessions):
    """A store that says how many turns it keeps: none is nothing false."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[Turn] = []

    def __len__(self) -> int:
        return len(self.finished)

    async def finish(self, *args: object, **kwargs: object) -> Turn:
        turn = await super().finish(*args, **kwargs)  # type: ignore[arg-type]  # passed on
        self.finished.append(turn)
        return turn


async def test_an_applications_own_store_is_used_even_while_it_is_empty() -> None:
    store = Counting()
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake), store=store) as bots:
        assert bots.store is store
        await bots.memory().ask("Hi")
    assert len(store) == 1


async def test_without_settings_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeOpenAI() as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)
        async with Chatbots() as bots:
            await bots.stateless().ask("Hi")
        assert len(fake.calls) == 1


# The client


async def test_nothing_is_sent_before_the_first_turn() -> None:
    async with FakeOpenAI() as fake:
        async with Chatbots(settings_for(fake)) as bots:
            bots.stateless(), bots.memory(), bots.streaming()
        assert fake.connections == 0


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


async def test_an_applications_own_client_is_used_and_left_open() -> None:
    async with FakeOpenAI() as fake, AsyncOpenAI(base_url=fake.base_url, api_key="mine") as mine:
        async with Chatbots(Settings(), client=mine) as bots:
            await bots.stateless().ask("Hi")
        assert not mine.is_closed()
        assert fake.calls[0].headers["authorization"] == "Bearer mine"
        async with Chatbots(Settings(), client=mine) as bots:
            await bots.stateless().ask("Hi")


# Embeddings


async def test_texts_are_embedded_by_the_model_of_the_settings_or_of_the_call() -> None:
    async with FakeOpenAI() as fake:
        async with Chatbots(settings_for(fake, openai_embedding_model="small")) as bots:
            one = await bots.embed("text")
            more = await bots.embed(["a", "b", "c"], model="large", dimensions=4)
            await bots.stateless().ask("Hi")
        assert fake.connections == 1
    assert (one.model, len(one.vectors)) == ("small", 1)
    assert (more.model, [len(vector) for vector in more.vectors]) == ("large", [4, 4, 4])


async def test_embedding_ends_at_the_timeout_of_the_settings() -> None:
    async def never(exchange: Exchange) -> None:
        await anyio.sleep_forever()

    async with (
        FakeOpenAI(player=never) as fake,
        Chatbots(settings_for(fake, chatbots_timeout=0.1)) as bots,
    ):
        with pytest.raises(ChatError) as caught:
            await bots.embed("text")
    assert caught.value.code == "upstream_timeout"


async def test_the_local_model_says_that_it_does_not_embed_without_being_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "local_model", None)
    async with Chatbots(Settings(chatbots_local=True)) as bots:
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
            await bots.embed("text")
    assert caught.value.code == "not_configured"


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
    monkeypatch.setattr(app, "find_weights", lambda _: tmp_path if weights else None)
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

        monkeypatch.setattr(app, "local_model", found)
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

        monkeypatch.setattr(app, "local_model", found)
        with anyio.CancelScope() as scope:
            async with Chatbots(Settings(chatbots_local=True)) as bots:
                await bots.stateless().ask("Hi")
                scope.cancel()
                await anyio.sleep_forever()
        assert local.closed == 1
        await fake.until(lambda: fake.open_connections == 0)


async def test_a_local_model_that_was_never_asked_is_never_looked_for() -> None:
    async with Chatbots(Settings(chatbots_local=True)):
        pass


async def test_a_local_model_that_is_not_here_is_an_error_of_the_turn(tmp_path: Path) -> None:
    settings = Settings(chatbots_local=True, chatbots_cache=tmp_path)
    async with Chatbots(settings) as bots:
        with pytest.raises(ConfigurationError, match="chatbots models pull") as caught:
            await bots.stateless().ask("Hi")
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


# Without a loop of one's own


def test_a_plain_program_asks_in_one_call() -> None:
    with answering() as fake:
        fake.answer("Paris.")
        assert ask_sync("Capital of France?", settings=settings_for(fake)).text == "Paris."


async def test_a_notebooks_cell_asks_while_its_own_loop_runs() -> None:
    with answering() as fake:
        assert ask_sync("Hi", settings=settings_for(fake), model="m").text == "Hi"
        assert fake.calls[0].json["model"] == "m"


def test_asked_in_one_call_a_failure_raises_as_itself() -> None:
    with answering() as fake:
        fake.answer(status=401, error="No.")
        with pytest.raises(ChatError) as caught:
            ask_sync("Hi", settings=settings_for(fake))
    assert caught.value.code == "upstream_auth"


def test_asked_in_one_call_nobody_to_ask_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        ask_sync("Hi", settings=Settings())


# What it costs


def test_nothing_of_the_sdk_is_imported_before_the_first_turn() -> None:
    code = (
        "import sys\n"
        "from chatbots import Chatbots, Settings\n"
        "bots = Chatbots(Settings(openai_api_key='k'))\n"
        "bots.memory()\n"
        "print([name for name in ('openai', 'httpx2', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "[]\n", done.stderr
