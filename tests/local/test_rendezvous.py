from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from chatbots.local import rendezvous as module
from chatbots.local.files import open_lock, try_lock
from chatbots.local.rendezvous import (
    Process,
    State,
    holder,
    is_dying,
    is_held,
    key_of,
    meet,
    process_started,
    read_state,
    sign,
    write_state,
)

STATE = State(
    pid=1, started="2", port=3, api_key="k", name="tiny", path="/models/tiny.gguf", context=512
)


def test_one_model_file_has_one_key_by_whatever_way_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert key_of("tiny", tmp_path / "file") == key_of("tiny", tmp_path / "link")
    assert key_of("tiny", tmp_path / "file") != key_of("tiny", tmp_path / "other")


def test_a_model_has_another_key_for_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of("tiny", tmp_path)
    monkeypatch.setattr(module, "VERSION", "99.0")
    assert key_of("tiny", tmp_path) != before


def test_a_key_is_a_plain_file_name_whatever_the_model_is_called(tmp_path: Path) -> None:
    key = key_of("../Ünsafe name/" + "x" * 300, tmp_path)
    assert "/" not in key
    assert len(key) < 80
    assert meet(tmp_path, key).lease.parent == tmp_path


def test_the_state_is_read_as_it_was_written_and_for_the_user_only(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, STATE)
    assert read_state(path) == STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "1", json.dumps({"pid": 1}), '{"more": 1}'])
def test_a_state_that_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    assert read_state(path) is None
    path.write_text(text)
    assert read_state(path) is None


def test_the_holder_of_a_lock_is_known_while_he_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    assert not is_held(path)
    assert holder(path) is None
    lock = open_lock(path)
    assert try_lock(lock)
    assert is_held(path)
    assert holder(path) is None  # He has not signed yet.
    sign(lock, Process(12345, "long ago"))
    sign(lock, Process(678, "now"))
    assert holder(path) == Process(678, "now")
    os.close(lock)
    assert holder(path) is None
    assert path.read_text() == "678 now\n"


def test_a_process_has_a_time_of_start_and_a_missing_one_has_none() -> None:
    assert process_started(os.getpid()) == process_started(os.getpid()) != ""
    assert process_started(os.getpid()) != process_started(1)
    assert process_started(2**22 + 1) == ""


def test_a_system_without_proc_is_asked_by_its_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(type(Path())):  # type: ignore[misc]  # the class of this system's paths
        def __new__(cls, *parts: str) -> Path:  # type: ignore[misc]  # as above
            return Path("/nowhere", *(part.lstrip("/") for part in parts))

    monkeypatch.setattr(module, "Path", Elsewhere)
    year = process_started(os.getpid()).split()[-1]
    assert year.isdecimal()
    assert process_started(2**22 + 1) == ""


def test_only_a_process_that_shows_it_is_dying() -> None:
    me = Process(os.getpid(), process_started(os.getpid()))
    assert not is_dying(me)
    assert not is_dying(me._replace(started="at another time"))
    assert not is_dying(Process(2**22 + 1, ""))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
@pytest.mark.parametrize(
    ("field", "value", "dying"),
    [(3, "Z", True), (3, "X", True), (9, "4194308", True), (31, "256", True), (31, "2", False)],
)
def test_a_dying_process_is_known_by_its_state_its_flags_and_its_signals(
    field: int, value: str, *, dying: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    me = Process(os.getpid(), process_started(os.getpid()))
    name, _, rest = Path("/proc/self/stat").read_text().rpartition(")")
    fields = rest.split()
    fields[field - 3] = value
    (tmp_path / "stat").write_text(f"{name}) {' '.join(fields)}\n")
    monkeypatch.setattr(module, "Path", lambda _: tmp_path / "stat")
    assert is_dying(me) is dying
