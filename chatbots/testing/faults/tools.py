"""What goes wrong when the model calls tools; after a tool's result the answer is good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import Json
from chatbots.testing.faults.steps import Fault, Script, Step, Steps, answer
from chatbots.testing.requests import Tool

MIB: Final = 1024 * 1024
SAMPLES: Final[Mapping[object, object]] = {
    "string": "Zürich", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {},
}  # fmt: skip
DEFAULT_TOOL: Final = Tool(
    name="get_weather",
    parameters={"properties": {"city": {"type": "string"}}, "required": ["city"]},
)


class Called(msgspec.Struct):
    """One call of a tool, as the answer tells it; an empty id is left out."""

    id: str
    name: str
    arguments: str

    def told(self, **more: object) -> Json:
        """Return the call as JSON."""
        function = {"name": self.name, "arguments": self.arguments}
        named: Json = {"id": self.id} if self.id else {}
        return {**more, **named, "type": "function", "function": function}

    def fragments(self, index: int, parts: int) -> list[Json]:
        """Return the call in the deltas of a stream, its arguments in so many parts."""
        size = len(self.arguments)
        cuts = [self.arguments[size * n // parts : size * (n + 1) // parts] for n in range(parts)]
        first = msgspec.structs.replace(self, arguments="").told(index=index)
        return [first, *({"index": index, "function": {"arguments": cut}} for cut in cuts if cut)]


def sample(tool: Tool) -> str:
    """Return arguments that fit the *tool*'s required parameters."""
    shapes = tool.properties
    values = {name: _value(shapes.get(name, {})) for name in tool.required}
    return msgspec.json.encode(values).decode()


def _value(shape: Mapping[str, object]) -> object:
    choices = shape.get("enum")
    if isinstance(choices, list) and choices:
        return cast("list[object]", choices)[0]
    return SAMPLES.get(shape.get("type"), "Zürich")


def called(script: Script, count: int = 1) -> list[Called]:
    """Make good calls of the first tool that was offered."""
    tool = next(iter(script.request.offered), DEFAULT_TOOL)
    return [
        Called(bodies.token_like("call_", n, 29), tool.name, sample(tool)) for n in range(count)
    ]


def told(
    script: Script,
    calls: Sequence[Called],
    *,
    parts: int = 3,
    woven: bool = False,
    reason: str = "tool_calls",
    first: str = "",
    then: str = "",
) -> Iterator[Step]:
    """Answer with tool *calls*; *woven*, their fragments take turns.

    *first* is said before them, *then* after.
    """
    sheet = script.sheet
    if not script.stream:
        body = sheet.whole(first + then, reason, script.usage, [call.told() for call in calls])
        return answer(script, [body])
    each = [call.fragments(index, parts) for index, call in enumerate(calls)]
    flat = [fragment for fragments in each for fragment in fragments]
    if woven:
        longest = max(map(len, each))
        flat = [fragments[n] for n in range(longest) for fragments in each if n < len(fragments)]
    said = [sheet.opening(), *[sheet.piece(first)] * bool(first)]
    said += (sheet.chunk({"tool_calls": [fragment]}) for fragment in flat)
    said += [sheet.piece(then)] * bool(then) + [sheet.closing(reason)]
    said += [sheet.accounting(script.usage)] * sheet.include_usage
    return answer(script._replace(pieces=[]), said)


def once(steps: Callable[[Script, float], Iterator[Step]]) -> Steps:
    """Call tools until one has answered."""

    def again(script: Script, number: float) -> Iterator[Step]:
        answered = script.request.messages[-1].role == "tool"
        return answer(script) if answered else steps(script, number)

    return again


def changed(reason: str = "tool_calls", **fields: Callable[[Called, float], str]) -> Steps:
    """Make one call, with other fields than it should have."""

    def steps(script: Script, number: float) -> Iterator[Step]:
        (call,) = called(script)
        values = {name: value(call, number) for name, value in fields.items()}
        return told(script, [msgspec.structs.replace(call, **values)], reason=reason)

    return once(steps)


def in_pieces(script: Script, pieces: float) -> Iterator[Step]:
    """Make one call in so many pieces; spaces make its arguments long enough."""
    count = max(1, int(pieces))
    (call,) = called(script)
    long = "{" + " " * (count - len(call.arguments)) + call.arguments[1:]
    return told(script, [msgspec.structs.replace(call, arguments=long)], parts=count)


def loop(script: Script, _: float) -> Iterator[Step]:
    """Call a tool again, even after its result."""
    return told(script, called(script))


def cut_arguments(call: Called, _: float) -> str:
    """Return the beginning of the arguments."""
    return call.arguments[: len(call.arguments) // 2]


def huge_arguments(_: Called, mib: float) -> str:
    """Return so many MiB of arguments."""
    return '{"huge":"' + "x" * int(mib * MIB) + '"}'


FAULTS: Final[Mapping[str, Fault]] = {
    "tool-split": Fault("a tool call whose arguments come in so many parts",
        once(in_pieces), "parts", 100),
    "tool-interleaved": Fault("so many tool calls, their fragments in turn", once(
        lambda script, n: told(script, called(script, int(n)), woven=True)), "calls", 2),
    "tool-no-id": Fault("a tool call without an id", changed(id=lambda _call, _n: "")),
    "tool-then-text": Fault("a tool call, then text in the same answer", once(
        lambda script, _: told(script, called(script), then="".join(script.pieces)))),
    "tool-invalid-json": Fault("a tool call with cut arguments, as if they were whole",
        changed(arguments=cut_arguments)),
    "tool-truncated": Fault("a tool call with arguments cut by the length limit",
        changed("length", arguments=cut_arguments)),
    "tool-unknown": Fault("a call of a tool that was not offered",
        changed(name=lambda _call, _n: "no_such_tool")),
    "tool-huge-args": Fault("a tool call with so many arguments",
        changed(arguments=huge_arguments), "MiB", 2),
    "tool-loop": Fault("a tool call every time, whatever the tools say",
        loop),
    "tool-bomb": Fault("so many tool calls at once", once(
        lambda script, n: told(script, called(script, int(n)))), "calls", 100),
}  # fmt: skip
"""By name. Without tools in the request, a tool `get_weather` is called."""
