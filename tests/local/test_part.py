from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from chatbots.local.part import Part

DATA = bytes(range(256)) * 20


def test_a_part_is_hashed_as_it_grows(tmp_path: Path) -> None:
    with Part(tmp_path / "part") as part:
        part.append(DATA[:1000])
        part.append(DATA[1000:])
        part.sync()
        assert part.length == part.size_on_disk == len(DATA)
        assert part.sha256() == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "part").read_bytes() == DATA


def test_a_part_of_an_earlier_process_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:3000])
    with Part(tmp_path / "part") as part:
        assert part.length == 0
        part.keep(part.size_on_disk)
        assert part.length == 3000
        part.append(DATA[3000:])
        assert part.sha256() == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "part").read_bytes() == DATA


@pytest.mark.parametrize("keep", [0, 1, 2999])
def test_a_part_is_cut_to_what_is_worth_keeping(tmp_path: Path, keep: int) -> None:
    (tmp_path / "part").write_bytes(DATA[:3000])
    with Part(tmp_path / "part") as part:
        part.keep(keep)
        assert part.length == part.size_on_disk == keep
        assert part.sha256() == hashlib.sha256(DATA[:keep]).hexdigest()


def test_more_than_there_is_cannot_be_kept(tmp_path: Path) -> None:
    with Part(tmp_path / "part") as part:
        part.append(b"abc")
        part.keep(10)
        assert part.length == part.size_on_disk == 3
        assert part.sha256() == hashlib.sha256(b"abc").hexdigest()


def test_a_full_disk_is_reported_by_the_write(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        (tmp_path / "folder").mkdir()
        with pytest.raises(OSError, match="folder"), Part(tmp_path / "folder"):
            pass
        return
    with Part(full) as part, pytest.raises(OSError, match="space") as caught:
        part.append(b"abc")
    assert caught.value.errno == errno.ENOSPC


def test_a_part_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not open"):
        Part(tmp_path / "part").append(b"abc")
