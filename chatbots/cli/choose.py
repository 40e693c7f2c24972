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


def choose_model(settings: Settings) -> Settings:
    """Return *settings* with somebody to ask, and say so where nobody had been named.

    On a terminal a missing local model is offered once for download.
    Raises `ConfigurationError` where there is nobody to ask.
    """
    if settings.says_where and not settings.wants_local:
        _warn_of_the_end(settings)
        return settings
    asked_for = settings.wants_local
    if find_weights(settings) is None:
        _offer_download(settings, asked_for=asked_for)
    if not asked_for:
        tell(f"No key is set; {_title(settings)} answers, on this machine.")
    return named_model(settings)


def named_model(settings: Settings) -> Settings:
    """Return *settings* with who would be asked: the local model where nobody else is named."""
    if settings.says_where and not settings.wants_local:
        return settings
    return settings.model_copy(update={"chatbots_local": True, "openai_model": LOCAL})


def _offer_download(settings: Settings, *, asked_for: bool) -> None:
    _, weights = weights_of(settings)
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or not _agrees(weights):
        raise _nobody(weights, asked_for=asked_for)
    from chatbots.cli.download import pull_weights

    anyio.run(pull_weights, settings)


def _agrees(weights: Weights) -> bool:
    sys.stderr.write(
        f"Download {weights.title}, {weights.size // 1_000_000} MB, {weights.licence}, "
        "and answer locally? [Y/n] "
    )
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:  # Ctrl-D, which is no yes
        sys.stderr.write("\n")
        return False
    return answer.strip().lower() in ("", "y", "yes")


def _nobody(weights: Weights, *, asked_for: bool) -> ConfigurationError:
    fetch = f"chatbots models pull ({weights.size // 1_000_000} MB)"
    if asked_for:
        return ConfigurationError(
            "weights_missing",
            f"The local model, {weights.title}, is not on this machine.",
            hint=f"Fetch it with: {fetch}.",
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
