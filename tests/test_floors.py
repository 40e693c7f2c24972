"""Each contract of the import linter, and each ban of ruff, is seen to fail once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]

FLOORS = "A room imports only the floors below it"

VIOLATIONS = [
    # contract, the file, what is added to it
    (FLOORS, "chatbots/flow/intruder.py", "import chatbots.services"),
    (FLOORS, "chatbots/flow/intruder.py", "import chatbots.provider"),
    (FLOORS, "chatbots/flow/intruder.py", "def late():\n    import chatbots.services"),
    ("cmd imports only the command line", "cmd/intruder.py", "import chatbots.flow"),
    (
        "Only the command line and the facade see the wiring",
        "chatbots/services/intruder.py",
        "import chatbots.app",
    ),
    ("Rooms get values, not settings", "chatbots/flow/intruder.py", "import chatbots.settings"),
    (
        "Nobody but the provider and the test kit says OpenAI",
        "chatbots/flow/intruder.py",
        "import openai",
    ),
    (
        "Pure modules do no input or output and have no clock",
        "chatbots/flow/flusher.py",
        "import time",
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what the import linter reads."""
    for folder in ("chatbots", "cmd"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("lint-imports"))
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=90
    )


def broken(output: str) -> list[str]:
    lines = output.splitlines()
    return [line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")]


@pytest.mark.checklist(32)
def test_no_contract_is_broken(copy: Path) -> None:
    done = lint_imports(copy)
    assert (done.returncode, broken(done.stdout)) == (0, []), done.stdout


def test_a_violation_breaks_its_contract(copy: Path) -> None:
    for number, (_, file, added) in enumerate(VIOLATIONS):
        path = copy / file.replace("intruder", f"intruder_{number}")
        old = path.read_text("utf-8") if path.exists() else ""
        path.write_text(f"{old}\n{added}\n", "utf-8")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout
    assert {*broken(done.stdout)} == {contract for contract, _, _ in VIOLATIONS}
    for number, (_, file, added) in enumerate(VIOLATIONS):
        module = (
            file.removesuffix(".py").replace("/", ".").replace("intruder", f"intruder_{number}")
        )
        assert f"{module} -> {added.split()[-1]} (l." in done.stdout


def test_a_room_on_no_floor_breaks_the_contract_of_floors(copy: Path) -> None:
    (copy / "chatbots/basement").mkdir()
    (copy / "chatbots/basement/__init__.py").write_text('"""A room on no floor."""\n', "utf-8")
    done = lint_imports(copy)
    assert (done.returncode, broken(done.stdout)) == (1, [FLOORS]), done.stdout
    assert "basement" in done.stdout


def test_each_contract_has_a_violation() -> None:
    contracts = [contract["name"] for contract in SETTINGS["importlinter"]["contracts"]]
    assert {contract for contract, _, _ in VIOLATIONS} == set(contracts)


def ruff(source: str, *, name: str) -> str:
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", "--no-cache"]
    done = subprocess.run(
        [*command, "--stdin-filename", name, "-"],
        input=source,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return done.stdout


@pytest.mark.parametrize("module", SETTINGS["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
def test_a_banned_import_is_refused_with_what_to_use_instead(module: str) -> None:
    said = ruff(f'"""A room."""\n\nimport {module}\n', name="chatbots/flow/intruder.py")
    assert f"TID251 `{module}` is banned: " in said


@pytest.mark.checklist(33, 171)
@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("D103", "def public() -> None:\n    pass\n"),
        ("T201", 'print("to whoever")\n'),
        ("S110", "try:\n    pass\nexcept Exception:\n    pass\n"),
        ("ASYNC251", "import time\n\n\nasync def _wait() -> None:\n    time.sleep(1)\n"),
    ],
)
def test_a_house_rule_is_known_to_the_linter(rule: str, source: str) -> None:
    assert rule in ruff(f'"""A room."""\n\n{source}', name="chatbots/flow/intruder.py")
