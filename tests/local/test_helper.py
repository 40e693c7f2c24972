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


def held(path: Path) -> int:
    lock = open_lock(path)
    assert try_lock(lock, shared=True)
    return lock


def staying(lease: Path, idle: float) -> tuple[threading.Thread, list[float]]:
    ended: list[float] = []

    def run() -> None:
        stay(lease, idle)
        ended.append(time.monotonic())

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
    left = time.monotonic()
    os.close(two)
    thread.join(5)
    assert ended[0] - left < 1


def test_it_ends_alone_so_that_nobody_can_begin(tmp_path: Path) -> None:
    thread, _ = staying(tmp_path / "lease", 0)
    thread.join(5)
    user = open_lock(tmp_path / "lease")
    assert not try_lock(user, shared=True)
    os.close(user)


def test_the_idle_time_begins_anew_with_each_user(tmp_path: Path) -> None:
    lease = tmp_path / "lease"
    thread, ended = staying(lease, 0.5)
    time.sleep(0.3)
    user = held(lease)
    time.sleep(0.4)
    assert not ended
    left = time.monotonic()
    os.close(user)
    thread.join(5)
    assert 0.5 <= ended[0] - left < 2


def test_a_visit_between_two_looks_is_not_missed(tmp_path: Path) -> None:
    lease = tmp_path / "lease"
    thread, ended = staying(lease, 0.5)
    time.sleep(0.3)
    visit = time.monotonic()
    os.utime(lease)  # All that is left of a user who was too quick to be seen.
    thread.join(5)
    assert ended[0] - visit >= 0.5


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
