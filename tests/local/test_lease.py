from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from chatbots.local.files import open_lock, try_lock
from chatbots.local.lease import Lease
from chatbots.local.rendezvous import Rendezvous, State, is_held, meet, write_state
from tests.local.processes import eventually, lives


def state(port: int) -> State:
    return State(pid=1, started="2", port=port, api_key="k", name="tiny", path="/tiny", context=512)


def files_in(folder: Path) -> Rendezvous:
    return meet(folder, "tiny")


async def test_a_lease_is_shared_with_other_users_and_keeps_the_helper_from_ending(
    tmp_path: Path,
) -> None:
    one, two = Lease(files_in(tmp_path)), Lease(files_in(tmp_path))
    helper = open_lock(files_in(tmp_path).lease)
    await one.take()
    await two.take()
    one.close()
    assert not try_lock(helper)
    two.close()
    assert try_lock(helper)
    os.close(helper)


async def test_a_user_who_comes_while_the_helper_ends_waits_for_it(tmp_path: Path) -> None:
    helper = open_lock(files_in(tmp_path).lease)
    assert try_lock(helper)
    lease = Lease(files_in(tmp_path))
    with anyio.move_on_after(0.05) as scope:
        await lease.take()
    assert scope.cancelled_caught
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lease.take)
        await anyio.sleep(0.02)
        os.close(helper)
    lease.close()


async def test_taking_a_lease_leaves_a_trace_for_a_helper_that_looks_later(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    lease = Lease(files)
    os.utime(files.lease, ns=(0, 0))
    await lease.take()
    assert files.lease.stat().st_mtime_ns > 0
    lease.close()


async def test_the_helper_is_current_while_it_lives_and_has_a_state(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    lease = Lease(files)
    await lease.take()
    write_state(files.state, state(1))
    assert lease.current() is None  # What a dead one left.
    helper = open_lock(files.alive)
    assert try_lock(helper)
    assert lease.current() == lease.current() == state(1)
    files.state.unlink()
    assert lease.current() is None
    write_state(files.state, state(2))
    assert lease.current() == state(2)
    files.state.write_text("{")
    assert lease.current() is None
    os.close(helper)
    assert lease.current() is None
    lease.close()


async def test_another_helpers_state_is_noticed_at_once(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    lease, helper = Lease(files), open_lock(files.alive)
    assert try_lock(helper)
    write_state(files.state, state(1))
    assert lease.current() == state(1)
    write_state(files.state, state(2))
    assert lease.current() == state(2)
    lease.close()
    os.close(helper)


EXIT = {"x86_64": 60, "aarch64": 93}.get(platform.machine(), 0)
"""The number of Linux's `exit`, which ends a thread and not its process."""
SLOW_TO_DIE = f"""
import ctypes, os, sys, threading
from pathlib import Path
from chatbots.local.files import open_lock, try_lock
from chatbots.local.rendezvous import State, meet, process_started, write_state

files, me = meet(Path(sys.argv[1]), "tiny"), os.getpid()
assert try_lock(open_lock(files.alive))
write_state(files.state, State(me, process_started(me), 3, "k", "tiny", "/tiny", context=512))
threading.Thread(target=threading.Event().wait).start()
print("up", flush=True)
sys.stdin.readline()
ctypes.CDLL(None).syscall({EXIT}, 0)
"""


def slow_to_die(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_DIE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not EXIT or not Path("/proc/self/stat").exists(), reason="the trick is Linux's")
async def test_a_dying_helper_is_not_current_though_it_has_its_lock(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    lease = Lease(files)
    with slow_to_die(tmp_path) as helper:
        try:
            assert helper.stdin is not None
            assert helper.stdout is not None
            assert helper.stdout.readline() == "up\n"
            current = lease.current()
            assert current is not None
            assert current.pid == helper.pid
            helper.stdin.write("\n")
            helper.stdin.flush()
            await eventually(lambda: not lives(helper.pid), within=10)
            assert is_held(files.alive)
            assert lease.current() is None
        finally:
            helper.kill()
    lease.close()


async def test_a_closed_lease_does_not_live_on_in_a_forked_process(tmp_path: Path) -> None:
    lease = Lease(files_in(tmp_path))
    await lease.take()
    copy = os.dup(lease._lease)  # What a fork has.
    lease.close()
    helper = open_lock(files_in(tmp_path).lease)
    assert try_lock(helper)
    os.close(helper)
    os.close(copy)
