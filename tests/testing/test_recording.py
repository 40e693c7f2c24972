from __future__ import annotations

import base64
import ipaddress
import itertools
import ssl
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec
import openai
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener, TLSStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from openai import AsyncOpenAI

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.recording import Recorder, Recording, Replay
from tests.testing.faults.wire import TEXT, Got, ask

CANARY = "sk-canary-0123456789"


def sdk(fake: FakeOpenAI) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=fake.base_url, api_key=CANARY, organization="org-canary-42",
                       max_retries=0, timeout=10)  # fmt: skip


def read(path: Path) -> list[Recording]:
    return [msgspec.json.decode(line, type=Recording) for line in path.read_bytes().splitlines()]


async def recorded(path: Path, fault: str, *, stream: bool = True) -> tuple[Got, Recording]:
    """Record one answer; return what the client got, and what was kept."""
    async with (
        FakeOpenAI() as real,
        FakeOpenAI(player=Recorder(path, real.base_url)) as recorder,
    ):
        got = await ask(recorder, fault, stream=stream, seconds=0.5 if fault == "hang" else 10)
        with anyio.fail_after(20):
            await recorder.until(lambda: recorder.open_connections == 0)
    (made,) = read(path)
    return got, made


@pytest.mark.parametrize("fault", ["ok", "split-bytes:50", "crlf", "429-s:7", "midstream-eof:2"])
async def test_a_replay_is_what_was_recorded_byte_for_byte(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    got, made = await recorded(path, fault)
    assert made.end == "whole"
    assert b"".join(chunk.data for chunk in made.chunks) == got.raw
    async with FakeOpenAI(player=Replay(path)) as replay:
        again = await ask(replay, fault)
        assert again.raw == got.raw


@pytest.mark.parametrize(
    ("fault", "end"),
    [("midstream-disconnect:2", "closed"), ("midstream-reset:2", "reset"), ("hang", "closed"),
     ("bad-status-line", "closed"),
     pytest.param("huge-header:100", "closed", marks=pytest.mark.slow)],
)  # fmt: skip
async def test_how_an_answer_broke_off_is_kept(fault: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    got, made = await recorded(path, fault)
    assert made.end == end
    async with FakeOpenAI(player=Replay(path, speed=0)) as replay:
        again = await ask(replay, fault)
        assert (again.raw, again.end) == (got.raw, end)


@pytest.mark.usefixtures("time_flies")
async def test_timing_and_the_boundaries_of_chunks_come_again(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    _, made = await recorded(path, "slow-drip:0.1")
    whole = made.chunks[-1].after
    assert whole >= 0.4
    ends = list(itertools.accumulate(len(chunk.data) for chunk in made.chunks))
    apart = {
        end
        for end, (chunk, after) in zip(ends, itertools.pairwise(made.chunks), strict=False)
        if after.after - chunk.after > 0.05
    }
    assert len(apart) >= 3
    for speed, least, most in ((1.0, 0.4, 10.0), (4.0, 0.1, whole), (0.0, 0, whole)):
        async with FakeOpenAI(player=Replay(path, speed=speed)) as replay:
            started = anyio.current_time()
            again = await ask(replay, "slow-drip:0.1")
            assert least <= anyio.current_time() - started < most
            if speed == 1:
                assert apart <= set(itertools.accumulate(map(len, again.reads)))


async def test_no_secret_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    async with (
        FakeOpenAI() as real,
        FakeOpenAI(player=Recorder(path, real.base_url)) as recorder,
        sdk(recorder) as client,
    ):
        real.answer(
            f"Your key is {CANARY}.",
            headers={"openai-organization": "org-canary-42", "set-cookie": "session=canary-cookie"},
        )
        await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": f"My key is {CANARY}"}],
            extra_headers={"cookie": "id=canary-cookie", "x-gateway-auth": "canary-gateway"},
            extra_query={"api-key": "canary-query"},
        )
        assert real.calls[0].headers["authorization"] == f"Bearer {CANARY}"
        assert real.calls[0].headers["accept-encoding"] == "identity"
        assert "canary-query" in real.calls[0].target
    stored = path.read_bytes()
    (made,) = read(path)
    plain = made.body + b"".join(chunk.data for chunk in made.chunks)
    assert b"canary" not in stored + plain
    assert base64.b64encode(b"canary")[:7] not in stored
    assert b"My key is xxxx" in made.body
    assert b"Your key is xxxx" in plain
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_sdk_talks_through_it_on_one_connection_and_gets_it_again(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"

    async def talk(fake: FakeOpenAI) -> list[str | None]:
        said: list[str | None] = []
        before = fake.connections
        async with sdk(fake) as client:
            for text in ("One.", "Two.", "One."):
                reply = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}]
                )
                said.append(reply.choices[0].message.content)
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(model="m", messages=[])
        assert fake.connections == before + 1
        return said

    async with FakeOpenAI() as real, FakeOpenAI(player=Recorder(path, real.base_url)) as recorder:
        real.answer("First.")
        assert await talk(recorder) == ["First.", "Two.", "One."]
    async with FakeOpenAI(player=Replay(path)) as replay:
        for _ in range(2):
            assert await talk(replay) == ["First.", "Two.", "One."]


async def test_what_was_not_recorded_is_404_and_what_is_near_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    await recorded(path, "ok")
    async with FakeOpenAI(player=Replay(path)) as replay, httpx2.AsyncClient() as client:
        missing = await client.get(f"{replay.base_url}/models")
        assert missing.status_code == 404
        assert "Nothing was recorded for GET /v1/models" in missing.text
        near = await client.post(f"{replay.base_url}/chat/completions", json={"other": 1})
        assert near.status_code == 200


async def test_a_server_that_is_not_there_is_502_and_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    async with FakeOpenAI() as gone:
        port = urlsplit(gone.base_url).port
    for scheme in ("http", "https"):
        recorder = Recorder(path, f"{scheme}://127.0.0.1:{port}/v1/")
        async with FakeOpenAI(player=recorder) as fake:
            got = await ask(fake)
        assert got.status == 502
        assert "cannot reach 127.0.0.1" in got.json["error"]["message"]
    assert path.read_bytes() == b""


@asynccontextmanager
async def over_tls(real: FakeOpenAI, folder: Path) -> AsyncGenerator[tuple[str, Path]]:
    """Serve *real* over TLS as well; yield its URL there, and its certificate."""
    certificate = made_for_loopback(folder / "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = tcp.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes

    async def pass_on(near: TLSStream) -> None:
        far = await anyio.connect_tcp("127.0.0.1", urlsplit(real.base_url).port or 0)
        async with near, far, anyio.create_task_group() as both:
            both.start_soon(pump, near, far, both.cancel_scope)
            await pump(far, near, both.cancel_scope)

    async def pump(source: ByteStream, sink: ByteStream, scope: anyio.CancelScope) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await sink.send(await source.receive())
        scope.cancel()

    listener = TLSListener(tcp, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, pass_on)
        yield f"https://127.0.0.1:{port}/v1", certificate
        tasks.cancel_scope.cancel()


def made_for_loopback(path: Path) -> Path:
    """Write a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    path.write_bytes(key.private_bytes(encoding, pkcs8, plain) + certificate.public_bytes(encoding))
    return path


async def test_a_server_with_tls_is_recorded_if_its_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.jsonl"
    async with FakeOpenAI() as real, over_tls(real, tmp_path) as (url, certificate):
        async with FakeOpenAI(player=Recorder(path, url)) as recorder:
            refused = await ask(recorder)
            assert refused.status == 502
            assert "certificate" in refused.json["error"]["message"]
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            got = await ask(recorder)
        assert got.text == TEXT
        assert len(real.calls) == 1
    assert len(read(path)) == 1


def test_what_is_no_base_url_is_refused(tmp_path: Path) -> None:
    for wrong in ("api.openai.com/v1", "ftp://x/v1", "http://"):
        with pytest.raises(ValueError, match="no base URL"):
            Recorder(tmp_path / "talk.jsonl", wrong)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text("Hello.\n")
    with pytest.raises(ValueError, match="malformed"):
        Replay(path)
