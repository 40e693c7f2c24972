from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from openai import AsyncOpenAI

from chatbots.testing.threaded import FakeOpenAIThread

SYNC = """
from openai import OpenAI

def test_it(fake_openai):
    fake_openai.answer("Hello.")
    client = OpenAI(base_url=fake_openai.base_url, api_key="any")
    said = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert said.choices[0].message.content == "Hello."
    assert len(fake_openai.calls) == 1
"""
OWN = """
import pytest

@pytest.fixture
def fake_openai(fake_openai):
    fake_openai.answer("Mine.")
    return fake_openai
"""
USES_OWN = SYNC.replace('fake_openai.answer("Hello.")', "").replace("Hello.", "Mine.")


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project of its own, with the plugins that are installed."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=90)


def test_a_fixture_serves_a_test_that_is_not_async(fake_openai: FakeOpenAIThread) -> None:
    fake_openai.fault("500")
    with httpx2.Client(trust_env=False) as client:
        got = client.post(
            f"{fake_openai.base_url}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        )
    assert got.status_code == 500
    assert [call.fault for call in fake_openai.calls] == ["500"]


async def test_the_same_fixture_serves_an_async_test(fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer("Hello.")
    async with AsyncOpenAI(base_url=fake_openai.base_url, api_key="any") as client:
        reply = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )
    assert reply.choices[0].message.content == "Hello."


def test_another_project_finds_the_fixture_and_its_own_of_that_name_comes_first(
    tmp_path: Path,
) -> None:
    (tmp_path / "own").mkdir()
    own = {"own/conftest": OWN, "own/test_own": USES_OWN}
    done = run(tmp_path, test_it=SYNC, **own)
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_the_plugin_can_be_left_out(tmp_path: Path) -> None:
    done = run(tmp_path, "-p", "no:chatriver", test_it=SYNC)
    assert "fixture 'fake_openai' not found" in done.stdout


def test_the_plugin_costs_next_to_nothing_unused(tmp_path: Path) -> None:
    heavy = ("anyio", "h11", "msgspec", "openai", "pydantic", "httpx2", "chatbots.testing.answers")
    code = (
        "import sys, pytest; before = set(sys.modules); import chatbots.testing.plugin; "
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["FakeOpenAI", "Replay", "SessionStoreContract"])
def test_the_names_beside_it_are_there_on_first_use(name: str) -> None:
    import chatbots.testing

    assert name in dir(chatbots.testing)
    assert getattr(chatbots.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = chatbots.testing.Nonsense
