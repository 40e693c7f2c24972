from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatbots.local.cpus import usable_cores


def machine(folder: Path, *pairs: tuple[int, ...]) -> Path:
    for siblings in pairs:
        for cpu in siblings:
            path = folder / f"cpu{cpu}" / "topology" / "thread_siblings_list"
            path.parent.mkdir(parents=True)
            path.write_text(",".join(map(str, siblings)) + "\n")
    return folder


def allow(monkeypatch: pytest.MonkeyPatch, *cpus: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(cpus), raising=False)


def test_two_hardware_threads_of_a_core_count_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, 0, 1, 2, 3)
    nowhere = tmp_path / "none"
    assert usable_cores(topology=machine(tmp_path, (0, 2), (1, 3)), quota=nowhere) == 2


def test_cores_this_process_may_not_use_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, 1)
    folder = machine(tmp_path, (0,), (1,), (2,))
    assert usable_cores(topology=folder, quota=tmp_path / "none") == 1


def test_a_machine_that_does_not_say_has_a_core_for_each_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, 0, 1, 2)
    assert usable_cores(topology=tmp_path, quota=tmp_path / "none") == 3


@pytest.mark.parametrize(
    ("text", "cores"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 4)],
)
def test_a_container_gets_what_its_quota_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cores: int
) -> None:
    allow(monkeypatch, 0, 1, 2, 3)
    (tmp_path / "cpu.max").write_text(text)
    assert usable_cores(topology=tmp_path, quota=tmp_path / "cpu.max") == cores


def test_without_affinity_all_cpus_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_this_machine_has_a_core() -> None:
    assert usable_cores() >= 1
