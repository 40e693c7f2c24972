"""What the local model is asked, in words that a small model follows, to have it call tools.

Measured by `python -m tests.local.routing`; a change here wants that run again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, cast

import msgspec

from chatbots.errors import InvalidRequest
from chatbots.messages import Message
from chatbots.output import OutputFormat, Schema
from chatbots.tool_calls import ToolCall, ToolSpec

NONE: Final = "none"
MAX_TOOLS: Final = 128
"""As OpenAI's API reference has it (chat completions, `tools`)."""
MENU: Final = 5_000
"""Characters all tools' lines may have, if their names fit: some 1,300 tokens of the context."""
LINE: Final = 220
MAX_VALUES: Final = 5
SAID: Final = 2_000
"""Characters of what the user says that are looked at: more is a text to work on, not a wish."""
RESULT: Final = 8_000
"""Characters of a result the model is told, its begin and its end."""

# Not of tools that anybody offers: what is here is copied now and then.
_MENU = """Tools:
- play_music(title): Play a song, an artist or a kind of music.
- convert_units(value, unit, into): Convert a quantity from one unit to another.
- stock_price(company): Get the latest price of a share.
- none: answer in words: talk, facts, explanations, texts, code

Message: Put on some jazz, please."""
_CHOICES = (
    (_MENU, "play_music"),
    ("Message: What is jazz?", NONE),
    ("Message: How many miles are 42.195 km?", "convert_units"),
    ("Message: Who founded Apple?", NONE),
    ("Message: Is Tesla up this morning?", "stock_price"),
    ("Message: Good morning!", NONE),
    ("Message: Should I sell my Ford shares now?", "stock_price"),
    ("Message: Write a function that converts miles.", NONE),
)
_ARGUMENTS = (
    (
        """Tool: convert_units: Convert a quantity from one unit to another.
Arguments:
- quantity
- unit: The unit it has.
- into: The unit to convert it into. (default: "metre")

Message: How many miles are 42.195 km?""",
        '{"quantity":42.195,"unit":"km","into":"mile"}',
    ),
    (
        """Tool: plot: Draw a function.
Arguments:
- function: A term in x.

Message: Draw (x + 1) squared times 3, less the root of 5.""",
        '{"function":"(x + 1)**2 * 3 - sqrt(5)"}',
    ),
    (
        """Tool: format_date: Write a date as a country does.
Arguments:
- date: As in ISO 8601.
- locale: A BCP 47 tag. (default: "en-US")

Message: How do they write the 2nd of May 1999 in Brazil?""",
        '{"date":"1999-05-02","locale":"pt-BR"}',
    ),
)
_EXAMPLE: Final = re.compile(r",? ?[Ss]uch as .*?(?=\.(?:\s|$)| \(default|$)")
"""A small model copies examples."""
_LONG: Final = re.compile(r"(?<![\d.])\d{16,}(?:\.\d+)?")
_CUT: Final = re.compile(r"(?<![\d.])(\d{16})(?:\.\d+)?(?!\d)")
_GROUPED: Final = re.compile(r"(?<=\d)[ ,_'](?=\d{3})")
"""A separator of thousands."""


def choosing(specs: Sequence[ToolSpec], said: str) -> tuple[Message, ...]:
    """Return the question which of the tools is needed for what the user *said*.

    Raises `InvalidRequest` for more tools than `MAX_TOOLS`.
    """
    if len(specs) > MAX_TOOLS:
        message = f"The local model can be offered {MAX_TOOLS} tools, not {len(specs)}."
        raise InvalidRequest("invalid_request", message, param="tools")
    room = min(LINE, MENU // max(1, len(specs)))
    menu = "\n".join(_line(spec, room) for spec in specs)
    question = f"Tools:\n{menu}\n{_MENU.splitlines()[4]}\n\nMessage: {_short(said)}"
    shots = [(asked, f'{{"tool":"{name}"}}') for asked, name in _CHOICES]
    return _talk("Say which tool the message needs, or none.", shots, question)


def arguing(spec: ToolSpec, said: str, failures: Sequence[str] = ()) -> tuple[Message, ...]:
    """Return the question for the arguments of a tool; *failures* is what calls before came to."""
    rows = [_parameter(name, schema) for name, schema in _properties(spec.parameters).items()]
    failed = "".join(f"This did not work: {failure[:300]}\n" for failure in failures)
    question = (
        f"Tool: {spec.name}: {_first(spec.description)[:LINE]}\nArguments:\n"
        + "\n".join(rows)[:MENU]
        + f"\n{failed}\nMessage: {_short(said)}"
    )
    system = (
        "Write the arguments with which the tool does what the message asks for. "
        "Take names, numbers and words from the message."
    )
    return _talk(system, _ARGUMENTS, question)


def plain(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the conversation without the messages that the model's chat template garbles.

    What a tool has given is told by the user, and after the last question with what to do with it.
    """
    calls = {call.id: call for message in messages for call in message.tool_calls}
    told: list[Message] = []
    results: list[str] = []

    def tell(then: str = "") -> None:
        if results:
            told.append(Message("user", "\n".join(results) + then))
            results.clear()

    for message in messages:
        if message.role == "tool":
            called = _written(calls.get(message.tool_call_id or ""))
            results.append(f"{called} = {_short(message.content, RESULT)}")
            continue
        tell()
        if not message.tool_calls:
            told.append(message)
        elif message.content:
            told.append(Message(message.role, message.content))
    tell("\nTell me this result in a sentence, digit for digit.")
    return tuple(told)


def choice_format(specs: Sequence[ToolSpec], *, forced: bool) -> OutputFormat[object]:
    """Return the shape of an answer that names a tool, or `none` unless *forced*."""
    names = [spec.name for spec in specs] + [NONE] * (not forced)
    return _format(
        {"type": "object", "properties": {"tool": {"enum": names}}, "required": ["tool"]}
    )


def argument_format(spec: ToolSpec) -> OutputFormat[object]:
    """Return the shape of the arguments."""
    return _format(spec.parameters)


def loose_format() -> OutputFormat[object]:
    """Return the shape of any arguments at all: the tool itself finds what is wrong with them."""
    return _format({"type": "object"})


def arguments_of(text: str, said: str) -> str:
    """Return the arguments as JSON, the user's numbers to the digit.

    llama.cpp's grammar cuts a number after 16 digits, silently: it is completed from what the
    user *said*. Raises `ValueError` where that is not clear, and for what is no JSON object.
    """
    msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    whole: set[str] = set(_LONG.findall(_GROUPED.sub("", said)))

    def completed(cut: re.Match[str]) -> str:
        [number] = [number for number in whole if number.startswith(cut[1])]
        return number

    return msgspec.json.format(_CUT.sub(completed, text), indent=-1)


def _properties(schema: Schema) -> dict[str, Schema]:
    properties = cast("dict[str, object]", schema.get("properties", {}))
    return {name: cast("Schema", one) for name, one in properties.items() if one is not True}


def _format(schema: Schema) -> OutputFormat[object]:
    return OutputFormat(name="tool", schema=schema, parse=msgspec.json.decode)


def _talk(system: str, shots: Iterable[tuple[str, str]], question: str) -> tuple[Message, ...]:
    turns = [(Message("user", asked), Message("assistant", said)) for asked, said in shots]
    return (Message("system", system), *chain.from_iterable(turns), Message("user", question))


def _line(spec: ToolSpec, room: int) -> str:
    names = ", ".join(_signed(name, one) for name, one in _properties(spec.parameters).items())
    return f"- {spec.name}({names}): {_first(spec.description)}"[: max(room, len(spec.name) + 2)]


def _signed(name: str, schema: Schema) -> str:
    """Return a parameter with its values, where these are few and tell what it is for."""
    values = schema.get("enum")
    few = isinstance(values, list) and len(cast("list[object]", values)) <= MAX_VALUES
    return f"{name}: {'|'.join(map(str, cast('list[object]', values)))}" if few else name


def _parameter(name: str, schema: Schema) -> str:
    described = _EXAMPLE.sub("", str(schema.get("description", "")))
    return f"- {name}: {described}" if described else f"- {name}"


def _first(text: str) -> str:
    """Return the first paragraph, on one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())


def _short(text: str, most: int = SAID) -> str:
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def _written(call: ToolCall | None) -> str:
    return "A tool" if call is None else f"{call.name}({call.arguments})"
