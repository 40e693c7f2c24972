"""Small weights for tests: rows of a catalogue over bytes that are made up."""

from __future__ import annotations

import hashlib
import random
import zipfile
from pathlib import Path

from chatbots.local.catalog import HubSource, Source, Weights, Wheel, WheelSource


def made_up(size: int) -> bytes:
    """Return bytes that look like a model file and do not compress."""
    return b"GGUF" + random.Random(size).randbytes(size - 4)  # noqa: S311 (no secret)


def weights_of(data: bytes, *sources: Source, sha256: str | None = None) -> Weights:
    return Weights(
        name="tiny",
        title="Tiny (Q1)",
        file="tiny.gguf",
        size=len(data),
        sha256=sha256 or hashlib.sha256(data).hexdigest(),
        licence="Apache-2.0",
        origin="https://models.invalid/tiny",
        revision="r1",
        context=512,
        source=sources,
    )


def hub(url: str) -> HubSource:
    return HubSource(title="the hub", url=url + "/{revision}/{file}")


def wheels_of(
    data: bytes,
    folder: Path,
    *,
    parts: int = 3,
    extra: str | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> WheelSource:
    """Put *data* into wheels behind a simple index at `folder/simple`."""
    step = -(-len(data) // parts)
    rows: list[Wheel] = []
    for number in range(1, parts + 1):
        piece = data[(number - 1) * step : number * step]
        package = f"odd_name_{number}"
        member = f"{package}/data/part{number:02}.bin"
        path = folder / "files" / f"{package}-1.0-py3-none-any.whl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr(f"{package}/__init__.py", "import os\n")
            archive.writestr(member, piece)
            archive.writestr(f"{package}-1.0.dist-info/METADATA", "Name: x\n")
            archive.writestr(f"{package}-1.0.dist-info/RECORD", "")
            if extra:
                archive.writestr(extra, "surprise")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        page = folder / "simple" / f"odd-name-{number}" / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(
            f'<a href="../../files/{path.name.replace("1.0-py3", "1.0.tar")}">older</a>'
            f'<a href="../../files/{path.name}#sha256={digest}">{path.name}</a>'
        )
        rows.append(
            Wheel(
                distribution=f"odd-name-{number}",
                version="1.0",
                size=path.stat().st_size,
                sha256=digest,
                member=member,
                member_size=len(piece),
            )
        )
    return WheelSource(title="the index", index="http://index.invalid/simple", wheel=tuple(rows))
