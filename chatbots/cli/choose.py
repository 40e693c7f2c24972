"""Who answers where nobody was named: the model on this machine, if the person agrees."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import anyio

from chatbots.cli.outcome import tell
from chatbots.clients import find_weights, weights_of
from chatbots.errors import ConfigurationError
from chatbots.model_names import LOCAL, shutdown_of
from chatbots.provider.client import OPENAI_URL
from chatbots.settings import Settings

if TYPE_CHECKING:
    from chatbots.local.catalog import Weights


def choose_model(settings: Settings, *, speech: bool = False) -> Settings:
    """Return *settings* with somebody to ask, and say so where nobody had been named.

    On a terminal a missing local model is offered once for download; with *speech* it needs what
    hears and speaks, too. Raises `ConfigurationError` where there is nobody to ask.
    """
    if settings.says_where and not settings.wants_local:
        _warn_of_the_end(settings)
        return settings
    asked_for = settings.wants_local
    if missing := _missing(settings, speech=speech):
        _offer_download(settings, missing, asked_for=asked_for, speech=speech)
    if not asked_for:
        tell(f"No key is set; {_title(settings)} answers, on this machine.")
    return named_model(settings)


def named_model(settings: Settings) -> Settings:
    """Return *settings* with who would be asked: the local model where nobody else is named."""
    if settings.says_where and not settings.wants_local:
        return settings
    return settings.model_copy(update={"chatbots_local": True, "openai_model": LOCAL})


def _missing(settings: Settings, *, speech: bool) -> list[Weights]:
    store, weights = weights_of(settings)
    missing = [weights] if find_weights(settings) is None else []
    if speech:
        from chatbots.local.catalog import is_wanted, load_speech
        from chatbots.speech.files import check_packages

        check_packages()
        rows = [row for row in filter(is_wanted, load_speech()) if store.find(row) is None]
        if not all(row.optional for row in rows):
            missing += rows
    return missing


def _offer_download(
    settings: Settings, missing: list[Weights], *, asked_for: bool, speech: bool
) -> None:
    size = f"{sum(row.size for row in missing) // 1_000_000} MB"
    needs_model = missing[0] == weights_of(settings)[1]
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or not _agrees(missing, size):
        fetch = f"chatbots models pull{' --speech' if speech else ''} ({size})"
        raise _nobody(missing[0] if needs_model else None, fetch, asked_for=asked_for)
    from chatbots.cli.download import pull_speech, pull_weights

    if needs_model:
        anyio.run(pull_weights, settings)
    if speech:
        anyio.run(pull_speech, settings)


def _agrees(missing: list[Weights], size: str) -> bool:
    what = missing[0].title if len(missing) == 1 else "what answers, hears and speaks"
    licences = ", ".join(sorted({row.licence for row in missing}))
    sys.stderr.write(f"Download {what}, {size}, {licences}, and answer locally? [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:  # Ctrl-D, which is no yes
        sys.stderr.write("\n")
        return False
    return answer.strip().lower() in ("", "y", "yes")


def _nobody(model: Weights | None, fetch: str, *, asked_for: bool) -> ConfigurationError:
    if asked_for or model is None:
        what = "What hears and speaks" if model is None else f"The local model, {model.title},"
        return ConfigurationError(
            "weights_missing", f"{what} is not on this machine.", hint=f"Fetch it with: {fetch}."
        )
    return ConfigurationError(
        "not_configured",
        "There is no model to ask: no key, no base URL, and no local model.",
        hint=f"Set OPENAI_API_KEY, or fetch a model for this machine with: {fetch}.",
    )


def _title(settings: Settings) -> str:
    if settings.chatbots_local_model is not None:
        return settings.chatbots_local_model.name
    return weights_of(settings)[1].title


def _warn_of_the_end(settings: Settings) -> None:
    """Say when OpenAI shuts the model down; other servers may name theirs as they like."""
    end = shutdown_of(settings.openai_model)
    if end is None or settings.azure or settings.openai_base_url not in (None, OPENAI_URL):
        return
    over = dt.date.fromisoformat(end) <= dt.datetime.now(dt.UTC).date()
    tell(
        f"warning: OpenAI {'has shut down' if over else 'shuts down'} {settings.openai_model} "
        f"{'since' if over else 'on'} {end}; choose another with --model or OPENAI_MODEL."
    )
