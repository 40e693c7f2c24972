"""The maintainer's script that builds data wheels, and downloading from what it built."""

from __future__ import annotations

import base64
import csv
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chatbots.local import catalog
from chatbots.local.download import pull
from chatbots.local.weights import WeightStore
from tests.local.serving import serving
from tests.local.weights_of import made_up

SCRIPT = Path(__file__).parents[2] / "packaging" / "model_wheels.py"
DATA = made_up(250_000)
ROW = f"""
[[model]]
name = "tiny-1.5b_q4"
title = "Tiny (Q4)"
file = "tiny.gguf"
size = {len(DATA)}
sha256 = "{hashlib.sha256(DATA).hexdigest()}"
licence = "Apache-2.0"
origin = "https://models.invalid/tiny"
revision = "r1"
context = 512
"""


def build(folder: Path, data: bytes = DATA) -> subprocess.CompletedProcess[str]:
    (folder / "models.toml").write_text(ROW)
    (folder / "tiny.gguf").write_bytes(data)
    command = [sys.executable, str(SCRIPT), str(folder / "tiny.gguf")]
    command += ["--out", str(folder / "out"), "--catalog", str(folder / "models.toml")]
    return subprocess.run(
        [*command, "--part-size", "100000"], capture_output=True, text=True, cwd=folder
    )


def index_of(folder: Path, wheels: list[Path]) -> Path:
    """Lay out a simple index (PEP 503) as a folder of links."""
    for wheel in wheels:
        name = wheel.name.split("-")[0].replace("_", "-")
        page = folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<a href="/out/{wheel.name}">{wheel.name}</a>')
    return folder / "simple"


async def test_what_was_built_can_be_downloaded_again(tmp_path: Path) -> None:
    built = build(tmp_path)
    assert built.returncode == 0, built.stderr
    index_of(tmp_path, sorted((tmp_path / "out").iterdir()))
    (tmp_path / "again.toml").write_text(ROW + built.stdout)
    [weights] = catalog.load(tmp_path / "again.toml")
    nowhere = tmp_path / "nowhere"
    store = WeightStore(tmp_path / "cache", hub_cache=nowhere, ollama_dir=nowhere)
    with serving(tmp_path) as site:
        path = await pull(weights, store, index_url=site.url + "/simple")
    assert path.read_bytes() == DATA


def test_the_wheels_are_valid_and_say_what_they_are(tmp_path: Path) -> None:
    build(tmp_path)
    wheels = sorted((tmp_path / "out").iterdir())
    assert len(wheels) == 3
    assert wheels[0].name == "chatriver_model_tiny_1_5b_q4_part1-1.0.0-py3-none-any.whl"
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            assert archive.testzip() is None
            [record] = [name for name in archive.namelist() if name.endswith("/RECORD")]
            rows = list(csv.reader(archive.read(record).decode().splitlines()))
            assert [row[0] for row in rows] == archive.namelist()
            for name, digest, size in rows[:-1]:
                content = archive.read(name)
                found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
                assert (digest, size) == (f"sha256={found.decode()}", str(len(content)))
            metadata = archive.read(record.replace("RECORD", "METADATA")).decode()
            assert "License-Expression: Apache-2.0\n" in metadata
            assert "https://models.invalid/tiny" in metadata
            licence = archive.read(record.replace("RECORD", "licenses/LICENSE"))
            assert b"Apache License" in licence
            assert len([name for name in archive.namelist() if name.endswith(".bin")]) == 1


def test_the_same_file_makes_the_same_wheels(tmp_path: Path) -> None:
    assert build(tmp_path).stdout == build(tmp_path).stdout


def test_a_file_that_is_no_model_of_ours_is_refused(tmp_path: Path) -> None:
    built = build(tmp_path, DATA[:-1] + b"x")
    assert built.returncode == 1
    assert "is none of the catalogue's models" in built.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("installed", ["chatriver_model_tiny_1_5b_q4_part3"])
def test_pip_takes_them(tmp_path: Path, installed: str) -> None:
    build(tmp_path)
    [wheel] = (tmp_path / "out").glob(f"{installed}-*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*command, "--target", str(tmp_path / "site"), str(wheel)], check=True)
    assert (tmp_path / "site" / installed / "part3.bin").read_bytes() == DATA[200_000:]
