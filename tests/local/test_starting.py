from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from chatbots.errors import ConfigurationError
from chatbots.local.files import open_lock, try_lock
from chatbots.local.helper import Config
from chatbots.local.lease import Lease
from chatbots.local.rendezvous import Process, Rendezvous, State, meet, sign, write_state
from chatbots.local.starting import Starter
from chatbots.version import installing
from tests.local.processes import eventually, lives, no_helper_is_left, stand_in, starts


def starter(
    folder: Path, *, mode: str = "serve", timeout: float = 20, program: tuple[str, ...] = ()
) -> tuple[Starter, Rendezvous]:
    folder.mkdir(exist_ok=True)
    config = Config(
        folder=str(folder),
        key="tiny",
        path="/models/tiny.gguf",
        name="tiny",
        idle=0,
        context=512,
        threads=1,
        ready=-1,
    )
    files = meet(folder, "tiny")
    return Starter(files, config, program=program or stand_in(mode), timeout=timeout), files


async def test_a_helper_is_started_once_and_then_found(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, files = starter(state)
        lease = Lease(files)
        await lease.take()
        first = await one.find_or_start(lease)
        assert await one.find_or_start(lease) == first
        assert starts(state) == [first.pid]
        assert (first.name, first.path, first.context) == ("tiny", "/models/tiny.gguf", 512)
        lease.close()
        await eventually(lambda: not lives(first.pid))


@pytest.mark.parametrize(
    ("mode", "code", "said"),
    [
        ("refuse", "local_model_failed", "cannot load it. Its last words: the file is broken."),
        ("die", "local_model_failed", "its process died. Its last words: I had a bad day."),
        ("missing", "extra_missing", installing("local")),
    ],
)
async def test_a_failed_start_says_why(tmp_path: Path, mode: str, code: str, said: str) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, files = starter(state, mode=mode)
        lease = Lease(files)
        with pytest.raises(ConfigurationError) as caught:
            await one.find_or_start(lease)
        assert caught.value.code == code
        assert said in str(caught.value)
        lease.close()


async def test_a_helper_that_hangs_is_ended_and_the_next_attempt_is_free(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, files = starter(state, mode="hang", timeout=1)
        lease = Lease(files)
        with pytest.raises(ConfigurationError, match="not ready within 1 s"):
            await one.find_or_start(lease)
        await eventually(lambda: not any(map(lives, starts(state))))
        again, _ = starter(state)
        await lease.take()
        assert (await again.find_or_start(lease)).pid == starts(state)[-1]
        lease.close()


async def test_a_program_that_stays_in_the_foreground_is_ended(tmp_path: Path) -> None:
    program = (sys.executable, "-c", "import time; time.sleep(600)")
    one, files = starter(tmp_path, program=program, timeout=0.3)
    lease = Lease(files)
    with pytest.raises(ConfigurationError, match="did not start"):
        await one.find_or_start(lease)
    lease.close()


async def test_a_helper_that_says_it_is_ready_but_has_no_state_has_failed(tmp_path: Path) -> None:
    script = "import json, os, sys; os.write(json.loads(sys.argv[1])['ready'], b'{}')"
    one, files = starter(tmp_path, program=(sys.executable, "-c", script))
    lease = Lease(files)
    with pytest.raises(ConfigurationError, match="its process died"):
        await one.find_or_start(lease)
    lease.close()


async def test_while_another_starts_it_one_waits_and_finds_it(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, files = starter(state, mode="slow")
        other, _ = starter(state, mode="slow")
        leases = [Lease(files), Lease(files)]
        async with anyio.create_task_group() as tasks:
            for each, lease in zip((one, other), leases, strict=True):
                await lease.take()
                tasks.start_soon(each.find_or_start, lease)
            await eventually(lambda: bool(starts(state)))
            (state / "go").touch()
        assert len(starts(state)) == 1
        for lease in leases:
            lease.close()


async def test_what_a_killed_helper_left_is_not_taken_for_the_one_that_loads(
    tmp_path: Path,
) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, files = starter(state, mode="slow")
        write_state(files.state, State(1, "then", 9, "old", "tiny", "/models/tiny.gguf", 512))
        lease = Lease(files)
        await lease.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.find_or_start, lease)
            await eventually(lambda: bool(starts(state)))
            assert lease.current() is None
            (state / "go").touch()
        current = lease.current()
        assert current is not None
        assert current.api_key != "old"
        lease.close()


async def test_whoever_only_waits_for_another_starter_does_not_kill_its_helper(
    tmp_path: Path,
) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, files = starter(state, mode="slow")
        hasty, _ = starter(state, timeout=0.3)
        first, second = Lease(files), Lease(files)
        await first.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.find_or_start, first)
            await eventually(lambda: bool(starts(state)))
            with pytest.raises(ConfigurationError, match="not ready"):
                await hasty.find_or_start(second)
            (state / "go").touch()
        assert [(await one.find_or_start(first)).pid] == starts(state)
        first.close()
        second.close()


async def test_a_holder_whose_pid_is_a_strangers_is_not_killed(tmp_path: Path) -> None:
    one, files = starter(tmp_path, timeout=0.2)
    alive = open_lock(files.alive)
    assert try_lock(alive)
    sign(alive, Process(os.getpid(), "another time"))
    lease = Lease(files)
    with pytest.raises(ConfigurationError, match="not ready within"):
        await one.find_or_start(lease)
    lease.close()
    os.close(alive)


def test_a_failure_without_a_log_is_told_all_the_same(tmp_path: Path) -> None:
    one, files = starter(tmp_path)
    error = one.failed("no luck")
    assert error.message == "The local model tiny did not start: no luck."
    assert str(files.log) in str(error)
