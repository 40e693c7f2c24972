"""Tools that a model's server may refuse."""

from __future__ import annotations

import pytest

from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.tool_calls import ToolCall, ToolContext
from chatbots.tools.optional import OptionalTools
from chatbots.tools.registry import ToolRegistry


def multiply(a: int, b: int) -> int:
    return a * b


@pytest.mark.parametrize(
    "said",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "deepseek-reasoner does not support Function Calling",
        '{"detail":[{"type":"extra_forbidden","loc":["body","tools"],"msg":"Extra inputs"}]}',
    ],
)
def test_what_servers_say_of_tools_is_a_refusal(said: str) -> None:
    tools = OptionalTools(ToolRegistry([multiply]))
    assert tools.suit("m")
    assert tools.refused("m", InvalidRequest("invalid_request", said))
    assert not tools.suit("m")
    assert tools.suit("n")
    assert tools.suit(None)


@pytest.mark.parametrize("code", ["model_not_available", "upstream_error"])
def test_whatever_status_they_say_it_with(code: str) -> None:
    tools = OptionalTools(ToolRegistry([multiply]))
    assert tools.refused(None, ProviderError(code, "tools param requires --jinja flag"))
    assert not tools.suit(None)


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("invalid_request", "The temperature is too high."),
        ProviderError("rate_limited", "Too many tools were called."),
        ProviderError("upstream_auth", "This key may use no tools."),
    ],
)
def test_any_other_error_is_none(error: ChatError) -> None:
    tools = OptionalTools(ToolRegistry([multiply]))
    assert not tools.refused("m", error)
    assert tools.suit("m")


async def test_they_are_offered_and_run_like_others() -> None:
    registry = ToolRegistry([multiply])
    tools = OptionalTools(registry)
    assert tools.specs() is registry.specs()
    result = await tools.run(
        ToolCall("c", "multiply", '{"a":6,"b":7}'), ToolContext(request_id="r")
    )
    assert result.content == "42"
