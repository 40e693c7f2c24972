from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from chatbots.local.files import open_lock, sha256_of, try_lock, unlock, write_whole


def test_a_lock_is_held_by_one_and_free_after_it(tmp_path: Path) -> None:
    one, two = open_lock(tmp_path / "lock"), open_lock(tmp_path / "lock")
    assert try_lock(one)
    assert not try_lock(two)
    assert not try_lock(two, shared=True)
    unlock(one)
    assert try_lock(two)
    os.close(one)
    os.close(two)


def test_a_shared_lock_is_held_by_many_and_keeps_others_from_having_it_alone(
    tmp_path: Path,
) -> None:
    one, two, three = (open_lock(tmp_path / "lock") for _ in range(3))
    assert try_lock(one, shared=True)
    assert try_lock(two, shared=True)
    assert not try_lock(three)
    for lock in (one, two, three):
        os.close(lock)


def test_a_lock_file_is_for_its_user_only_and_no_link(tmp_path: Path) -> None:
    os.close(open_lock(tmp_path / "lock"))
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        open_lock(tmp_path / "link")


def test_a_whole_file_replaces_another_and_is_for_its_user_only(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.mkdir()
    with pytest.raises(OSError, match="note"):
        write_whole(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_hashed_whole(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "data").write_bytes(data)
    assert sha256_of(tmp_path / "data") == hashlib.sha256(data).hexdigest()
