"""`models`: fetch and look after the model on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from chatbots.cli.outcome import FAILED, OK, guarded, say, tell

if TYPE_CHECKING:
    from chatbots.settings import Settings

ACTIONS: Final = {
    "list": "the models that can be fetched, and which of them are here",
    "pull": "fetch the model, if it is not here, and with --speech what voice needs",
    "verify": "hash the model's file once more",
    "path": "print where the model's file lies",
    "status": "the processes that serve a model, with their users",
    "stop": "end these processes",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="chatbots models",
        description="Fetch and look after the model on this machine.",
        epilog="docs/local-models.md says what is fetched from where, and why it can be trusted.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    for name, purpose in ACTIONS.items():
        action = actions.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        # Also after the action; without a default, which would undo what stands before it.
        action.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
        )
        if name == "pull":
            action.add_argument(
                "--speech", action="store_true", help="fetch what hearing and speaking need too"
            )
            action.add_argument(
                "--all",
                action="store_true",
                help="as --speech, with what other packages would need",
            )
    flags = parser.parse_args(argv)
    return guarded(lambda: _run(flags), debug=flags.debug)


def _run(flags: argparse.Namespace) -> int:
    from chatbots.settings import Settings

    actions: dict[str, Callable[[Settings], int]] = {
        "list": _list,
        "pull": partial(_pull, flags),
        "verify": _verify,
        "path": _path,
        "status": _status,
        "stop": _stop,
    }
    return actions[flags.action](Settings.load())


def _list(settings: Settings) -> int:
    from chatbots.clients import weights_of
    from chatbots.local.catalog import load, load_speech

    store, chosen = weights_of(settings)
    for weights in load() + load_speech():
        place = store.find(weights)
        marks = "default, " if weights == chosen else ""
        voices = ", ".join(weights.voices)
        say(
            f"{weights.name}: {weights.title}, {weights.size // 1_000_000} MB, {weights.licence}; "
            f"{marks}{f'here: {place}' if place else 'not here'}"
            f"{voices and f'; voices: {voices}'}"
            f"{weights.extra and f'; needs chatriver[{weights.extra}]'}"
        )
    if settings.chatbots_local_model is not None:
        say(f"{settings.chatbots_local_model}: your own file (CHATBOTS_LOCAL_MODEL), used instead")
    return OK


def _pull(flags: argparse.Namespace, settings: Settings) -> int:
    import anyio

    from chatbots.cli.download import pull_speech, pull_weights

    say(str(anyio.run(pull_weights, settings)))
    if flags.speech or flags.all:
        for path in anyio.run(partial(pull_speech, settings, everything=flags.all)):
            say(str(path))
    return OK


def _verify(settings: Settings) -> int:
    from chatbots.clients import weights_of

    store, weights = weights_of(settings)
    path = store.verify(weights)
    if path is None:
        return _not_here()
    say(f"{path}: sha256 {weights.sha256}, as it should be")
    return OK


def _path(settings: Settings) -> int:
    from chatbots.clients import find_weights

    path = find_weights(settings)
    if path is None:
        return _not_here()
    say(str(path))
    return OK


def _status(_: Settings) -> int:
    from chatbots.local.running import running
    from chatbots.places import local_state

    processes = running(local_state())
    for process in processes:
        use = "in use" if process.in_use else "idle"
        say(f"pid {process.pid}: {process.path or 'loading'}, {use}, {process.base_url or '-'}")
    if not processes:
        tell("No local model is running.")
    return OK


def _stop(_: Settings) -> int:
    from chatbots.local.running import stop
    from chatbots.places import local_state

    processes = stop(local_state())
    for process in processes:
        say(f"pid {process.pid}: ended")
    if not processes:
        tell("No local model is running.")
    return OK


def _not_here() -> int:
    tell("The model is not on this machine. Fetch it with: chatbots models pull")
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
