"""A virtual environment for each client, with exactly the packages that are pinned."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PINNED: Final = ROOT / "report" / "pinned"
ENVIRONMENTS: Final = ROOT / ".venv" / "report"
VERSIONS: Final = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def made(place: Path, wanted: str, *install: str) -> Path:
    """Return the Python of the environment at *place*, made anew unless it is there as *wanted*.

    *install* is what pip is told; it finds the packages by its own configuration.
    Raises `RuntimeError` with the installer's words where one cannot be had.
    """
    python, stamp = place / "bin" / "python", place / "installed"
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
        print(f"Installing {place.name} ...", file=sys.stderr, flush=True)
        venv.create(place, clear=True, with_pip=True)
        _run(place, str(python), "-m", "pip", "install", "--quiet", *install)
        stamp.write_text(wanted, "utf-8")
    return python


def prepare(name: str, pinned_in: Path | None = None) -> Path:
    """Make the environment *name* if it is not there as pinned; return its Python.

    *pinned_in* is the folder of `NAME.txt`, if not the one of the report. Raises as `made`.
    """
    if not name:
        return Path(sys.executable)
    pins = (pinned_in or PINNED) / f"{name}.txt"
    pinned = hashlib.sha256(pins.read_bytes()).hexdigest()
    # Every package is named with its version: there is nothing left to resolve.
    return made(ENVIRONMENTS / name, pinned, "--no-deps", "-r", str(pins))


def prepare_npm(folder: Path) -> Path:
    """Install what the lock in *folder* says; return a folder with it and the rest of *folder*.

    npm finds the packages by its own configuration. Raises as `made`.
    """
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    place = ENVIRONMENTS / f"npm-{lock[:16]}"
    stamp = place / "installed"
    shutil.copytree(folder, place, dirs_exist_ok=True)
    if not stamp.exists():
        print(f"Installing {folder.name} ...", file=sys.stderr, flush=True)
        _run(place, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        stamp.write_text(lock, "utf-8")
    return place


def _run(place: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{place.name} cannot be installed:\n{done.stderr[-2000:]}")


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of *packages* that *python* would import."""
    command = [str(python), "-c", VERSIONS, *packages]
    found: dict[str, str] = json.loads(subprocess.check_output(command))
    return found
