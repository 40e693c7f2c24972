"""A file after a power loss: what was synced is there, the rest in any part or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tests.chaos.asked import Note
from tests.chaos.power import (
    FOLDER,
    HEAD,
    NOTE,
    SECTOR,
    SYNC,
    TRUNCATE,
    UNLINK,
    WRITE,
    note,
    rebuild,
    records,
)


def put(raw: bytes, kind: int, data: bytes = b"", *, file: int = 0, offset: int = 0) -> bytes:
    return raw + HEAD.pack(kind, file, offset, len(data)) + data


def losses(raw: bytes, path: Path) -> set[tuple[bytes, bytes]]:
    """Return all that both files may be after *raw*."""
    found: set[tuple[bytes, bytes]] = set()
    for seed in range(60):
        rebuild(list(records(raw)), path, Random(seed))
        found.add((path.read_bytes(), Path(f"{path}-wal").read_bytes()))
    return found


def test_what_was_synced_is_there_and_the_rest_may_be(tmp_path: Path) -> None:
    raw = put(b"", WRITE, b"sure")
    raw = put(raw, SYNC, offset=len(raw))
    raw = put(raw, WRITE, b"may be", offset=2)
    assert losses(raw, tmp_path / "db") == {(b"sure", b""), (b"sumay be", b"")}


def test_a_sync_is_of_one_file_and_of_what_was_written_before_it_began(tmp_path: Path) -> None:
    raw = put(b"", WRITE, b"a")
    raw = put(raw, WRITE, b"b", file=1)
    began = len(raw)
    raw = put(raw, WRITE, b"c", file=1, offset=1)
    raw = put(raw, SYNC, file=1, offset=began)
    log = {files[1] for files in losses(raw, tmp_path / "db")}
    assert log == {b"b", b"bc"}
    assert {files[0] for files in losses(raw, tmp_path / "db")} == {b"", b"a"}


def test_a_write_may_be_torn_between_sectors(tmp_path: Path) -> None:
    raw = put(b"", WRITE, b"a" * SECTOR + b"b" * SECTOR)
    torn = {files[0] for files in losses(raw, tmp_path / "db")}
    assert torn == {
        b"",
        b"a" * SECTOR,
        bytes(SECTOR) + b"b" * SECTOR,
        b"a" * SECTOR + b"b" * SECTOR,
    }


def test_a_file_may_still_be_as_long_as_it_was(tmp_path: Path) -> None:
    raw = put(b"", WRITE, b"long")
    raw = put(raw, SYNC, offset=len(raw))
    raw = put(raw, TRUNCATE, offset=1)
    assert {files[0] for files in losses(raw, tmp_path / "db")} == {b"long", b"l"}


def test_a_deleted_file_may_be_back_until_its_folder_is_synced(tmp_path: Path) -> None:
    raw = put(b"", WRITE, b"a", file=1)
    raw = put(raw, SYNC, file=1, offset=len(raw))
    raw = put(raw, UNLINK, file=1)
    assert {files[1] for files in losses(raw, tmp_path / "db")} == {b"a", b""}
    raw = put(raw, SYNC, file=1, offset=len(raw))
    assert {files[1] for files in losses(raw, tmp_path / "db")} == {b"a", b""}
    raw = put(raw, SYNC, file=FOLDER, offset=len(raw))
    assert {files[1] for files in losses(raw, tmp_path / "db")} == {b""}


def test_a_note_is_a_record_and_half_a_record_is_none(tmp_path: Path) -> None:
    path = tmp_path / "record"
    to = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    note(to, Note("Hi", "Hello"))
    os.close(to)
    raw = path.read_bytes()
    (one,) = records(raw)
    assert (one.kind, one.data, one.end) == (NOTE, b'{"prompt":"Hi","answer":"Hello"}', len(raw))
    assert not list(records(raw[:-1]))
