"""The facade: what an application has, over real sockets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from openai import AsyncOpenAI

from chatbots import clients
from chatbots.app import Chatbots
from chatbots.errors import ChatError, ConfigurationError
from chatbots.images import Image
from chatbots.local.model import LocalModel
from chatbots.messages import Message, Turn
from chatbots.places import sessions_file
from chatbots.realtime.websockets_transport import WebSocketsDialer
from chatbots.services.speech import Speech
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.speech.dialing import SpeechDialer
from chatbots.testing import FakeOpenAI, ScriptedModel
from chatbots.testing.http1 import Exchange
from tests.services.hosted import hosting
from tests.services.speaking import serving

ROOT = Path(__file__).parent.parent


def settings_for(fake: FakeOpenAI, **values: object) -> Settings:
    return Settings(openai_base_url=fake.base_url, **values)


# Bots


async def test_a_stateless_bot_answers() -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        fake.answer("Paris.")
        reply = await bots.stateless().ask("Capital of France?")
    assert (reply.text, reply.state, reply.session) == ("Paris.", "completed", None)


@pytest.mark.parametrize("kind", ["stateless", "memory", "streaming"])
async def test_a_tool_that_fails_tells_no_model_the_key(kind: str) -> None:
    key = "canary-as-no-pattern-knows-it"

    def leak() -> str:
        """Fail."""
        raise RuntimeError(f"refused with {key}")

    async with FakeOpenAI() as fake, Chatbots(settings_for(fake, openai_api_key=key)) as bots:
        fake.answer(tool_calls=[("leak", "{}")])
        fake.answer("Sorry.")
        await getattr(bots, kind)(tools=[leak]).ask("Do it.")
        told = fake.calls[1].json["messages"][-1]["content"]
    assert "RuntimeError: refused with" in told
    assert key not in told


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
async def test_each_way_to_pick_words_reaches_the_wire(kind: str, own_client: bool) -> None:
    ways: list[tuple[str, object, dict[str, object]]] = [
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
    ]
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(api_key="k", base_url=fake.base_url, max_retries=0) as given,
        Chatbots(settings_for(fake), client=given if own_client else None) as bots,
    ):
        for name, value, sent in ways:
            await getattr(bots, kind)().ask("Hi", **{name: value})
            said = fake.calls[-1].json
            always = ("model", "messages", "stream", "stream_options")
            assert {key: said[key] for key in said if key not in always} == sent


@pytest.mark.parametrize(
    ("values", "context", "known"),
    [
        ({}, 922_000, True),
        ({"openai_model": "gpt-4"}, 8_192, True),
        ({"openai_model": "mystery"}, 128_000, False),
        ({"openai_model": "gpt-4", "chatbots_context_tokens": 5000}, 5000, True),
        ({"chatbots_local": True}, 8_192, True),
        ({"chatbots_local": True, "chatbots_context_tokens": 5000}, 5000, True),
    ],
)
async def test_how_much_a_model_reads_is_a_setting_or_known(
    values: dict[str, object], context: int, known: bool
) -> None:
    async with Chatbots(Settings(**({"openai_base_url": "http://localhost/v1"} | values))) as bots:
        told = await bots.memory(session="ada").explain("Hi")
        other = await bots.memory(session="ada").explain("Hi", model="gpt-4")
    assert (told.context, told.context_known) == (context, known)
    assert other.context == min(context, 8_192)


async def test_the_settings_of_the_window_reach_the_wire() -> None:
    async with FakeOpenAI() as fake:
        settings = settings_for(fake, chatbots_window_turns=1, chatbots_summarize=True)
        async with Chatbots(settings) as bots:
            ada = bots.streaming(session="ada")
            for said in ("One", "Two"):
                await ada.ask(said)
            fake.answer("They counted.")
            await ada.ask("Three")
        summing, asked = (call.json["messages"] for call in fake.calls[-2:])
    assert "user: One" in summing[1]["content"]
    assert [m["content"] for m in asked][1:] == ["They counted.", "Two", "Two", "Three"]


async def test_tokens_are_counted_by_whatever_an_application_has() -> None:
    async with FakeOpenAI() as fake:
        bots = Chatbots(settings_for(fake), count_tokens=lambda text: 1000 * len(text))
        async with bots:
            told = await bots.memory(session="ada").explain("Hi")
    assert told.tokens["prompt"] > 2000


async def test_what_a_server_refused_is_known_to_every_bot() -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        one, other = bots.memory(session="ada"), bots.streaming(session="eve")
        for _ in range(3):
            await one.ask("word " * 300)
        fake.answer(
            status=400,
            error={
                "message": "This model reads 1,500 tokens; you sent 2,000.",
                "code": "context_length_exceeded",
            },
        )
        await one.ask("word " * 300)
        assert len(fake.calls) == 5
        assert (await other.explain("Hi")).context == 1500


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


async def test_the_local_model_has_no_fallback_for_it_answers_to_any_name() -> None:
    async with FakeOpenAI(models=["two"]) as fake:
        settings = Settings(chatbots_local=True, chatbots_fallback_models="two")
        async with (
            AsyncOpenAI(api_key="any", base_url=fake.base_url) as given,
            Chatbots(settings, client=given) as bots,
        ):
            with pytest.raises(ChatError, match="no such model"):
                await bots.stateless().ask("Hi")
        assert len(fake.calls) == 1


async def test_the_timeout_and_the_prompts_length_are_the_settings() -> None:
    async with FakeOpenAI() as fake:
        settings = settings_for(fake, chatbots_timeout=0.2, chatbots_max_prompt_chars=5)
        async with Chatbots(settings) as bots:
            with pytest.raises(ChatError) as caught:
                await bots.stateless().ask("123456")
            assert caught.value.code == "prompt_too_long"
            fake.answer(hold=anyio.Event())
            with pytest.raises(ChatError) as caught:
                await bots.stateless().ask("Hi")
            assert caught.value.code == "upstream_timeout"


async def test_the_sessions_are_bounded_by_the_settings() -> None:
    async with (
        FakeOpenAI() as fake,
        Chatbots(settings_for(fake, db_type="memory", chatbots_max_sessions=1)) as bots,
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


async def test_sessions_are_remembered_by_the_next_program_and_a_given_store_stays_open() -> None:
    async with FakeOpenAI() as fake:
        async with Chatbots(settings_for(fake)) as bots:
            await bots.memory(session="one").ask("Hi")
        async with Chatbots(settings_for(fake)) as bots:
            (turn,) = await bots.store.load("one")
            assert turn.state == "completed"
            async with Chatbots(settings_for(fake), store=bots.store) as others:
                await others.memory(session="one").ask("Ho")
            assert len(await bots.store.load("one")) == 2


async def test_a_bot_without_memory_opens_no_store() -> None:
    async with FakeOpenAI() as fake, Chatbots(settings_for(fake)) as bots:
        await bots.stateless().ask("Hi")
    assert not sessions_file(bots.settings).exists()


async def test_without_settings_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeOpenAI() as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)
        async with Chatbots() as bots:
            await bots.stateless().ask("Hi")
        assert len(fake.calls) == 1


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


async def test_a_pause_that_a_server_asks_for_holds_for_the_next_texts_too() -> None:
    async def busy(exchange: Exchange) -> None:
        await exchange.respond(429, b"{}", {"retry-after": "600"})

    async with FakeOpenAI(player=busy) as fake, Chatbots(settings_for(fake)) as bots:
        for _ in range(2):
            with pytest.raises(ChatError):
                await bots.embed("text")
    assert len(fake.calls) == 1


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
    monkeypatch.setattr(clients, "local_model", None)
    async with Chatbots(Settings(chatbots_local=True)) as bots:
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
            await bots.embed("text")
    assert caught.value.code == "not_configured"


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
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.stdout == "[]\n", done.stderr


# Realtime


async def test_a_realtime_bot_asks_its_own_model_over_a_session_that_stays_open() -> None:
    async with hosting(ScriptedModel("Hello.")) as server:
        settings = Settings(openai_api_key="sk-x", openai_realtime_model="rt", db_type="memory")
        async with Chatbots(settings, dialer=server) as bots:
            ada, bob = bots.realtime(session="ada"), bots.realtime()
            assert (await ada.ask("Hi")).text == "Hello."
            assert (await ada.ask("Again")).text == "Again"
            await bob.ask("Hi")
            assert len(server.conns) == 2
            assert server.urls[0] == "wss://api.openai.com/v1/realtime?model=rt"
            assert [turn.text for turn in await bots.store.load("ada")] == ["Hello.", "Again"]
        assert all(conn.closed for conn in server.conns)


async def test_a_voice_bot_speaks_as_the_settings_have_it() -> None:
    async with serving(ScriptedModel("Hello.")) as server:
        settings = Settings(openai_api_key="sk-x", openai_voice="marin", db_type="memory")
        async with Chatbots(settings, dialer=server) as bots:
            assert (await bots.voice(session="ada").ask("Hi")).text == "Hello."
            assert (await bots.voice(session="ada").ask("Again")).text == "Again"
            assert len(server.conns) == 1
            loud = Speech(speed=1.5)
            assert (await bots.voice(session="ada", speech=loud).ask("Loud")).text == "Loud"
            assert len(server.conns) == 2
            assert [turn.text for turn in await bots.memory(session="ada").history()] == [
                "Hello.",
                "Again",
                "Loud",
            ]
        assert all(conn.closed for conn in server.conns)
        update, _ = server.sent("session.update")
        audio = update["session"]["audio"]
        assert audio["output"]["voice"] == "marin"
        assert audio["input"]["transcription"]["model"] == "gpt-4o-mini-transcribe"
        assert audio["input"]["turn_detection"]["create_response"] is False


async def test_the_model_on_this_machine_streams_where_realtime_is_asked_for() -> None:
    async with Chatbots(Settings(chatbots_local=True)) as bots:
        assert isinstance(bots.realtime().service, StreamingChat)


def test_realtime_costs_nothing_until_it_is_asked_for() -> None:
    program = (
        "import sys; from chatbots.app import Chatbots; from chatbots.settings import Settings; "
        "Chatbots(Settings(openai_api_key='x')).streaming(); "
        "print([m for m in sys.modules if m.startswith(('chatbots.realtime', 'websockets'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=ROOT)
    assert done.stdout == b"[]\n", done.stderr


async def test_the_lease_on_the_speech_stack_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Counted(SpeechDialer):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    async def never() -> LocalModel:
        raise AssertionError("nobody has dialled")

    dialer = Counted(never, WebSocketsDialer())
    monkeypatch.setattr("chatbots.app.realtime_dialer", lambda settings: dialer)
    async with Chatbots(Settings(chatbots_local=True)) as bots:
        assert bots._dialer is dialer
    assert dialer.closed == 1
    async with Chatbots(Settings(chatbots_local=True), dialer=dialer) as bots:
        assert bots._dialer is dialer
    assert dialer.closed == 1  # the caller's own
