"""What `conftest.py` promises, seen to hold and seen to bite."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import anyio
import pytest
import structlog
from openai import AsyncOpenAI, OpenAI

from chatbots.app import Chatbots
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI

HERE = Path(__file__).resolve().parent
KEY = "sk-looks-real-0123456789"
LOOPS = [False, True] if find_spec("uvloop") else [False]

refused = pytest.raises(pytest.fail.Exception, match=r"tried to reach api\.openai\.com")


# Nobody waits for long


@pytest.mark.usefixtures("time_flies")
async def test_a_deadline_comes_after_all_that_can_go_on_and_takes_no_time() -> None:
    before = anyio.current_time()
    with anyio.move_on_after(3600) as patience:
        time.sleep(0.02)  # noqa: ASYNC251 - as a busy machine does
        assert anyio.current_time() == before
        await anyio.sleep_forever()
    assert patience.cancelled_caught
    assert 3600 <= anyio.current_time() - before < 3601


# Nobody is called


@pytest.mark.checklist(23)
@pytest.mark.parametrize("use_uvloop", LOOPS)
def test_a_real_client_cannot_reach_the_paid_api(use_uvloop: bool) -> None:
    async def ask() -> None:
        async with AsyncOpenAI(api_key=KEY) as client:
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}]
            )

    with refused:
        anyio.run(ask, backend_options={"use_uvloop": use_uvloop})


def test_a_real_client_without_a_loop_cannot_either() -> None:
    with OpenAI(api_key=KEY) as client, refused:
        client.models.list()


async def test_the_bots_cannot_either() -> None:
    async with Chatbots(Settings(openai_api_key=KEY)) as bots:
        for bot in (bots.stateless(), bots.memory(), bots.streaming()):
            with refused:
                await bot.ask("Hi")


def test_no_other_program_can_leave_this_machine() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"tried to reach pypi\.org"):
        urllib.request.urlopen("https://pypi.org/")
    for connect in (socket.socket.connect, socket.socket.connect_ex):
        with socket.socket() as opened, pytest.raises(pytest.fail.Exception):
            connect(opened, ("192.0.2.1", 443))


def test_a_name_that_never_resolves_does_not() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nowhere.invalid", 80))


async def test_the_fake_server_can_be_reached() -> None:
    async with FakeOpenAI() as fake, AsyncOpenAI(base_url=fake.base_url, api_key=KEY) as client:
        assert await client.models.list()


# Nothing of the user's is touched


def test_the_users_folders_are_empty_ones() -> None:
    assert list(Path.home().glob("**/*.*")) == []
    assert not Path.home().is_relative_to(HERE.parent)


# Nothing is left

INNER = """
import logging, os, sys
from pathlib import Path
import anyio, pytest, structlog

async def test_leaks():
    group = anyio.create_task_group()
    await group.__aenter__()
    group.start_soon(anyio.sleep_forever, name="forever")

async def test_leaks_nothing():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)

def test_sets_up_logging():
    logging.getLogger().handlers = [logging.StreamHandler()]
    logging.getLogger().setLevel(1)
    structlog.configure(cache_logger_on_first_use=False)
    structlog.contextvars.bind_contextvars(request_id="r")

def test_finds_no_logging():
    assert not structlog.is_configured()
    assert not structlog.contextvars.get_contextvars()
    assert [type(h) for h in logging.getLogger().handlers] != [logging.StreamHandler]
    assert logging.getLogger().level == logging.WARNING

def test_sees_no_settings():
    assert not {name for name in os.environ if name.upper().startswith(PREFIXES)}
    assert Path.home() != Path("HOME_OF_USER")
    assert "HOME_OF_USER" not in os.environ["XDG_CACHE_HOME"]

def test_writes_at_home():
    Path(os.environ["XDG_DATA_HOME"], "mine").touch()

def test_finds_an_empty_home():
    assert not [path for path in Path.home().rglob("*") if not path.is_dir()]

@pytest.mark.weights
def test_sees_the_caches():
    left = {name for name in os.environ if name.upper().startswith(PREFIXES)}
    assert left == {"CHATBOTS_CACHE", "HF_HOME", "OLLAMA_MODELS"}
    assert str(Path.home()) == os.environ["XDG_CACHE_HOME"] == "HOME_OF_USER"
"""
SET = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHATBOTS_LOCAL", "CHATBOTS_CACHE", "LOG_LEVEL"),
    *("ASSISTANT_INSTRUCTIONS", "SERVER_PORT", "DB_HOST", "HF_HOME", "OLLAMA_MODELS"),
    *("HTTPS_PROXY", "https_proxy", "all_proxy", "NO_PROXY"),
)
PREFIXES = (
    *("OPENAI_", "CHATBOTS_", "LOG_", "ASSISTANT", "SERVER_", "DB_", "HF_", "OLLAMA_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)


@pytest.fixture(scope="module")
def inner_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run `INNER` under the real conftest; return how each of its tests went."""
    folder = tmp_path_factory.mktemp("inner")
    user = folder / "user"
    user.mkdir()
    shutil.copy(HERE / "conftest.py", folder)
    inner = INNER.replace("HOME_OF_USER", str(user)).replace("PREFIXES", repr(PREFIXES))
    (folder / "test_inner.py").write_text(inner, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nmarkers = weights\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(user),
            "XDG_CACHE_HOME": str(user),
            **dict.fromkeys(SET, "set"),
        },
        capture_output=True,
        text=True,
        timeout=50,
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("test_inner")]
    outcomes = {words[0].partition("::")[2]: words[1] for words in lines}
    return {**outcomes, "output": done.stdout + done.stderr}


@pytest.mark.checklist(24, 169, 195)
def test_a_task_that_is_left_is_an_error(inner_run: dict[str, str]) -> None:
    output = inner_run["output"]
    assert "ERROR at teardown of test_leaks " in output
    assert "left tasks behind: forever" in output
    assert "ERROR at teardown of test_leaks_nothing" not in output


@pytest.mark.parametrize(
    "name",
    [
        "test_leaks_nothing",
        "test_sets_up_logging",
        "test_finds_no_logging",
        "test_sees_no_settings",
        "test_finds_an_empty_home",
        "test_sees_the_caches",
    ],
)
def test_what_a_test_finds_is_clean(inner_run: dict[str, str], name: str) -> None:
    assert inner_run[name] == "PASSED", inner_run["output"]


def test_a_test_that_goes_on_for_ever_is_ended_and_shows_where_it_was(tmp_path: Path) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path)
    hanging = "import time\ndef test_it():\n    time.sleep(40)\n"
    (tmp_path / "test_it.py").write_text(hanging, "utf-8")
    options = ["-p", "no:cacheprovider", "--timeout=0.1", "-o", "timeout_func_only=true"]
    options += ["--timeout-method=thread"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, *options, "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "Timeout" in done.stdout
    assert "time.sleep(40)" in done.stdout


def test_logging_is_restored_here_too() -> None:
    assert not structlog.is_configured()
    assert all(type(h) is not logging.StreamHandler for h in logging.getLogger().handlers)
