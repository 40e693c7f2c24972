from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest

from chatbots.errors import ConfigurationError
from chatbots.local.model import LocalModel
from chatbots.local.rendezvous import key_of, meet
from chatbots.local.running import running
from chatbots.version import installing
from tests.local.processes import eventually, lives, local_model, no_helper_is_left, starts

CHILD = """
import anyio, sys
from pathlib import Path
from tests.local.processes import local_model

async def main():
    model = local_model(Path(sys.argv[1]), mode=sys.argv[2], idle=float(sys.argv[3]))
    endpoint = await model.endpoint()
    print(endpoint.pid, flush=True)
    await anyio.to_thread.run_sync(sys.stdin.read)
    await model.aclose()

anyio.run(main)
"""


def another_user(folder: Path, *, mode: str = "serve", idle: float = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), mode, str(idle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def answered_by(base_url: str) -> int:
    async with httpx2.AsyncClient(timeout=30) as client:
        return int((await client.get(base_url)).text)


async def test_the_first_user_starts_a_helper_that_answers_at_the_endpoint(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path)
        endpoint = await model.endpoint()
        assert await answered_by(endpoint.base_url) == endpoint.pid
        assert endpoint.model == "tiny"
        assert starts(state) == [endpoint.pid]
        await model.aclose()


async def test_the_endpoint_is_cheap_while_the_helper_lives(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path)
        first = await model.endpoint()
        best = 1.0
        for _ in range(200):
            began = time.perf_counter()
            assert await model.endpoint() == first
            best = min(best, time.perf_counter() - began)
        assert best < 0.001
        assert len(starts(state)) == 1
        await model.aclose()


async def test_only_the_user_can_read_what_is_noted_of_the_helper(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path)
        endpoint = await model.endpoint()
        files = [path for path in state.iterdir() if path.name != "starts"]
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        command = await anyio.run_process(["ps", "-ww", "-o", "command=", "-p", str(endpoint.pid)])
        assert b"stand_in" in command.stdout
        assert endpoint.api_key.encode() not in command.stdout
        await model.aclose()


async def test_the_helper_is_detached_from_the_command_that_started_it(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path):
        model = local_model(tmp_path)
        endpoint = await model.endpoint()
        assert os.getsid(endpoint.pid) != os.getsid(0)
        assert os.getpgid(endpoint.pid) != os.getpgid(0)
        await model.aclose()


async def test_with_no_idle_time_the_helper_ends_with_its_last_user(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, two = local_model(tmp_path), local_model(tmp_path)
        endpoint = await one.endpoint()
        assert await two.endpoint() == endpoint
        await one.aclose()
        await anyio.sleep(0.2)  # Time for a helper to end that would end too early.
        assert lives(endpoint.pid)
        await two.aclose()
        await two.aclose()
        await eventually(lambda: not lives(endpoint.pid))
        assert not list(state.glob("*.state"))


async def test_the_helper_outlives_its_last_user_by_the_idle_time(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path):
        model = local_model(tmp_path, idle=0.6)
        first, left = await model.endpoint(), time.monotonic()
        await model.aclose()
        await anyio.sleep(0.3)
        visited = await model.endpoint()  # The time begins anew.
        assert visited == first or time.monotonic() - left > 0.6
        left = time.monotonic()
        await model.aclose()
        await eventually(lambda: not lives(visited.pid))
        assert time.monotonic() - left > 0.5


async def test_a_user_killed_outright_gives_its_lease_back(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path):
        with another_user(tmp_path) as user:
            assert user.stdout is not None
            pid = int(await anyio.to_thread.run_sync(user.stdout.readline))
            assert lives(pid)
            user.kill()
        await eventually(lambda: not lives(pid))


async def test_two_commands_that_start_at_once_start_one_helper(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        users = [another_user(tmp_path, mode="slow") for _ in range(3)]
        await eventually(lambda: bool(starts(state)))
        (state / "go").touch()
        pids: set[int] = set()
        for user in users:
            assert user.stdout is not None
            pids.add(int(await anyio.to_thread.run_sync(user.stdout.readline)))
        assert [*pids] == starts(state)
        for user in users:
            await anyio.to_thread.run_sync(user.communicate)
        await eventually(lambda: not any(map(lives, pids)))


async def test_two_tasks_that_start_at_once_start_one_helper(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model, other = local_model(tmp_path), local_model(tmp_path)
        async with anyio.create_task_group() as tasks:
            for one in (model, model, other, other):
                tasks.start_soon(one.endpoint)
        assert len(starts(state)) == 1
        await model.aclose()
        await other.aclose()
        await eventually(lambda: running(state) == [])  # No lease was taken twice and forgotten.


async def test_closing_while_the_helper_starts_waits_for_it(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path, mode="slow")
        order: list[str] = []

        async def start() -> None:
            await model.endpoint()
            order.append("started")

        async def close() -> None:
            await model.aclose()
            order.append("closed")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await eventually(lambda: bool(starts(state)))
            tasks.start_soon(close)
            await anyio.sleep(0.05)
            (state / "go").touch()
        assert order == ["started", "closed"]
        await eventually(lambda: running(state) == [])


async def test_a_helper_killed_while_leased_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        one, two = local_model(tmp_path), local_model(tmp_path)
        first = await one.endpoint()
        assert await two.endpoint() == first
        os.kill(first.pid, signal.SIGKILL)
        await eventually(lambda: running(state) == [])
        second = await one.endpoint()
        assert second.pid != first.pid
        assert second.api_key != first.api_key
        assert await answered_by(second.base_url) == second.pid
        assert await two.endpoint() == second
        assert starts(state) == [first.pid, second.pid]
        await one.aclose()
        await two.aclose()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells so soon")
async def test_a_killed_helper_is_not_offered_even_while_it_still_has_its_lock(
    tmp_path: Path,
) -> None:
    async with no_helper_is_left(tmp_path):
        model = local_model(tmp_path)
        pids = [(await model.endpoint()).pid]
        for _ in range(3):
            os.kill(pids[-1], signal.SIGKILL)
            pids.append((await model.endpoint()).pid)
        assert len(set(pids)) == len(pids)
        await model.aclose()


async def test_what_a_killed_helper_left_behind_misleads_nobody(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path)
        first = await model.endpoint()
        os.kill(first.pid, signal.SIGKILL)
        await model.aclose()
        await eventually(lambda: running(state) == [])
        # The pid may belong to anybody by now: here it is made to be ours.
        [noted] = state.glob("*.state")
        noted.write_text(json.dumps({**json.loads(noted.read_text()), "pid": os.getpid()}))
        assert running(state) == []
        second = await model.endpoint()
        assert second.pid != first.pid
        await model.aclose()


async def test_users_who_come_and_go_while_a_helper_ends_are_always_answered(
    tmp_path: Path,
) -> None:
    async with no_helper_is_left(tmp_path):
        for _ in range(12):
            model = local_model(tmp_path)
            endpoint = await model.endpoint()
            assert await answered_by(endpoint.base_url) == endpoint.pid
            await model.aclose()  # The next one meets the helper on its way out.


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("refuse", "cannot load it. Its last words: the file is broken."),
        ("die", "its process died. Its last words: I had a bad day."),
        ("bug", "a bug"),
    ],
)
async def test_a_helper_that_cannot_start_says_why(tmp_path: Path, mode: str, said: str) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path, mode=mode)
        with pytest.raises(ConfigurationError, match="tiny did not start") as caught:
            await model.endpoint()
        assert caught.value.code == "local_model_failed"
        assert said in str(caught.value)
        assert str(state / meet(state, key_of("tiny", tmp_path / "tiny.gguf")).log) in str(
            caught.value
        )
        await model.aclose()
        await eventually(lambda: running(state) == [])


async def test_a_helper_that_hangs_on_its_start_is_ended_within_the_bound(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        for bound in (1, 20):  # a busy machine may not get so far in a second
            model = local_model(tmp_path, mode="hang", start_timeout=bound)
            with pytest.raises(ConfigurationError, match=f"not ready within {bound} s") as caught:
                await model.endpoint()
            await eventually(lambda: not any(map(lives, starts(state))))
            await model.aclose()
            if "still thinking" in caught.value.message:
                break
        assert "still thinking" in caught.value.message


async def test_a_program_that_never_becomes_a_helper_is_ended_too(tmp_path: Path) -> None:
    program = (sys.executable, "-c", "import time; print('hm', flush=True); time.sleep(600)")
    for bound in (1, 20):
        model = local_model(tmp_path, program=program, start_timeout=bound)
        with pytest.raises(ConfigurationError, match="did not start") as caught:
            await model.endpoint()
        await model.aclose()
        if "Its last words" in caught.value.message:
            break
    assert "Its last words: hm" in caught.value.message


async def test_a_program_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    model = local_model(tmp_path, program=("/no/such/python",))
    with pytest.raises(ConfigurationError, match="/no/such/python"):
        await model.endpoint()
    await model.aclose()


async def test_a_missing_extra_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    model = local_model(tmp_path, mode="missing")
    with pytest.raises(ConfigurationError) as caught:
        await model.endpoint()
    assert caught.value.code == "extra_missing"
    assert caught.value.hint == f"Run: {installing('local')}"
    await model.aclose()


async def test_a_cancelled_start_leaves_a_helper_that_ends_by_itself(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = local_model(tmp_path, mode="slow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(model.endpoint)
            await eventually(lambda: bool(starts(state)))
            tasks.cancel_scope.cancel()
        await model.aclose()
        (state / "go").touch()
        await eventually(lambda: not lives(starts(state)[0]))


async def test_a_helper_whose_starter_died_is_waited_for_by_the_next_user(tmp_path: Path) -> None:
    async with no_helper_is_left(tmp_path) as state:
        with another_user(tmp_path, mode="slow", idle=30) as starter:
            await eventually(lambda: bool(starts(state)))
            starter.kill()
        model = local_model(tmp_path)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(model.endpoint)
            await anyio.sleep(0.1)
            (state / "go").touch()
        assert starts(state) == [(await model.endpoint()).pid]
        await model.aclose()


async def test_a_state_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    model = local_model(tmp_path)
    with pytest.raises(ConfigurationError, match="state"):
        await model.endpoint()
    await model.aclose()


FOREIGN = "https://evil.example"


async def asked(url: str, *, key: str | None) -> httpx2.Response:
    headers = {"origin": FOREIGN} | ({} if key is None else {"authorization": f"Bearer {key}"})
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    async with httpx2.AsyncClient(timeout=30) as client:
        return await client.post(f"{url}/chat/completions", json=body, headers=headers)


async def asked_by_a_web_page(method: str, url: str) -> httpx2.Response:
    headers = {"origin": FOREIGN, "access-control-request-method": "POST"}
    async with httpx2.AsyncClient(timeout=30) as client:
        return await client.request(method, url, headers=headers)


@pytest.mark.weights
async def test_the_real_model_answers_those_who_have_the_key_and_nobody_else(
    tmp_path: Path, real_weights: Path
) -> None:
    async with no_helper_is_left(tmp_path) as state:
        model = LocalModel(real_weights, name="local", state_dir=state, idle=0)
        endpoint = await model.endpoint()
        readers = set[str]()
        for key, expected in ((None, 401), ("wrong", 401), (endpoint.api_key, 200)):
            answer = await asked(endpoint.base_url, key=key)
            assert answer.status_code == expected
            readers.add(answer.headers["access-control-allow-origin"])
        for method, path, expected in (
            ("GET", "/health", 200),
            ("GET", "/models", 401),
            ("OPTIONS", "/models", 200),
            ("OPTIONS", "/chat/completions", 200),
        ):
            answer = await asked_by_a_web_page(method, endpoint.base_url + path)
            assert answer.status_code == expected
            assert method == "GET" or answer.content == b""
            readers.add(answer.headers["access-control-allow-origin"])
        assert readers == {"http://127.0.0.1"}  # Neither the page's own nor everybody's.
        await model.aclose()
        await eventually(lambda: not lives(endpoint.pid))


@pytest.mark.weights
async def test_the_real_model_serves_two_users_at_once_and_keeps_no_prompt_in_its_log(
    tmp_path: Path, real_weights: Path
) -> None:
    import openai

    async def ask(question: str) -> None:
        async with openai.AsyncOpenAI(base_url=at.base_url, api_key=at.api_key) as client:
            answer = await client.chat.completions.create(
                model=at.model,
                messages=[{"role": "user", "content": question}],
                max_tokens=40,
                temperature=0,
            )
        answers.append(answer.choices[0].message.content or "")

    answers: list[str] = []
    async with no_helper_is_left(tmp_path) as state:
        model = LocalModel(real_weights, name="local", state_dir=state, idle=0)
        at = await model.endpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "What is the capital of France?")
            tasks.start_soon(ask, "What is the capital of Italy?")
        assert any("Paris" in answer for answer in answers)
        assert any("Rome" in answer for answer in answers)
        await model.aclose()
        [log] = state.glob("*.log")
        assert "capital" not in log.read_text()


@pytest.mark.weights
async def test_the_real_program_refuses_a_broken_file_with_its_own_reason(
    tmp_path: Path, real_weights: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    with real_weights.open("rb") as whole:
        broken.write_bytes(whole.read(20_000_000))
    model = LocalModel(broken, name="broken", state_dir=tmp_path / "state", idle=0)
    with pytest.raises(ConfigurationError, match="corrupted or incomplete"):
        await model.endpoint()
    await model.aclose()


@pytest.fixture(scope="session")
def real_weights() -> Path:
    import platformdirs

    from chatbots.local.catalog import load
    from chatbots.local.weights import WeightStore
    from chatbots.version import DISTRIBUTION

    nowhere = Path("/nonexistent")
    store = WeightStore(
        platformdirs.user_cache_path(DISTRIBUTION), hub_cache=nowhere, ollama_dir=nowhere
    )
    path = store.find(load()[0])
    assert path is not None, "no weights here: chatbots models pull"
    return path
