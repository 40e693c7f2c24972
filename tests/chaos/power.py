"""A power loss: only what was synced is sure to be on the disk, of the rest any part or none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from struct import Struct as Packed
from typing import Final, NamedTuple

import anyio
import msgspec

from chatbots.errors import StorageError
from tests.chaos.asked import Note
from tests.chaos.checking import Tally, check_stored
from tests.chaos.killing import ROOT, shim, stored_in, upstream

HEAD: Final = Packed("=IIQQ")
WRITE, TRUNCATE, SYNC, NOTE, UNLINK = 1, 2, 3, 4, 5
FOLDER: Final = 3
SECTOR: Final = 512
"""Bytes a disk writes at once."""
SECONDS: Final = 6.0
"""How long turns are taken for the record."""


class Record(NamedTuple):
    """One thing that was done to a file; `start` and `end` are its place in the record."""

    kind: int
    file: int
    offset: int
    data: bytes
    start: int
    end: int


def note(to: int, note: Note) -> None:
    """Add to the record at the descriptor *to* what was told."""
    data = msgspec.json.encode(note)
    os.write(to, HEAD.pack(NOTE, 0, 0, len(data)) + data)


def records(raw: bytes) -> Iterator[Record]:
    """Read a record, as far as it is whole."""
    start = 0
    while start + HEAD.size <= len(raw):
        kind, file, offset, length = HEAD.unpack_from(raw, start)
        begin = start + HEAD.size
        end = begin + (length if kind in (WRITE, NOTE) else 0)
        if end > len(raw):
            return
        yield Record(kind, file, offset, raw[begin:end], start, end)
        start = end


def rebuild(done: Sequence[Record], path: Path, random: Random) -> None:
    """Write the files as they may be after the power went: what was synced, and some more."""
    luck = random.choice((0.0, 0.5, 0.9, 1.0))
    for file, end in enumerate(("", "-wal", "-journal")):
        name = path.with_name(path.name + end)
        synced = _synced(done, file)
        disk = bytearray()
        for record in done:
            if record.file != file or record.kind not in (WRITE, TRUNCATE, UNLINK):
                continue
            # That a file is gone stands in its folder.
            sure = record.start < (_synced(done, FOLDER) if record.kind == UNLINK else synced)
            if record.kind in (TRUNCATE, UNLINK):
                if sure or random.random() < luck:
                    del disk[record.offset :]
                    disk.extend(bytes(record.offset - len(disk)))
                continue
            for at in range(0, len(record.data), SECTOR):
                if sure or random.random() < luck:
                    part, begin = record.data[at : at + SECTOR], record.offset + at
                    disk.extend(bytes(max(0, begin - len(disk))))
                    disk[begin : begin + len(part)] = part
        name.write_bytes(disk)


def _synced(done: Sequence[Record], file: int) -> int:
    """Return up to where in the record what was done to *file* is sure to be on the disk."""
    return max((r.offset for r in done if r.kind == SYNC and r.file == file), default=0)


async def lose_power(folder: Path, losses: int, *, seed: int, guard: str | None) -> Tally:
    """Take turns once, and lose the power so many times at moments of it."""
    done = list(records(await anyio.to_thread.run_sync(take_turns, folder, guard)))
    random = Random(seed)
    told = [number for number, record in enumerate(done) if record.kind == NOTE]
    # Just after somebody was told something it counts most.
    cuts = [random.choice(told) + 1 for _ in range(losses // 2)]
    cuts += [random.randrange(len(done)) for _ in range(losses // 4)]
    # And while the file is made, which nobody has been told of.
    cuts += [random.randrange(told[0]) for _ in range(losses - len(cuts))]
    tally = Tally()
    for number, cut in enumerate(cuts):
        path = folder / f"loss{number}" / "sessions.db"
        path.parent.mkdir()
        rebuild(done[:cut], path, random)
        notes = [msgspec.json.decode(r.data, type=Note) for r in done[:cut] if r.kind == NOTE]
        try:
            stored = await stored_in(path)
        except StorageError as error:
            tally.fault("lost", f"all of {len(notes)}: {error}")
            continue
        tally.take(check_stored(notes, stored))
    tally.counts["power losses"] = losses
    tally.counts["syncs"] = sum(record.kind == SYNC for record in done)
    return tally


def take_turns(folder: Path, guard: str | None) -> bytes:
    """Have turns taken by a process under the shim; return the record."""
    log, path = folder / "record", folder / "sessions.db"
    env = shim(folder, path) | {"CHAOS_LOG": str(log)}
    with upstream(folder / "model.jsonl") as base_url:
        subprocess.run(
            [sys.executable, "-m", "tests.chaos.taking", base_url, str(SECONDS), guard or ""],
            cwd=ROOT,
            env=env,
            check=True,
        )
    return log.read_bytes()
