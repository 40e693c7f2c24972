from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from chatbots.local.catalog import TarballSource
from chatbots.local.fetch import WrongBytes, new_client
from chatbots.local.part import Part
from chatbots.local.tarball import fetch_members
from tests.local.serving import serving
from tests.local.weights_of import made_up

DATA = made_up(900_000)


def tarball_of(data: bytes, folder: Path) -> TarballSource:
    """Put *data*, in two pieces in the wrong order, into a tarball beside something else."""
    half = len(data) // 2
    path = folder / "shards.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, piece in (
            ("b.bin", data[half:]),
            ("package.json", b"{}"),
            ("a.bin", data[:half]),
        ):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(piece)
            archive.addfile(member, io.BytesIO(piece))
        folder_of = tarfile.TarInfo("package/folder")
        folder_of.type = tarfile.DIRTYPE
        archive.addfile(folder_of)
    return TarballSource(
        title="the registry",
        url="http://registry.invalid/shards.tgz",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        members=("package/a.bin", "package/b.bin"),
    )


async def get(folder: Path, source: TarballSource, begun: bytes = b"") -> tuple[bytes, list[int]]:
    moves: list[int] = []
    (folder / "work").mkdir()
    (folder / "work" / "joined.part").write_bytes(begun)
    with serving(folder) as site, Part(folder / "work" / "joined.part") as whole:
        here = msgspec.structs.replace(source, url=f"{site.url}/shards.tgz")
        async with new_client() as client:
            await fetch_members(client, here, whole, size=len(DATA), moved=moves.append)
    return (folder / "work" / "joined.part").read_bytes(), moves


async def test_the_members_are_joined_in_the_order_that_is_told(tmp_path: Path) -> None:
    joined, moves = await get(tmp_path, tarball_of(DATA, tmp_path), begun=bytes(len(DATA) + 1))
    assert joined == DATA
    assert (moves[0], moves[-1]) == (0, len(DATA))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["joined.part"]


async def test_room_is_asked_for_the_tarball_and_for_what_is_in_it(tmp_path: Path) -> None:
    source = tarball_of(DATA, tmp_path)
    asked: list[int] = []
    with serving(tmp_path) as site, Part(tmp_path / "joined.part") as whole:
        here = msgspec.structs.replace(source, url=f"{site.url}/shards.tgz")
        async with new_client() as client:
            await fetch_members(
                client, here, whole, size=len(DATA), moved=lambda _: None, missing=asked.append
            )
    assert asked == [source.size + len(DATA)]


async def test_another_tarball_is_never_opened(tmp_path: Path) -> None:
    source = msgspec.structs.replace(tarball_of(DATA, tmp_path), sha256="0" * 64)
    with pytest.raises(WrongBytes, match="its sha256 is"):
        await get(tmp_path, source)


@pytest.mark.parametrize("name", ["package/c.bin", "package/folder"])
async def test_a_member_that_is_missing_or_no_file_is_named(tmp_path: Path, name: str) -> None:
    source = msgspec.structs.replace(tarball_of(DATA, tmp_path), members=(name,))
    with pytest.raises(WrongBytes, match=f"does not hold {name}"):
        await get(tmp_path, source)
