"""Every command and every program in the README does what it says there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from chatbots.testing import FakeOpenAI

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
PROGRAMS = [line for line in COMMANDS if line.startswith("python -m cmd.")]
TARGETS = sorted(set(re.findall(r"\bmake ([a-z-]+)", README)))


@asynccontextmanager
async def answering(text: str) -> AsyncIterator[dict[str, str]]:
    """Yield an environment in which a fake server answers *text* to everything."""
    async with FakeOpenAI() as fake:
        for _ in range(5):
            fake.answer(text)
        yield os.environ | {"OPENAI_BASE_URL": fake.base_url, "PYTHONPATH": str(ROOT)}


async def run(command: list[str], where: dict[str, str], cwd: Path = ROOT) -> str:
    with anyio.fail_after(30):
        done = await anyio.run_process(command, env=where, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_readme_has_no_command_that_is_not_run_here() -> None:
    assert [line for line in COMMANDS if line not in PROGRAMS] == ["make demo"]
    assert len(PROGRAMS) == 9
    assert len(blocks("python")) == 2


async def test_the_program_of_the_readme_runs() -> None:
    async with answering("Ada, of course.") as where:
        out = await run([sys.executable, "-c", blocks("python")[0]], where)
    assert out == "Ada, of course.\nAda, of course."


async def test_the_test_of_the_readme_passes(tmp_path: Path) -> None:
    (tmp_path / "test_bot.py").write_text(blocks("python")[1], encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "test_bot.py"]
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    assert "1 passed" in await run(command, where, cwd=tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_of_the_readme_exists(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_pages_of_the_readme_exist() -> None:
    pages = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(pages) > 5
    assert [page for page in pages if not (ROOT / page).is_file()] == []


@pytest.mark.weights
@pytest.mark.timeout(900)
def test_on_a_fresh_clone_without_a_key_make_demo_answers_and_make_voice_speaks(
    tmp_path: Path,
) -> None:
    clone = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    where = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    where |= {"CHATBOTS_LOCAL_IDLE": "0"}
    for target, word in (("demo", "generator"), ("voice", "paris")):
        done = subprocess.run(
            ["make", target], cwd=clone, env=where, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert word in done.stdout.splitlines()[-1].lower()
    assert (clone / "answer.wav").stat().st_size > 10_000
