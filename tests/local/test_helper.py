from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chatbots.local import helper
from chatbots.local.files import open_lock, try_lock
from chatbots.local.helper import Config, stay
from tests.local.processes import stand_in


class Clock:
    """What the helper takes for `time`: it moves when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        self.looks += 1
        time.sleep(0.001)

    def passes(self, seconds: float) -> None:
        """Let time pass, and the helper take notice."""
        self.now += seconds
        self.is_looked_at()

    def is_looked_at(self) -> None:
        looks, until = self.looks, time.monotonic() + 20
        while self.looks < looks + 2:
            assert time.monotonic() < until, "it has ended"
            time.sleep(0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(helper, "time", made)
    return made


def held(path: Path) -> int:
    lock = open_lock(path)
    while not try_lock(lock, shared=True):
        time.sleep(0.001)  # whoever only looks has it for a moment
    return lock


def staying(lease: Path, idle: float) -> tuple[threading.Thread, list[bool]]:
    ended: list[bool] = []

    def run() -> None:
        stay(lease, idle)
        ended.append(True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


def test_without_idle_time_it_stays_exactly_as_long_as_somebody_has_the_lease(
    tmp_path: Path,
) -> None:
    lease = tmp_path / "lease"
    one, two = held(lease), held(lease)
    thread, ended = staying(lease, 0)
    os.close(one)
    time.sleep(0.1)
    assert not ended
    os.close(two)
    thread.join(20)
    assert ended


def test_it_ends_alone_so_that_nobody_can_begin(tmp_path: Path) -> None:
    thread, _ = staying(tmp_path / "lease", 0)
    thread.join(20)
    user = open_lock(tmp_path / "lease")
    assert not try_lock(user, shared=True)
    os.close(user)


@pytest.mark.parametrize("seen", [True, False])
def test_the_idle_time_begins_anew_with_each_user(seen: bool, tmp_path: Path, clock: Clock) -> None:
    lease = tmp_path / "lease"
    thread, ended = staying(lease, 60)
    clock.is_looked_at()
    clock.passes(40)
    if seen:
        user = held(lease)
        clock.now += 40
        time.sleep(0.01)
        assert not ended
        os.close(user)
    else:
        os.utime(lease)  # All that is left of a user who was too quick to be seen.
    clock.is_looked_at()
    clock.passes(59)
    assert not ended
    clock.now += 2
    thread.join(20)
    assert ended


def test_the_start_imports_nothing_but_the_standard_library() -> None:
    script = """
import sys
import chatbots.local.helper
imported = {name.partition(".")[0] for name in sys.modules} - {"__main__"}
print(sorted(imported - sys.stdlib_module_names))
"""
    output = subprocess.run(
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(helper.__file__).parents[2],
    ).stdout
    assert output.strip() == "['chatbots']"


@pytest.mark.parametrize("mode", ["bug", "refuse"])
def test_a_bug_leaves_its_traceback_in_the_log_and_what_was_foreseen_does_not(
    tmp_path: Path, mode: str
) -> None:
    read, write = os.pipe()
    config = Config(
        folder=str(tmp_path),
        key="tiny",
        path="/tiny",
        name="tiny",
        idle=0,
        context=512,
        threads=1,
        ready=write,
    )
    done = subprocess.run(
        [*stand_in(mode), json.dumps(config._asdict())],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(write,),
    )
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        failure = json.loads(answer.read())
    assert failure["code"] == "local_model_failed"
    assert ("Traceback" in done.stderr) is (mode == "bug")


def test_a_second_helper_for_one_model_gives_up(tmp_path: Path) -> None:
    lock = open_lock(tmp_path / "tiny.alive")
    assert try_lock(lock)
    read, write = os.pipe()
    config = Config(
        folder=str(tmp_path),
        key="tiny",
        path="/tiny",
        name="tiny",
        idle=0,
        context=512,
        threads=1,
        ready=write,
    )
    subprocess.run([*stand_in(), json.dumps(config._asdict())], pass_fds=(write,))
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        assert json.loads(answer.read())["reason"] == "another helper is running"
    assert not (tmp_path / "starts").exists()
    os.close(lock)
