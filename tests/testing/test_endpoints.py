from __future__ import annotations

import httpx2
import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from chatbots.testing.endpoints import masked
from chatbots.testing.fake_openai import FakeOpenAI

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


def sdk(fake: FakeOpenAI) -> AsyncOpenAI:
    """Make a client that is foreign to the fake: the judge of what it says."""
    return AsyncOpenAI(base_url=fake.base_url, api_key="sk-any", max_retries=0, timeout=10)


async def whole(client: AsyncOpenAI) -> ChatCompletion:
    return await client.chat.completions.create(model="m", messages=SAID)


async def ask(
    fake: FakeOpenAI,
    method: str,
    path: str,
    *,
    json: object = None,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.request(
            method,
            fake.base_url.removesuffix("/v1") + path,
            json=json,
            content=content,
            headers=headers,
        )


async def test_a_chat_call_gets_the_next_answer_or_what_the_user_said() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("One.")
        fake.answer("Two.")
        for expected in ("One.", "Two.", "Hi"):
            reply = await whole(client)
            assert reply.choices[0].message.content == expected


async def test_a_refused_request_takes_no_answer_from_the_queue() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("One.")
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="m", messages=[])
        reply = await whole(client)
        assert reply.choices[0].message.content == "One."


async def test_a_malformed_body_gets_openais_400() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="m", messages=SAID, temperature=7)
        assert refused.value.param == "temperature"
        assert refused.value.type == "invalid_request_error"
        response = await ask(fake, "POST", "/v1/chat/completions", content=b"{")
        assert response.status_code == 400
        assert "valid JSON" in response.json()["error"]["message"]


async def test_stream_options_need_a_stream() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        with pytest.raises(openai.BadRequestError, match="stream_options"):
            await client.chat.completions.create(
                model="m", messages=SAID, stream_options={"include_usage": True}
            )


@pytest.mark.parametrize(
    ("asked", "count"),
    [("one text", 1), (["one text", "another"], 2), ([1, 2, 3], 1), ([[1, 2], [3, 4]], 2)],
)
async def test_the_sdk_gets_vectors_for_all_it_can_ask(
    asked: str | list[str] | list[int] | list[list[int]], count: int
) -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        packed = await client.embeddings.create(model="e", input=asked, dimensions=16)
        plain = await client.embeddings.create(
            model="e", input=asked, dimensions=16, encoding_format="float"
        )
        assert len(packed.data) == len(plain.data) == count
        for one, other in zip(packed.data, plain.data, strict=True):
            assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert fake.calls[0].json["encoding_format"] == "base64"


async def test_the_sdk_lists_and_finds_models() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        assert [m.id async for m in client.models.list()] == ["fake-chat", "fake-embedding"]
        assert (await client.models.retrieve("org/any")).id == "org/any"


async def test_with_a_list_of_models_there_are_no_others() -> None:
    async with FakeOpenAI(models=["m"]) as fake, sdk(fake) as client:
        assert [m.id async for m in client.models.list()] == ["m"]
        await whole(client)
        with pytest.raises(openai.NotFoundError, match="`x` does not exist"):
            await client.models.retrieve("x")
        with pytest.raises(openai.NotFoundError, match="`x` does not exist"):
            await client.chat.completions.create(model="x", messages=SAID)
        with pytest.raises(openai.NotFoundError, match="`x` does not exist"):
            await client.embeddings.create(model="x", input="a")


async def test_with_a_key_nobody_else_gets_in() -> None:
    key = "sk-the-key-that-opens-1234"
    async with FakeOpenAI(api_key=key) as fake:
        for header, status in [
            (None, 401),
            ("Basic abc", 401),
            ("Bearer sk-another-key-altogether", 401),
            (f"Bearer {key}", 200),
        ]:
            headers = {} if header is None else {"authorization": header}
            response = await ask(fake, "GET", "/v1/models", headers=headers)
            assert response.status_code == status
            if status == 401:
                assert response.json()["error"]["type"] == "invalid_request_error"
                assert "another-key" not in response.text


@pytest.mark.parametrize("version", [None, "2024-10-21"])
async def test_azures_addresses_are_served_and_its_header_is_read(version: str | None) -> None:
    async with FakeOpenAI(api_key="right") as fake:
        endpoint = fake.base_url.removesuffix("/v1")

        def client(key: str) -> AsyncOpenAI:
            if version is None:
                url = f"{endpoint}/openai/v1"
                return AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
            return AsyncAzureOpenAI(
                azure_endpoint=endpoint, api_version=version, api_key=key, max_retries=0
            )

        async with client("right") as mine, client("wrong") as theirs:
            assert (await whole(mine)).choices[0].message.content == "Hi"
            assert len((await mine.embeddings.create(model="m", input="a")).data) == 1
            with pytest.raises(openai.AuthenticationError):
                await whole(theirs)
    headers = fake.calls[0].headers
    assert ("api-key" in headers) is (version is not None)


async def test_the_sdk_sees_a_wrong_key_as_one() -> None:
    async with FakeOpenAI(api_key="sk-right") as fake, sdk(fake) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
        assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("key", "shown"),
    [("short", "*****"), ("sk-proj-abcdefghijklmnop", "sk-proj-************mnop")],
)
def test_a_key_is_repeated_masked(key: str, shown: str) -> None:
    assert masked(key) == shown


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/chat", "/models", "/v1/responses"])
async def test_an_unknown_path_gets_openais_404(path: str) -> None:
    async with FakeOpenAI() as fake:
        response = await ask(fake, "POST", path, json={"model": "m"})
        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"Invalid URL (POST {path})"
        assert fake.calls[0].path == path


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/m", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_gets_405(method: str, path: str, allow: str) -> None:
    async with FakeOpenAI() as fake:
        response = await ask(fake, method, path)
        assert response.status_code == 405
        assert response.headers["allow"] == allow
        assert method in response.json()["error"]["message"]


async def test_head_gets_the_head_alone_and_keeps_the_connection() -> None:
    async with FakeOpenAI() as fake, httpx2.AsyncClient(trust_env=False) as client:
        for path, status in [("/models", 200), ("/models/m", 200), ("/embeddings", 405)]:
            response = await client.head(fake.base_url + path)
            assert response.status_code == status
            assert response.content == b""
            assert int(response.headers["content-length"]) > 0
        assert fake.connections == 1


async def test_every_answer_has_a_request_id() -> None:
    async with FakeOpenAI() as fake:
        ids = {(await ask(fake, "GET", "/v1/models")).headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3


async def test_a_model_may_be_a_sequence_of_faults_that_starts_again() -> None:
    asked = {"model": "fault:500,429-s:7,ok", "messages": SAID}
    async with FakeOpenAI(models=["m"]) as fake:
        fake.answer("For another model.")
        got = [await ask(fake, "POST", "/v1/chat/completions", json=asked) for _ in range(4)]
        assert [response.status_code for response in got] == [500, 429, 200, 500]
        assert got[1].headers["retry-after"] == "7"
        assert got[2].json()["choices"][0]["message"]["content"] == "Hi"
        assert [call.fault for call in fake.calls] == ["500", "429-s:7", "", "500"]


async def test_a_model_that_is_no_fault_is_told_what_is_wrong() -> None:
    async with FakeOpenAI() as fake:
        for model, said in (
            ("fault:nope", "No fault is called 'nope'"),
            ("fault:", "--fault list"),
        ):
            response = await ask(
                fake, "POST", "/v1/chat/completions", json={"model": model, "messages": SAID}
            )
            assert response.status_code == 404
            assert said in response.json()["error"]["message"]
