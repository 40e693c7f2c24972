"""`cmd/` has the name of a standard module: from the root it must also be that module."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STUBS = sorted(path for path in (ROOT / "cmd").glob("*.py") if path.name != "__init__.py")

FAILING_TEST = """
import cmd

def test_it():
    assert cmd.Cmd and cmd.__path__
    number = 41
    assert number == 42
"""

every_stub = pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.stem)


def python(*arguments: str, given: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run this interpreter from the repository root, as a person would."""
    return run(sys.executable, *arguments, given=given, cwd=cwd)


def run(*command: str, given: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        command, input=given, env=clean, cwd=cwd, capture_output=True, text=True, timeout=90
    )


# From the root, `cmd` is the package


def test_the_package_is_found_before_the_standard_module() -> None:
    done = python("-c", "import cmd; print(cmd.__path__[0])")
    assert Path(done.stdout.strip()) == ROOT / "cmd", done.stderr


def test_the_package_has_every_name_of_the_standard_module() -> None:
    names = "import cmd; print(*sorted(n for n in vars(cmd) if not n.startswith('__')))"
    standard = python("-P", "-c", names).stdout.split()
    assert "Cmd" in standard
    assert set(standard) <= set(python("-c", names).stdout.split())


def test_its_class_can_be_subclassed_and_pickled() -> None:
    program = (
        "import cmd, pickle\n"
        "class Shell(cmd.Cmd):\n"
        "    def do_quit(self, line): return True\n"
        "Shell().cmdloop()\n"
        "assert pickle.loads(pickle.dumps(cmd.Cmd)) is cmd.Cmd\n"
    )
    done = python("-c", program, given="quit\n")
    assert (done.returncode, done.stdout) == (0, "(Cmd) "), done.stderr


def test_it_keeps_its_own_docstring() -> None:
    done = python("-c", "import cmd; print(cmd.__doc__)")
    assert done.stdout.startswith("Programs to run from a checkout"), done.stderr


@pytest.mark.parametrize("module", ["pdb", "code", "doctest", "cProfile", "unittest", "asyncio"])
def test_a_standard_module_can_be_imported(module: str) -> None:
    done = python("-c", f"import {module}, cmd; print(cmd.Cmd.prompt)")
    assert (done.returncode, done.stdout) == (0, "(Cmd) \n"), done.stderr


# Debuggers and consoles


def test_breakpoint_opens_the_debugger() -> None:
    done = python("-c", "answer = 42\nbreakpoint()\nprint('on')", given="p answer\ncontinue\n")
    assert done.returncode == 0, done.stderr
    assert "(Pdb) 42" in done.stdout
    assert done.stdout.endswith("on\n")


def test_python_m_pdb_runs_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("print('ran')\n", "utf-8")
    done = python("-m", "pdb", "-c", "continue", str(script), given="quit\n")
    assert "ran" in done.stdout, done.stderr


def test_python_m_code_is_a_console() -> None:
    done = python("-m", "code", given="import cmd\nprint(cmd.Cmd.__module__)\n")
    assert "cmd\n" in done.stdout, done.stderr


def test_doctest_runs(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text(">>> 6 * 7\n42\n", "utf-8")
    done = python("-m", "doctest", "-v", str(page))
    assert "1 passed" in done.stdout, done.stderr


# Pytest, by both of its doors


PYTEST_DOORS = {
    "python -m pytest": [sys.executable, "-m", "pytest"],
    "bin/pytest": [str(Path(sys.executable).with_name("pytest"))],
}

every_door = pytest.mark.parametrize("door", PYTEST_DOORS.values(), ids=PYTEST_DOORS.keys())


def pytest_run(
    door: list[str], tests: Path, *options: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    settings = ["-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    return run(*door, *settings, *options, str(tests), given=given)


@every_door
def test_pytest_runs_and_stops_in_the_debugger(door: list[str], tmp_path: Path) -> None:
    tests = tmp_path / "test_it.py"
    tests.write_text(FAILING_TEST, "utf-8")
    done = pytest_run(door, tests, "--pdb", given="p number\nquit\n")
    assert "(Pdb) 41" in done.stdout, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout


@pytest.mark.slow  # and the fast suite itself is spread
def test_pytest_spreads_over_workers(tmp_path: Path) -> None:
    tests = tmp_path / "test_it.py"
    tests.write_text("import pdb\ndef test_a(): pass\ndef test_b(): pass\n", "utf-8")
    done = pytest_run(PYTEST_DOORS["python -m pytest"], tests, "-n", "2")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


# Other tools that start a process of their own


def test_a_spawned_process_can_import_the_debugger() -> None:
    program = (
        "import importlib, multiprocessing\n"
        "spawn = multiprocessing.get_context('spawn')\n"
        "child = spawn.Process(target=importlib.import_module, args=('pdb',))\n"
        "child.start(); child.join(); print(child.exitcode)\n"
    )
    done = python("-c", program)
    assert done.stdout == "0\n", done.stderr


def test_coverage_runs(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import pdb, cmd\nprint(cmd.Cmd.prompt)\n", "utf-8")
    data = f"--data-file={tmp_path / 'data'}"
    done = python("-m", "coverage", "run", data, f"--source={tmp_path}", str(script))
    assert (done.returncode, done.stdout) == (0, "(Cmd) \n"), done.stderr


# Where the package is not to be found


def test_a_safe_path_finds_the_standard_module() -> None:
    """`python -P` leaves the current directory out; the console script is for that."""
    done = python("-P", "-c", "import cmd; print(hasattr(cmd, '__path__'))")
    assert done.stdout == "False\n", done.stderr


def test_another_directory_finds_the_standard_module(tmp_path: Path) -> None:
    done = python("-c", "import cmd; print(hasattr(cmd, '__path__'))", cwd=tmp_path)
    assert done.stdout == "False\n", done.stderr


@every_stub
def test_a_safe_path_cannot_run_a_program(stub: Path) -> None:
    done = python("-P", "-m", f"cmd.{stub.stem}", "--help")
    assert done.returncode == 1
    assert "__path__ attribute not found on 'cmd'" in done.stderr


# The stubs


def test_there_are_the_programs() -> None:
    assert {"nomem", "memory", "stream"} <= {stub.stem for stub in STUBS}


@every_stub
def test_a_stub_imports_only_the_command_line(stub: Path) -> None:
    tree = ast.parse(stub.read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    homes = [node.module for node in imports if isinstance(node, ast.ImportFrom)]
    assert len(homes) == len(imports)
    assert all(home == "chatbots.cli" or str(home).startswith("chatbots.cli.") for home in homes)


@every_stub
def test_a_stub_is_a_docstring_an_import_and_a_guard(stub: Path) -> None:
    tree = ast.parse(stub.read_text("utf-8"))
    assert ast.get_docstring(tree)
    assert [type(node) for node in tree.body] == [ast.Expr, ast.ImportFrom, ast.If]
    assert isinstance(tree.body[-1], ast.If)
    assert ast.unparse(tree.body[-1].test) == "__name__ == '__main__'"


@every_stub
def test_a_program_shows_its_help(stub: Path) -> None:
    done = python("-m", f"cmd.{stub.stem}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


@every_stub
def test_a_program_runs_under_coverage(stub: Path, tmp_path: Path) -> None:
    data = f"--data-file={tmp_path / 'data'}"
    done = python("-m", "coverage", "run", data, "-m", f"cmd.{stub.stem}", "--help")
    assert done.returncode == 0, done.stderr
