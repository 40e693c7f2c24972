"""A virtual environment for each client, with exactly the packages that are pinned."""

from __future__ import annotations

import hashlib
import json
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


def prepare(name: str) -> Path:
    """Make the environment *name* if it is not there as pinned; return its Python.

    pip finds the packages by its own configuration.
    Raises `subprocess.CalledProcessError` where one cannot be had.
    """
    if not name:
        return Path(sys.executable)
    pins = PINNED / f"{name}.txt"
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


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of *packages* that *python* would import."""
    command = [str(python), "-c", VERSIONS, *packages]
    found: dict[str, str] = json.loads(subprocess.check_output(command))
    return found
