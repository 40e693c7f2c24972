"""The tools that come with the package, called as a model calls them."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from chatbots.tool_calls import ToolCall, ToolContext, ToolResult
from chatbots.tools.builtin import BUILTIN, builtin
from chatbots.tools.registry import ToolRegistry
from tests.tools.corpus import Case, cases

HOSTILE = cases("arguments_hostile")
TOOLS = ToolRegistry(builtin(name) for name in BUILTIN)


async def call(name: str, arguments: str) -> ToolResult:
    return await TOOLS.run(ToolCall("c1", name, arguments), ToolContext(request_id="r1"))


async def outcome(case: Case) -> str:
    """Make the call of a line; say what is wrong with what comes of it, if anything."""
    began = time.thread_time()
    result = await call(case.tool, case.sent)
    took = time.thread_time() - began
    if case.refused:
        right = result.is_error and 10 < len(json.loads(result.content)["error"]) < 2000
    else:
        right = (result.content, result.is_error) == (case.value, False)
    return "" if right and took < 0.5 else f"{case.tool} {case.sent!a}: {result} in {took:.2f} s"


@pytest.mark.usefixtures("uncollected")
async def test_hostile_arguments_end_quickly_as_they_must() -> None:
    assert [wrong for case in HOSTILE if (wrong := await outcome(case))] == []


def test_the_corpus_is_as_large_as_promised() -> None:
    assert sum(case.refused for case in HOSTILE) >= 250


@pytest.mark.parametrize("name", BUILTIN)
def test_the_model_is_told_what_each_takes(name: str) -> None:
    spec = builtin(name).spec
    assert spec.name == name
    assert spec.strict
    assert len(spec.description) > 20
    properties = spec.parameters["properties"]
    assert isinstance(properties, dict)
    assert all(len(said["description"]) > 5 for said in properties.values())


def test_multiply_takes_two_numbers_and_nothing_else() -> None:
    parameters = builtin("multiply").spec.parameters
    assert parameters["properties"] == {
        "a": {"type": "number", "description": "The first factor."},
        "b": {"type": "number", "description": "The second factor."},
    }
    assert (parameters["required"], parameters["additionalProperties"]) == (["a", "b"], False)


@pytest.mark.parametrize("name", BUILTIN)
def test_each_may_be_called_again_and_from_elsewhere(name: str) -> None:
    marks = builtin(name).marks
    assert (marks.idempotent, marks.remote, marks.confirm) == (True, True, False)


async def test_what_may_be_left_out_has_a_default() -> None:
    assert (await call("get_current_time", "")).content.endswith("+00:00")
    assert (await call("get_weather", '{"location": "Paris"}')).content.endswith("24 °C, cloudy.")
    assert (await call("calculator", '{"expression": "1+1"}')).content == "2"


def test_there_is_no_other() -> None:
    with pytest.raises(KeyError):
        builtin("eval")


def test_none_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import chatbots.tools.builtin, sys; print([m for m in sys.modules if 'weather' in m])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
