from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import msgspec
import pytest

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.names import EVERY
from chatbots.testing.requests import ChatRequest, Said
from chatbots.testing.standalone import main, parser, rule, serve

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "chatbots.testing"]
HI = ChatRequest(model="m", messages=[Said(role="user", content="Hi")])


def test_answers_take_turns() -> None:
    answer = rule(["One.", "Two."], 0.5)
    assert [answer(HI).text for _ in range(3)] == ["One.", "Two.", "One."]
    assert answer(HI).delay == 0.5


def test_without_answers_it_says_what_the_user_said() -> None:
    assert rule([], 0)(HI).text == "Hi"


async def test_it_prints_its_base_url_and_serves_until_it_is_told_to_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = parser().parse_args(["--answer", "Hello.", "--api-key", "k"])
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, flags)
            url = ""
            while not url:
                await anyio.sleep(0.01)
                url = capsys.readouterr().out.strip()
            async with httpx2.AsyncClient(trust_env=False) as client:
                response = await client.post(
                    f"{url}/chat/completions",
                    json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
                    headers={"authorization": "Bearer k"},
                )
                refused = await client.get(f"{url}/models")
            signal.raise_signal(signal.SIGTERM)
    assert response.json()["choices"][0]["message"]["content"] == "Hello."
    assert refused.status_code == 401


def test_all_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fault", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EVERY)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fault", "nope"], "No fault is called 'nope'"),
        (["--fault", "500,hang:3"], "hang takes no number"),
        (["--record", "x"], "--record FILE and --to URL"),
        (["--to", "http://127.0.0.1:1/v1"], "--record FILE and --to URL"),
        (["--record", "x", "--to", "http://x/v1", "--replay", "y"], "two different things"),
        (["--record", "x", "--to", "nonsense"], "no base URL"),
        (["--port", "99999"], "--port 99999 is no port"),
        (["--port", "-1"], "--port -1 is no port"),
        (["--delay", "-1"], "--delay -1 is no time to wait"),
        (["--delay", "nan"], "--delay nan is no time to wait"),
        (["--delay", "inf"], "--delay inf is no time to wait"),
    ],
)
def test_a_wrong_flag_is_one_line_and_status_2(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err


def test_a_file_that_cannot_be_opened_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "no" / "file")
    for flags in (
        ["--log", nowhere],
        ["--replay", nowhere],
        ["--record", nowhere, "--to", "http://x"],
    ):
        assert main(flags) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert f"cannot open {nowhere}: No such file" in err


async def served(*flags: str) -> list[int]:
    """Ask the program three times; return the statuses."""
    arguments = parser().parse_args(list(flags))
    read_end, write_end = os.pipe()
    statuses: list[int] = []
    with (
        anyio.fail_after(10),
        os.fdopen(read_end) as said,
        os.fdopen(write_end, "w") as out,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", out)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, arguments, ",".join(arguments.fault))
            await anyio.wait_readable(read_end)
            url = said.readline().strip()
            async with httpx2.AsyncClient(trust_env=False) as client:
                for _ in range(3):
                    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
                    got = await client.post(f"{url}/chat/completions", json=body)
                    statuses.append(got.status_code)
            signal.raise_signal(signal.SIGTERM)
    return statuses


async def test_faults_a_log_a_recording_and_its_replay(tmp_path: Path) -> None:
    log, talk = tmp_path / "log.jsonl", tmp_path / "talk.jsonl"
    assert await served("--fault", "500,429-s:7,ok", "--log", str(log), "--seed", "3") == [
        500,
        429,
        200,
    ]
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    assert [line["fault"] for line in lines] == ["500", "429-s:7", None]
    async with FakeOpenAI() as real:
        real.fault("503")
        assert await served("--record", str(talk), "--to", real.base_url) == [503, 200, 200]
    assert await served("--replay", str(talk), "--speed", "0") == [503, 200, 200]


def test_a_port_that_is_taken_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"port {port}" in said.err


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_as_a_program_it_ends_with_status_0(wanted: signal.Signals) -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        PROGRAM,
        cwd=ROOT,
        env=buffered,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        try:
            assert select.select([program.stdout], [], [], 20)[0], "it printed nothing"
            assert program.stdout.readline().startswith("http://127.0.0.1:")
            program.send_signal(wanted)
            out, err = program.communicate(timeout=20)
        finally:
            program.kill()
    assert (program.returncode, out, err) == (0, "", "")


def test_it_is_light_to_import() -> None:
    heavy = ("openai", "pydantic", "httpx2", "pytest", "numpy")
    code = f"import sys, chatbots.testing; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"
