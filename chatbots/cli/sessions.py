"""`sessions`: list, read, search and look after the conversations that are kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from chatbots.cli.outcome import guarded

ACTIONS: Final = {
    "list": "the conversations, newest first",
    "show": "what was said in one",
    "search": "find words in all that was said",
    "rename": "call one something else",
    "fork": "copy one, to go on in two ways",
    "delete": "erase conversations and their text",
    "export": "write one to standard output",
    "import": "read one that was exported as JSON",
    "stats": "how much is kept",
}


class Looking(argparse.Namespace):
    """What is to be seen, and how."""

    words: list[str]
    session: str | None
    limit: int | None
    last: int | None
    form: str
    json: bool


class Flags(Looking):
    """What the program was told on its command line."""

    action: str
    name: str
    names: list[str]
    to: str | None
    upto: int | None
    file: str
    yes: bool
    debug: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    flags = parse(argv)
    return guarded(lambda: _run(flags), debug=flags.debug)


def parse(argv: Sequence[str] | None) -> Flags:
    """Return the flags in *argv* (the process's own if None); exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="chatbots sessions",
        description="List, read, search and look after the conversations that are kept.",
        epilog="docs/sessions.md shows them at work.",
        allow_abbrev=False,
    )
    parser.set_defaults(name="", names=[], to=None, session=None)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, purpose in ACTIONS.items():
        action = actions.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name in ("show", "rename", "fork", "export"):
            action.add_argument("name", metavar="NAME", help="the conversation")
        _add_flags(name, action)
        _add_shared(name, action)
    return parser.parse_args(argv, namespace=Flags())


def _add_flags(name: str, action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    match name:
        case "show":
            add("--last", type=_count, metavar="N", help="the newest N turns, and those pinned")
        case "search":
            add("words", metavar="WORD", nargs="+", help="what was said, or how it begins")
            add("--session", metavar="NAME", help="in this conversation only")
        case "rename":
            add("to", metavar="TO", help="its new name")
        case "fork":
            add("to", metavar="TO", nargs="?", help="the copy's name; made up if not said")
            add("--upto", type=_count, metavar="N", help="without the turns after number N")
        case "delete":
            add("names", metavar="NAME", nargs="+", help="the conversations")
            add("--yes", action="store_true", help="do not ask whether it is meant")
        case "export":
            forms = ("json", "markdown")
            add("--format", dest="form", choices=forms, default="json", help="json if not said")
        case "import":
            add("file", metavar="FILE", help="the exported file; '-' is standard input")
            add("--as", dest="to", metavar="NAME", help="under another name")
        case _:
            pass  # nothing of its own


def _add_shared(name: str, action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    if name in ("list", "search"):
        add("--limit", type=_count, metavar="N", help="at most so many, the newest")
    if name in ("list", "show", "search", "stats"):
        form = "one JSON object" if name in ("show", "stats") else "one JSON object a line"
        add("--json", action="store_true", help=form)
    add("--debug", action="store_true", help="show tracebacks")


def _count(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _run(flags: Flags) -> int:
    # Imported here, so that --help and a wrong flag answer at once.
    import anyio

    from chatbots.cli.loop import loop_options
    from chatbots.cli.shelf import look_after
    from chatbots.settings import Settings

    return anyio.run(look_after, flags, Settings.load(), backend_options=loop_options())


if __name__ == "__main__":
    sys.exit(main())
