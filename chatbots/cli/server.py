"""`serve`: Serve many clients over WebSockets."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatbots.cli.flags import TOOLS_HELP, Serving, Settled, add_servers
from chatbots.cli.outcome import OK, guarded, tell

if TYPE_CHECKING:
    from chatbots.server.access import Guard
    from chatbots.server.application import Application
    from chatbots.server.serving import Server
    from chatbots.settings import Settings

TOOLS: Final = "get_weather,calculator,get_current_time"
"""What clients may have run where nothing is said: they harm nobody."""
OURS: Final = ("SERVER_", "OPENAI_", "CHATBOTS_", "DB_")
"""How variables begin that are likely to be meant for settings."""

EPILOG: Final = """\
Settings come from the flags, the environment, .env and instructions.txt, in this order;
docs/server.md tells what clients say, docs/settings.md lists the settings.
Ctrl-C or SIGTERM lets running answers end, a second one does not.
Exit status: 0 ended, 1 failed, 2 wrong usage."""


class Flags(Serving, Settled):
    """What the program was told on its command line."""

    timeout = None
    tools: list[str] | None
    insecure: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    flags = _parsed(argv)
    secrets: list[str] = []
    return guarded(lambda: _run(flags, secrets), debug=flags.debug, secrets=secrets)


def _parsed(argv: Sequence[str] | None) -> Flags:
    parser = argparse.ArgumentParser(
        prog="chatbots serve",
        description="Serve many clients over WebSockets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", metavar="ADDRESS", help="listen here (default 127.0.0.1)")
    add("--port", type=int, metavar="N", help="listen here (default 8080); 0 takes a free one")
    add("--model", metavar="NAME", help="the model to ask; 'local' is on this machine")
    add("--base-url", metavar="URL", help="a server that speaks the OpenAI API")
    system = parser.add_mutually_exclusive_group()
    system.add_argument("--system", metavar="TEXT", help="the system message")
    system.add_argument(
        "--instructions", type=Path, metavar="FILE", help="a file with the system message"
    )
    add("--tools", action="append", metavar="WHICH", help=f"default {TOOLS}: {TOOLS_HELP}")
    add_servers(add)
    add("--insecure", action="store_true", help="let in whoever can reach it, without tokens")
    add(
        "-v",
        "--verbose",
        action="store_true",
        help="logs at info: a line for each request (default: errors)",
    )
    add("--debug", action="store_true", help="logs at debug; tracebacks")
    return parser.parse_args(argv, namespace=Flags())


def _run(flags: Flags, secrets: list[str]) -> int:
    # Imported here, so that --help and a wrong flag answer at once.
    import anyio

    from chatbots.cli.chat import load_settings
    from chatbots.cli.choose import choose_model
    from chatbots.cli.loop import loop_options
    from chatbots.gates import gate_of
    from chatbots.logs import set_up_logging

    settings = load_settings(flags)
    secrets += settings.secrets
    if settings.log_level is None:
        # What only the operator can mend, clients are not told.
        color = settings.no_color is None
        set_up_logging(
            level="error", form=settings.log_format, secrets=settings.secrets, color=color
        )
    _warn_of_typos()
    guard = gate_of(settings, insecure=flags.insecure)
    settings = choose_model(settings)
    return anyio.run(_serve, flags, settings, guard, backend_options=loop_options())


async def _serve(flags: Flags, settings: Settings, guard: Guard) -> int:
    import anyio

    from chatbots.app import Chatbots
    from chatbots.cli.mcp import joined
    from chatbots.cli.toolset import toolset
    from chatbots.gates import tls_of

    tls = tls_of(settings)
    async with joined(flags, toolset(flags.tools or [TOOLS])) as tools, Chatbots(settings) as bots:
        application = bots.asgi(tools=tools, guard=guard)
        from chatbots.server.serving import Server, listen

        server = Server(application, idle=settings.server_read_timeout, tls=tls)
        with listen(settings.server_host, settings.server_port) as socket:
            host, port = socket.getsockname()[:2]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_announce, server, f"{host}:{port}", "s" if tls else "")
                tasks.start_soon(_announce_the_end, application)
                await server.serve([socket])
                tasks.cancel_scope.cancel()
    return OK if server.ended_by is None else 128 + server.ended_by


async def _announce(server: Server, address: str, secure: str) -> None:
    await server.ready.wait()
    # What is there now stays: looking through it for garbage holds up every stream.
    gc.collect()
    gc.freeze()
    tell(f"serving http{secure}://{address}, the socket is ws{secure}://{address}/ws")


async def _announce_the_end(application: Application) -> None:
    await application.hub.waiting.wait()
    seconds = f"{application.limits.drain:g} seconds"
    tell(f"letting running answers end, for up to {seconds}; Ctrl-C again ends at once")


def _warn_of_typos() -> None:
    """Say which variables are meant for settings, and are none."""
    from difflib import get_close_matches

    from chatbots.settings import Settings, environment

    known = [name.upper() for name in Settings.model_fields]
    for name in sorted(environment().keys() - set(known)):
        if name.startswith(OURS) and (meant := get_close_matches(name, known, 1, 0.85)):
            tell(f"warning: {name} is not a setting; {meant[0]} is one.")


if __name__ == "__main__":
    sys.exit(main())
