"""What is shipped, under which name, and what it is built from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chatbots.version import DISTRIBUTION, VERSION

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
DEMO_CONSTRAINTS = ROOT / "packaging" / "constraints-demo.txt"
VOICE_CONSTRAINTS = ROOT / "packaging" / "constraints-voice.txt"


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, with the build backend that is installed here."""
    copy = tmp_path_factory.mktemp("checkout")
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, copy, ignore=left_out, dirs_exist_ok=True)
    built = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built)]
    done = subprocess.run([*command, str(copy)], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_one_package(names: list[str]) -> None:
    """`cmd` in site-packages could shadow the standard module for every program."""
    tops = {name.split("/")[0] for name in names}
    assert tops == {"chatbots", f"{DISTRIBUTION}-{VERSION}.dist-info"}


def test_the_wheel_holds_every_module(names: list[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "chatbots").rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py")}


@pytest.mark.checklist(34)
@pytest.mark.parametrize("data", ["chatbots/py.typed", "chatbots/local/models.toml"])
def test_the_wheel_holds_what_is_no_module(names: list[str], data: str) -> None:
    assert data in names


@pytest.mark.checklist(67, 257)
def test_the_wheel_says_whose_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{DISTRIBUTION}-{VERSION}.dist-info/METADATA").decode()
        programs = archive.read(f"{DISTRIBUTION}-{VERSION}.dist-info/entry_points.txt").decode()
    assert f"Name: {DISTRIBUTION}\n" in metadata
    assert f"Version: {VERSION}\n" in metadata
    assert "License-Expression: MIT\n" in metadata
    assert "License-File: LICENSE\n" in metadata
    assert "chatbots = chatbots.cli.main:main" in programs


@pytest.mark.checklist(38)
def test_each_python_it_is_said_to_run_on_is_tested() -> None:
    project = PROJECT["project"]
    runs_on = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    assert project["requires-python"] == f">={runs_on[0]}"
    assert f"for version in {' '.join(runs_on)}; do" in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.checklist(22, 37)
@pytest.mark.slow
def test_an_installed_wheel_gives_the_command(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    binaries = venv / "bin"
    run(sys.executable, "-m", "venv", str(venv), cwd=tmp_path)
    run(str(binaries / "pip"), "install", "--no-deps", "--no-index", str(wheel), cwd=tmp_path)
    lend_dependencies(venv)
    assert VERSION in run(str(binaries / "chatbots"), "--version", cwd=tmp_path)
    for program in ("nomem", "memory", "stream"):
        said = run(str(binaries / "chatbots"), program, "--help", cwd=tmp_path)
        assert said.startswith(f"usage: chatbots {program}")
    whose = "import cmd, chatbots; print(hasattr(cmd, '__path__'), chatbots.__file__)"
    said = run(str(binaries / "python"), "-c", whose, cwd=tmp_path)
    assert said.startswith(f"False {venv}")


def lend_dependencies(venv: Path) -> None:
    """Let *venv* import what is installed here; our own editable checkout is not among it."""
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")


def run(*command: str, cwd: Path) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The name


def pages() -> Iterator[Path]:
    """Yield what a person may copy a command from: pages, modules, programs."""
    for folder in ("chatbots", "cmd", "docs", "examples", "bench", "report", "packaging", ".ci"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file())
    yield from (path for path in ROOT.iterdir() if path.is_file())


def test_nothing_tells_to_install_somebody_elses_package() -> None:
    wrong = re.compile(r"(?:install|add|uvx|pipx run|--with)\s+(?:-\S+\s+)*['\"]?chatbots\b(?!/)")
    for path in pages():
        text = path.read_bytes().decode("utf-8", "replace")
        assert not wrong.search(text), path


def test_the_distribution_has_the_name_that_the_hints_use() -> None:
    assert PROJECT["project"]["name"] == DISTRIBUTION


@pytest.mark.checklist(161)
def test_keys_stay_out_of_the_repository() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_every_dependency_has_an_upper_bound() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for line in (*PROJECT["project"]["dependencies"], *(r for rs in extras.values() for r in rs)):
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != DISTRIBUTION:
            assert any(part.operator in {"<", "=="} for part in requirement.specifier), line


# The hashed constraints


def pins(path: Path) -> dict[str, str]:
    """Return the pinned version of each package; every pin must carry a hash."""
    entries = path.read_text("utf-8").replace("\\\n", " ").splitlines()
    found: dict[str, str] = {}
    for entry in (line for line in entries if line and not line.startswith("#")):
        pin, *hashes = entry.split(" --hash=sha256:")
        assert hashes, entry
        requirement = Requirement(pin)
        (version,) = requirement.specifier
        assert version.operator == "=="
        found[canonicalize_name(requirement.name)] = version.version
    return found


def direct(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, to run with *extras* and to build."""
    optional = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    lines += [line for extra in extras for line in optional[extra]]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(
    ("path", "extras"),
    [
        (CONSTRAINTS, ["cli", "local", "fast", "dev"]),
        (DEMO_CONSTRAINTS, ["cli", "local", "server"]),
        (VOICE_CONSTRAINTS, ["cli", "local-voice", "server", "voice"]),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_the_constraints_pin_what_the_project_asks_for(path: Path, extras: list[str]) -> None:
    """`make constraints` writes them anew."""
    pinned = pins(path)
    for requirement in direct(*extras):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}, but {version} is pinned"


@pytest.mark.parametrize("path", [DEMO_CONSTRAINTS, VOICE_CONSTRAINTS], ids=lambda path: path.name)
def test_the_demos_run_what_the_tests_ran(path: Path) -> None:
    assert pins(path).items() <= pins(CONSTRAINTS).items()


@pytest.mark.parametrize(
    "path", [CONSTRAINTS, DEMO_CONSTRAINTS, VOICE_CONSTRAINTS], ids=lambda path: path.name
)
def test_the_constraints_name_no_place_to_fetch_from(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(--(extra-)?index-url|--find-links|-i|-f)\b", text, re.MULTILINE)
