"""The flags that the chat programs share. Only the standard library: `--help` must be quick."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatbots.version import VERSION

if TYPE_CHECKING:
    from chatbots.sampling import Effort

EPILOG: Final = """\
Without --prompt a terminal gets a prompt loop, and a pipe is read as one question a line.
Settings come from the flags, the environment, .env and instructions.txt, in this order;
docs/settings.md lists them. With no key and no base URL the model on this machine answers.
Exit status: 0 answered, 1 failed or cut off, 2 wrong usage, 130 Ctrl-C."""


TOOLS_HELP: Final = (
    "builtin, none, NAME,NAME of built-ins, or FILE.py or PACKAGE.MODULE, which are run; "
    "may be repeated"
)

_TRUTHS: Final[dict[str, bool]] = {
    "true": True, "t": True, "1": True, "false": False, "f": False, "0": False
}  # fmt: skip
"""What Go's programs take for one or the other (its package `flag`)."""

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Picking(argparse.Namespace):
    """The flags that say how words are picked; each is a keyword of `ask` as well."""

    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: list[str] | None
    seed: int | None
    reasoning_effort: Effort | None


class Serving(argparse.Namespace):
    """The flags that name servers of tools."""

    mcp: list[str] | None
    mcp_config: Path | None

    @property
    def serves(self) -> bool:
        """Whether they name any."""
        return bool(self.mcp or self.mcp_config)


class Calling(Picking, Serving):
    """The flags that say what the model may call."""

    tools: list[str] | None
    tool_choice: str | None
    yes: bool


class Remembering(argparse.Namespace):
    """The flags of the programs with memory: which conversation, and the name of the turn."""

    session: str | None = None
    newest: bool = False
    request_id: str | None = None


class Settled(argparse.Namespace):
    """The flags that become settings."""

    model: str | None
    base_url: str | None
    system: str | None
    instructions: Path | None
    timeout: float | None
    host: str | None = None
    port: int | None = None
    verbose: bool
    debug: bool


class Flags(Calling, Remembering, Settled):
    """What a chat program was told on its command line."""

    prompt: list[str] | None
    schema: Path | None
    image: list[str] | None
    show_reasoning: bool
    json: bool


def parse_flags(
    program: str,
    purpose: str,
    argv: Sequence[str] | None,
    *,
    remembers: bool = True,
    asks: bool = True,
    more: Callable[[argparse.ArgumentParser], object] = bool,
    into: Flags | None = None,
) -> Flags:
    """Return the flags in *argv* (the process's own if None); exits with 2 on wrong usage.

    A program that *remembers* has those of `Remembering` too; one that never *asks* wants to know
    what would be asked. *more* adds a program's own flags, which *into* has a place for.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description=purpose,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_asking(parser)
    if remembers:
        _add_remembering(parser)
    _add_tools(parser)
    _add_picking(parser)
    _add_showing(parser)
    more(parser)
    flags = parser.parse_args(argv, namespace=into or Flags())
    if not (asks or flags.prompt):
        parser.error("name a --prompt")
    if flags.image and not flags.prompt:
        parser.error("--image goes with a --prompt")
    if flags.request_id is not None:
        _check_request_id(parser, flags)
    return flags


def _check_request_id(parser: argparse.ArgumentParser, flags: Flags) -> None:
    if not flags.request_id:
        parser.error("--request-id is empty")
    if not flags.prompt:
        parser.error("--request-id goes with a --prompt")
    if flags.newest:
        # Asked again, it might find another conversation to be the newest.
        parser.error("--request-id goes with --session, not with --continue")


def _add_asking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prompt",
        action="append",
        metavar="TEXT",
        help="ask this and leave; may be repeated, '-' is standard input",
    )
    parser.add_argument(
        "--image",
        action="append",
        metavar="FILE|URL",
        help="show it to the model with the prompt; may be repeated",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="the model to ask; 'local' is on this machine"
    )
    parser.add_argument("--base-url", metavar="URL", help="a server that speaks the OpenAI API")
    system = parser.add_mutually_exclusive_group()
    system.add_argument("--system", metavar="TEXT", help="the system message")
    system.add_argument(
        "--instructions", type=Path, metavar="FILE", help="a file with the system message"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for the whole turn, retries included (default 300)",
    )
    parser.add_argument(
        "--schema", type=Path, metavar="FILE", help="answer in JSON that fits this JSON schema"
    )


def _add_tools(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "what the model may call; if not said, a server's may calculate and read the clock"
    )
    add = group.add_argument
    add("--tools", action="append", metavar="WHICH", help=TOOLS_HELP)
    add_servers(add)
    add("--tool-choice", metavar="HOW", help="auto, none, required, or the NAME of one to call")
    add("--yes", action="store_true", help="allow every call, also of tools that want to be asked")


def add_servers(add: Callable[..., object]) -> None:
    """Add the flags of `Serving` to what *add* adds to."""
    add(
        "--mcp",
        action="append",
        metavar="COMMAND|URL",
        help="the tools of this MCP server too; may be repeated, NAME=COMMAND names it",
    )
    add(
        "--mcp-config",
        type=Path,
        metavar="FILE",
        help='the tools of the servers in a JSON file: {"mcpServers": ...}',
    )


def _add_remembering(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the conversation; a new one if not said")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--session", metavar="NAME", help="the one of this name, new or not")
    which.add_argument("--continue", dest="newest", action="store_true", help="the newest there is")
    group.add_argument(
        "--request-id",
        metavar="ID",
        help="with --prompt: however often this is asked, there is one answer",
    )


def _add_picking(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how words are picked; the server decides if not said")
    add = group.add_argument
    add("--temperature", type=number(0, 2), metavar="0..2", help="how freely; 0 is the least")
    add("--top-p", type=number(0, 1), metavar="0..1", help="among the likeliest of this share")
    add("--max-tokens", type=number(1, 2**31 - 1, int), metavar="N", help="how many at most")
    add("--stop", action="append", metavar="TEXT", help="end before this; up to 4 times")
    add("--seed", type=int, metavar="N", help="the same words again, as far as it can")
    known = ", ".join(EFFORTS)
    add("--reasoning-effort", choices=EFFORTS, metavar="HOW", help=f"how long to think: {known}")


def _add_showing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--show-reasoning",
        action="store_true",
        help="show what the model thinks before it answers, on standard error",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say more on standard error; logs at info"
    )
    parser.add_argument(
        "--debug",
        "-debug",  # as Go's programs have it: -debug=true
        nargs="?",
        const=True,
        default=False,
        type=_truth,
        metavar="true|false",
        help="logs at debug; tracebacks; what goes over a realtime socket",
    )
    parser.add_argument("--version", action="version", version=f"chatbots {VERSION}")


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return _TRUTHS[text.lower()]


def number(low: int, high: int, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """Return what reads a number from *low* to *high* out of a flag."""

    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return number

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
