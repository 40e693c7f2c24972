from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from chatbots.errors import ConfigurationError
from chatbots.local import running as module
from chatbots.local.files import open_lock, try_lock
from chatbots.local.rendezvous import Process, State, process_started, sign, write_state
from chatbots.local.running import running, stop
from tests.local.processes import eventually, lives, local_model, no_helper_is_left, starts


async def test_where_nothing_runs_there_is_nothing_to_tell_or_to_stop(tmp_path: Path) -> None:
    assert running(tmp_path / "none") == []
    assert stop(tmp_path / "none") == []


async def test_a_helper_is_described_with_its_users(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path, idle=30)
        endpoint = await model.endpoint()
        [one] = running(state)
        assert (one.pid, one.base_url, one.name) == (endpoint.pid, endpoint.base_url, "tiny")
        assert (one.path, one.context) == (str(tmp_path / "tiny.gguf"), 8192)
        assert one.in_use
        assert abs(one.since - time.time()) < 60
        assert endpoint.api_key not in repr(one)
        await model.aclose()
        await eventually(lambda: not running(state)[0].in_use)


async def test_a_helper_that_still_loads_is_told_without_an_address(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path, mode="slow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(model.endpoint)
            await eventually(lambda: bool(starts(state)))
            [one] = running(state)
            assert (one.pid, one.base_url) == (starts(state)[0], None)
            (state / "go").touch()
        await model.aclose()


async def test_a_helper_in_use_is_stopped_and_the_next_request_starts_another(
    tmp_path: Path,
) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path)
        first = await model.endpoint()
        [stopped] = await anyio.to_thread.run_sync(stop, state)
        assert stopped.pid == first.pid
        assert running(state) == []
        assert not list(state.glob("*.state"))
        assert (await model.endpoint()).pid != first.pid
        await model.aclose()


async def test_one_helper_can_be_stopped_among_others(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path)
        await model.endpoint()
        [one] = running(state)
        assert await anyio.to_thread.run_sync(lambda: stop(state, key="other")) == []
        assert running(state) == [one]
        assert await anyio.to_thread.run_sync(lambda: stop(state, key=one.key)) == [one]
        assert running(state) == []
        await model.aclose()


async def test_a_helper_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path, mode="deaf")
        endpoint = await model.endpoint()
        await anyio.to_thread.run_sync(lambda: stop(state, grace=0.2))
        await eventually(lambda: not lives(endpoint.pid))
        assert not list(state.glob("*.state"))
        await model.aclose()


def test_the_address_of_a_helper_that_was_killed_is_not_told_for_its_successors(
    tmp_path: Path,
) -> None:
    lock = open_lock(tmp_path / "tiny.alive")
    assert try_lock(lock)
    sign(lock, Process(2, "now"))
    write_state(tmp_path / "tiny.state", State(1, "then", 3, "k", "tiny", "/tiny", 512))
    [one] = running(tmp_path)
    assert (one.pid, one.base_url) == (2, None)
    os.close(lock)


def test_a_stranger_who_has_the_pid_by_now_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KILL_SECONDS", 0.1)
    lock = open_lock(tmp_path / "tiny.alive")
    assert try_lock(lock)
    sign(lock, Process(os.getpid(), "before " + process_started(os.getpid())))
    with pytest.raises(ConfigurationError, match="does not end") as caught:
        stop(tmp_path, grace=0.1)
    assert caught.value.code == "local_model_failed"
    os.close(lock)


def test_a_helper_that_dies_while_it_is_being_stopped_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = open_lock(tmp_path / "tiny.alive")
    assert try_lock(lock)
    sign(lock, Process(os.getpid(), process_started(os.getpid())))

    def already_gone(_pid: int, _number: int) -> None:
        os.close(lock)
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", already_gone)
    assert [one.pid for one in stop(tmp_path)] == [os.getpid()]
    assert running(tmp_path) == []
