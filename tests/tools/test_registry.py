from __future__ import annotations

import subprocess
import sys

import pytest

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult, ToolSpec
from chatbots.tools import tool as tool_module
from chatbots.tools.registry import ToolRegistry, runner_of
from chatbots.tools.schema import Shape, shape_of
from chatbots.tools.tool import tool

HERE = ToolContext(request_id="r")


@tool
def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def test_a_registry_has_its_tools_by_name_and_in_order() -> None:
    registry = ToolRegistry([multiply])
    added = registry.add(add)
    assert [one.name for one in registry] == ["multiply", "add"]
    assert registry["add"] is added
    assert ("add" in registry, "sub" in registry, len(registry)) == (True, False, 2)


@pytest.mark.checklist(223)
def test_two_tools_of_the_same_name_are_an_error() -> None:
    with pytest.raises(InvalidRequest, match="two tools with the name 'add'") as caught:
        ToolRegistry([add, tool(name="add")(multiply.function)])
    assert caught.value.param == "tools"


@pytest.mark.checklist(223)
def test_the_model_sees_the_tools_that_are_there_now() -> None:
    registry = ToolRegistry([multiply])
    assert [spec.name for spec in registry.specs()] == ["multiply"]
    assert registry.specs() is registry.specs()
    registry.add(add)
    assert [spec.name for spec in registry.specs()] == ["multiply", "add"]


def hundred() -> ToolRegistry:
    return ToolRegistry(tool(name=f"tool_{number}")(add) for number in range(100))


def test_a_hundred_tools_make_no_schema_until_they_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def counting(*args: object, name: str) -> Shape:
        made.append(name)
        return shape_of(add, name=name)

    monkeypatch.setattr(tool_module, "shape_of", counting)
    registry = hundred()
    assert made == []
    registry.specs()
    registry.specs()
    assert made == [one.name for one in registry]


def test_having_tools_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from chatbots import ToolRegistry, tool\n"
        "ToolRegistry(tool(name=f't{n}')(lambda a: a) for n in range(100))\n"
        "heavy = {'pydantic', 'jsonschema', 'openai', 'httpx2'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert done.stdout == "[]\n", done.stderr


async def test_a_call_is_run_by_name() -> None:
    result = await ToolRegistry([multiply, add]).run(ToolCall("c", "add", '{"a":6,"b":7}'), HERE)
    assert result == ToolResult("c", "13")


@pytest.mark.parametrize(("tools", "known"), [([multiply, add], "multiply, add"), ([], "none")])
async def test_a_tool_there_is_not_is_an_error_that_names_those_there_are(
    tools: list[object], known: str
) -> None:
    result = await ToolRegistry(tools).run(ToolCall("c", "sub", "{}"), HERE)
    wanted = f'{{"error":"There is no tool \'sub\'; there are: {known}."}}'
    assert result == ToolResult("c", wanted, is_error=True)


# What a caller gives


def test_a_list_of_tools_becomes_a_registry() -> None:
    made = runner_of([multiply, add])
    assert isinstance(made, ToolRegistry)
    assert len(made) == 2
    assert runner_of([]) is None


def test_a_runner_is_taken_as_it_is() -> None:
    class Runner:
        def specs(self) -> list[ToolSpec]:
            return []

        async def run(self, call: ToolCall, context: ToolContext) -> ToolResult:
            return ToolResult(call.id, "")

    runner, registry = Runner(), ToolRegistry([add])
    assert runner_of(runner) is runner
    assert runner_of(registry) is registry


@pytest.mark.parametrize("given", ["multiply", multiply, 3])
def test_what_is_no_list_is_refused(given: object) -> None:
    with pytest.raises(InvalidRequest, match="These are no tools"):
        runner_of(given)  # type: ignore[arg-type]  # the mistake under test
