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


def prepare(name: str, pinned_in: Path | None = None) -> Path:
    """Make the environment *name* if it is not there as pinned; return its Python.

    *pinned_in* is the folder of `NAME.txt`, if not the one of the report.
    pip finds the packages by its own configuration.
    Raises `subprocess.CalledProcessError` where one cannot be had.
    """
    if not name:
        return Path(sys.executable)
    pins = (pinned_in or PINNED) / f"{name}.txt"
    place = ENVIRONMENTS / name
    python = place / "bin" / "python"
    stamp = place / "installed"
    pinned = hashlib.sha256(pins.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text("utf-8") != pinned:
        print(f"Installing {name}", flush=True)
        venv.create(place, clear=True, with_pip=True)
        # Every package is named with its version: there is nothing left to resolve.
        install = ["-m", "pip", "install", "--quiet", "--no-deps", "-r", str(pins)]
        subprocess.run([str(python), *install], check=True)
        stamp.write_text(pinned, "utf-8")
    return python


def prepare_npm(folder: Path) -> Path:
    """Install what the lock in *folder* says; return a folder with it and the rest of *folder*.

    npm finds the packages by its own configuration.
    Raises `subprocess.CalledProcessError` where one cannot be had.
    """
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    place = ENVIRONMENTS / f"npm-{lock[:16]}"
    stamp = place / "installed"
    shutil.copytree(folder, place, dirs_exist_ok=True)
    if not stamp.exists():
        print(f"Installing {folder.name}", flush=True)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=place, check=True, capture_output=True)
        stamp.write_text(lock, "utf-8")
    return place


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of *packages* that *python* would import."""
    command = [str(python), "-c", VERSIONS, *packages]
    found: dict[str, str] = json.loads(subprocess.check_output(command))
    return found
