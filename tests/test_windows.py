from __future__ import annotations

from chatbots.clients import weights_of
from chatbots.model_names import context_of
from chatbots.sessions.tokens import estimate
from chatbots.settings import Settings
from chatbots.windows import window_of


def test_the_window_is_that_of_the_settings() -> None:
    settings = Settings(openai_max_tokens=7, chatbots_window_turns=3, chatbots_summarize=True)
    window = window_of(settings, estimate)
    assert (window.answer, window.last, window.sums_up) == (7, 3, True)
    assert window.count is estimate


def test_a_model_reads_what_is_known_of_it_unless_the_settings_say() -> None:
    known = window_of(Settings(openai_model="gpt-4"), estimate).context
    assert known(None) == known("gpt-4") == context_of("gpt-4")
    assert known("nobody's") is None
    assert window_of(Settings(chatbots_context_tokens=99), estimate).context("gpt-4") == 99


def test_the_model_on_this_machine_reads_what_its_weights_were_made_for() -> None:
    settings = Settings(chatbots_local=True)
    window = window_of(settings, estimate)
    assert window.context(None) == window.context("any") == weights_of(settings)[1].context
