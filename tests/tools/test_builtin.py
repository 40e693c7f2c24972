"""The tools that come with the package."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from chatbots.tools.builtin import BUILTIN, builtin


@pytest.mark.parametrize("name", BUILTIN)
def test_each_is_there_described_and_typed(name: str) -> None:
    tool = builtin(name)
    assert tool.__name__ == name
    signature = inspect.signature(tool)
    assert signature.return_annotation == "str"
    text = inspect.getdoc(tool) or ""
    for parameter in signature.parameters.values():
        assert parameter.annotation is not parameter.empty
        assert f"    {parameter.name}: " in text


def test_there_is_no_other() -> None:
    with pytest.raises(KeyError):
        builtin("eval")


def test_none_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import chatbots.tools.builtin, sys; print([m for m in sys.modules if 'weather' in m])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
