"""What the programs that ask a bot share: flags, settings, a bot, and one way to ask it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from chatbots.cli.flags import Flags, Settled, parse_flags
from chatbots.cli.outcome import guarded

if TYPE_CHECKING:
    from chatbots.settings import Settings

Kind: TypeAlias = Literal["nomem", "memory", "stream", "realtime", "explain"]


GC_THRESHOLD: Final = 100_000
"""Objects between two collections."""


def chat_program(kind: Kind, purpose: str, argv: Sequence[str] | None) -> int:
    """Run a chat program and return its exit status."""
    flags = parse_flags(
        f"chatbots {kind}", purpose, argv, remembers=kind != "nomem", asks=kind != "explain"
    )
    # Looking for garbage among the half million objects of the SDK's import, and once more on the
    # way out, is a fifth of a short program's time; there is none.
    gc.set_threshold(GC_THRESHOLD)
    secrets: list[str] = []
    try:
        return guarded(lambda: _run(kind, flags, secrets), debug=flags.debug, secrets=secrets)
    finally:
        gc.freeze()


def _run(kind: Kind, flags: Flags, secrets: list[str]) -> int:
    # Imported here, so that --help and a wrong flag answer at once.
    from chatbots.cli.asking import converse
    from chatbots.cli.choose import choose_model, named_model
    from chatbots.cli.loop import run

    settings = load_settings(flags)
    secrets += settings.secrets
    if kind == "realtime":
        from chatbots.cli.realtime import in_realtime

        settings = in_realtime(settings, flags)
    settings = named_model(settings) if kind == "explain" else choose_model(settings)
    return run(converse, kind, flags, settings)


def load_settings(flags: Settled) -> Settings:
    """Return the settings, the flags' values first, with logging set up to match."""
    from chatbots.setting_files import read_text
    from chatbots.settings import Settings

    system = flags.system
    if flags.instructions is not None:
        system = read_text(flags.instructions, "instructions")
    settings = Settings.load(
        openai_model=flags.model,
        openai_base_url=flags.base_url,
        assistant_instructions=system,
        chatbots_timeout=flags.timeout,
        server_host=flags.host,
        server_port=flags.port,
        log_level="debug" if flags.debug else "info" if flags.verbose else None,
    )
    _set_up_logging(settings)
    return settings


def _set_up_logging(settings: Settings) -> None:
    if settings.log_level is None:
        # A person is told in one line of the program's own; nobody asked for logs.
        logging.getLogger().addHandler(logging.NullHandler())
        return
    from chatbots.logs import set_up_logging

    set_up_logging(
        level=settings.log_level,
        form=settings.log_format,
        secrets=settings.secrets,
        color=settings.no_color is None,
    )
