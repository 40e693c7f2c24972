"""Measure each module by its own test file alone.

python packaging/owncov.py [MODULE_FILE ...]

A whole suite covers almost anything by accident; this asks whether
`tests/<room>/test_<module>.py` tests its module. Every module needs 90 % of its lines
covered. A pure module, one the contract "Pure modules ..." of the import linter names,
needs every line and every branch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chatbots"
LINES_NEEDED = 90.0
SECONDS_ALLOWED = 120
WORKERS = 2
FEW = 10
"""Modules that are measured again when they fall short; more are no accident."""

EXEMPT_NAMES = {
    "__init__.py": "a docstring, or the table of public names, which test_architecture.py checks",
    "__main__.py": "three lines that only run in a process of their own",
}
EXEMPT = {
    "chatbots/local/helper.py": "runs only as the model's own process, out of coverage's sight",
    "chatbots/speech/helper.py": "runs only as the speech stack's own process, likewise",
    "chatbots/speech/piper_program.py": "runs only as Piper's own process, likewise",
}


class Covered(NamedTuple):
    """What of a module ran: two shares in percent, and what did not."""

    lines: float
    branches: float
    missing_lines: list[int]
    missing_branches: list[str]


class Result(NamedTuple):
    """What one module's own test file reached."""

    module: Path
    lines: float
    branches: float
    seconds: float
    complaint: str
    """Empty if the module reaches what it needs."""


def modules() -> list[Path]:
    """List the modules that need a test file, relative to the repository."""
    found = (path.relative_to(ROOT) for path in sorted(PACKAGE.rglob("*.py")))
    return [path for path in found if not exemption(path)]


def exemption(module: Path) -> str:
    """Return why *module* needs no test file of its own; empty if it needs one."""
    return EXEMPT.get(module.as_posix(), "") or EXEMPT_NAMES.get(module.name, "")


def test_file(module: Path) -> Path:
    """Return where the tests of *module* live: the same place, under `tests/`."""
    inside = module.relative_to("chatbots")
    return Path("tests") / inside.parent / f"test_{inside.name}"


def pure_modules() -> frozenset[Path]:
    """Read from the import linter's contract which modules do no input or output."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    names = next(c["source_modules"] for c in contracts if c["name"].startswith("Pure modules"))
    return frozenset(Path(name.replace(".", "/")).with_suffix(".py") for name in names)


def measure(module: Path, *, pure: bool) -> Result:
    """Run the test file of *module* under coverage; return what it reached."""
    tests = test_file(module)
    if not (ROOT / tests).exists():
        return Result(module, 0, 0, 0, f"has no {tests}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        failure = run_tests(tests, scratch)
        seconds = time.monotonic() - started
        if failure:
            return Result(module, 0, 0, seconds, failure)
        covered = read_report(module, scratch)
    if covered is None:
        return Result(module, 0, 0, seconds, f"is never imported by {tests}")
    missing = complaint(covered, pure=pure)
    return Result(module, covered.lines, covered.branches, seconds, missing)


def run_tests(tests: Path, scratch: str) -> str:
    """Run one test file, its measurements going to *scratch*; return what went wrong."""
    command = [sys.executable, "-m", "coverage", "run", "--data-file", f"{scratch}/data"]
    command += ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not weights", str(tests)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_ALLOWED, check=False
        )
    except subprocess.TimeoutExpired:
        return f"needs more than {SECONDS_ALLOWED} s for {tests}"
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        return f"{tests} failed:\n{tail}"
    return ""


def read_report(module: Path, scratch: str) -> Covered | None:
    """Return what coverage counted in *module*; None if it was never imported."""
    data, report = f"{scratch}/data", f"{scratch}/report.json"
    for command in (
        ["combine", "--quiet", "--data-file", data, scratch],
        ["json", "--quiet", "--data-file", data, "--include", module.as_posix(), "-o", report],
    ):
        coverage = [sys.executable, "-m", "coverage", *command]
        subprocess.run(coverage, cwd=ROOT, capture_output=True, check=False)
    if not Path(report).exists():
        return None
    counted = json.loads(Path(report).read_text("utf-8"))["files"].get(module.as_posix())
    if counted is None:
        return None
    total = counted["summary"]
    return Covered(
        lines=percent(total["covered_lines"], total["num_statements"]),
        branches=percent(total.get("covered_branches", 0), total.get("num_branches", 0)),
        missing_lines=counted["missing_lines"],
        missing_branches=[f"{start}->{end}" for start, end in counted.get("missing_branches", ())],
    )


def percent(part: int, whole: int) -> float:
    """Return *part* in percent of *whole*; of nothing, everything is covered."""
    return 100 * part / whole if whole else 100.0


def complaint(covered: Covered, *, pure: bool) -> str:
    """Say what is missing for a module of its kind; empty if nothing is."""
    if pure and covered.missing_lines:
        return f"is pure and misses lines {covered.missing_lines}"
    if pure and covered.missing_branches:
        return f"is pure and misses branches {' '.join(covered.missing_branches)}"
    if covered.lines < LINES_NEEDED:
        return f"misses lines {covered.missing_lines}"
    return ""


def show(result: Result) -> None:
    """Print one line about a module, and its complaint below it."""
    mark = "FAIL" if result.complaint else "ok"
    print(
        f"{mark:4} {result.lines:5.1f} % lines {result.branches:5.1f} % branches"
        f" {result.seconds:5.1f} s  {result.module}",
        flush=True,
    )
    if result.complaint:
        print(f"     {result.module} {result.complaint}", flush=True)


def main(arguments: list[str]) -> int:
    """Measure the modules named, or all; return 1 if one falls short."""
    wanted = [Path(argument) for argument in arguments] or modules()
    pure = pure_modules()

    def of_its_kind(module: Path) -> Result:
        return measure(module, pure=module in pure)

    started = time.monotonic()
    short: list[Path] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for result in pool.map(of_its_kind, wanted):
            show(result)
            if result.complaint:
                short.append(result.module)
    failed = len(short)
    if 0 < failed <= FEW:  # a busy machine may have stood still; what falls short does so again
        print("Once more, one after the other:", flush=True)
        for result in map(of_its_kind, short):
            show(result)
            failed -= not result.complaint
    seconds = time.monotonic() - started
    print(f"{len(wanted) - failed} modules are covered by their own test, {failed} are not", end="")
    print(f" ({seconds:.0f} s).")
    for module, why in EXEMPT.items():
        print(f"Not measured: {module} {why}.")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
