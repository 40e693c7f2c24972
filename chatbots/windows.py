"""How much of the past the models of an application see."""

from __future__ import annotations

from functools import cache

from chatbots.clients import weights_of
from chatbots.model_names import context_of
from chatbots.sessions.tokens import Count
from chatbots.sessions.window import Window
from chatbots.settings import Settings


def window_of(settings: Settings, count: Count) -> Window:
    """Return the window that *settings* ask for; *count* tells the tokens of a text."""

    @cache
    def local_context() -> int:
        return weights_of(settings)[1].context

    def context(model: str | None) -> int | None:
        if settings.chatbots_context_tokens is not None:
            return settings.chatbots_context_tokens
        if settings.wants_local:
            return local_context()
        return context_of(model or settings.openai_model)

    return Window(
        context=context,
        answer=settings.openai_max_tokens,
        last=settings.chatbots_window_turns,
        sums_up=settings.chatbots_summarize,
        count=count,
    )
