"""`tokens`: make, list and revoke the tokens that clients of the server show."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatbots.cli.outcome import FAILED, OK, guarded, say, tell

if TYPE_CHECKING:
    from chatbots.server.tokens import TokenFile

ACTIONS: Final = {
    "add": "make a token and print it, this once",
    "list": "whose tokens there are, oldest first",
    "revoke": "make a token, or all of a user, invalid at once",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="chatbots tokens",
        description="Make, list and revoke the tokens that clients of the server show.",
        epilog="docs/server.md says who is let in. The file is SERVER_TOKENS_FILE.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, purpose in ACTIONS.items():
        action = actions.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name != "list":
            which = "the user's name" if name == "add" else "the user, or the id that list shows"
            action.add_argument("name", metavar="NAME", help=which)
        action.add_argument("--debug", action="store_true", help="show tracebacks")
    flags = parser.parse_args(argv)
    return guarded(lambda: _run(flags.action, getattr(flags, "name", "")), debug=flags.debug)


def _run(action: str, name: str) -> int:
    # Imported here, so that --help and a wrong flag answer at once.
    from chatbots.places import tokens_file
    from chatbots.server.tokens import TokenFile
    from chatbots.settings import Settings

    file = TokenFile(tokens_file(Settings.load()))
    if action == "list":
        return _list(file)
    return _add(file, name) if action == "add" else _revoke(file, name)


def _add(file: TokenFile, user: str) -> int:
    first = not file.exists()
    say(file.add(user))
    tell(f"This is {user}'s token. It is shown only now; {file.path} holds a hash of it.")
    if first:
        tell("From its next start on, the server lets nobody in without a token.")
    return OK


def _list(file: TokenFile) -> int:
    from chatbots.cli.session_lines import when

    tokens = file.tokens()
    for token in tokens:
        say(f"{token.id}  {when(token.at)}  {token.user}")
    if not tokens:
        tell("There are no tokens.")
    return OK


def _revoke(file: TokenFile, name: str) -> int:
    revoked = file.revoke(name)
    for token in revoked:
        say(f"{token.id} of {token.user} is revoked")
    if not revoked:
        tell(f"There is no token of {name!r}, and none with this id.")
    return OK if revoked else FAILED


if __name__ == "__main__":
    sys.exit(main())
