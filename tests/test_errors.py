from __future__ import annotations

import pickle
import re

import pytest

from chatbots import errors
from chatbots.errors import (
    AccessDenied,
    ChatError,
    Code,
    ConfigurationError,
    InvalidRequest,
    ProviderError,
    StorageError,
    ToolError,
    TurnCancelled,
    error_of,
)

KINDS = ChatError.__subclasses__()
CODES = [(kind, code, facts) for kind in KINDS for code, facts in kind.CODES.items()]
CATEGORIES = {
    "validation", "auth", "rate_limit", "timeout", "upstream", "tool", "unknown_type",
    "internal", "too_large",
}  # fmt: skip

each_code = pytest.mark.parametrize(("kind", "code", "facts"), CODES, ids=[c for _, c, _ in CODES])


@pytest.mark.checklist(35)
def test_the_tree_is_the_one_at_the_top_of_the_file() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == [kind.__name__ for kind in KINDS]
    assert set(KINDS) == {
        ConfigurationError, InvalidRequest, AccessDenied, TurnCancelled, ProviderError,
        StorageError, ToolError,
    }  # fmt: skip


def test_a_code_belongs_to_one_class() -> None:
    names = [code for _, code, _ in CODES]
    assert len(names) == len(set(names))


def test_the_provider_can_fail_in_all_the_ways_there_are() -> None:
    assert set(ProviderError.CODES) == {
        "upstream_unreachable", "upstream_tls", "upstream_auth", "model_not_available",
        "rate_limited", "quota_exhausted", "upstream_timeout", "upstream_error",
        "upstream_bad_response", "stream_interrupted", "stream_stalled", "context_too_long",
        "content_filtered", "circuit_open", "output_invalid",
    }  # fmt: skip


@pytest.mark.checklist(65, 208)
@each_code
def test_a_code_means_something_to_each_reader(
    kind: type[ChatError], code: str, facts: Code
) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert facts.category in CATEGORIES
    assert 400 <= facts.http < 600
    assert 1000 <= facts.close < 1016
    assert facts.meaning


@pytest.mark.checklist(65)
@each_code
def test_an_error_is_found_by_its_code(kind: type[ChatError], code: str, facts: Code) -> None:
    error = error_of(code, "It happened.")
    assert type(error) is kind
    assert (error.code, error.message) == (code, "It happened.")
    assert (error.category, error.retryable) == (facts.category, facts.retryable)


@pytest.mark.parametrize("code", ["", "no_such_code", "InvalidRequest"])
def test_an_unknown_code_is_a_key_error(code: str) -> None:
    with pytest.raises(KeyError, match=f"^{code!r}$"):
        error_of(code, "It happened.")


def test_a_class_takes_only_its_own_codes() -> None:
    with pytest.raises(KeyError):
        InvalidRequest("rate_limited", "Slow down.")


def test_an_error_says_what_happened_and_what_to_do() -> None:
    plain = ProviderError("upstream_error", "The server failed.")
    hinted = ProviderError("upstream_error", "The server failed.", hint="Ask again.")
    assert str(plain) == "The server failed."
    assert str(hinted) == "The server failed. Ask again."
    assert repr(hinted) == "ProviderError('upstream_error', 'The server failed.')"


def test_an_error_carries_what_its_reader_needs() -> None:
    error = InvalidRequest("session_busy", "Busy.", retry_after=2.5, param="session", partial="Hel")
    assert (error.retry_after, error.param, error.partial) == (2.5, "session", "Hel")
    bare = InvalidRequest("session_busy", "Busy.")
    assert (bare.retry_after, bare.param, bare.partial, bare.hint) == (None, None, "", None)


@pytest.mark.checklist(118)
@pytest.mark.parametrize("retryable", [True, False])
def test_who_knows_better_says_whether_to_retry(retryable: bool) -> None:
    for code in ("upstream_error", "upstream_auth"):
        assert ProviderError(code, "No.", retryable=retryable).retryable is retryable


def test_stopping_on_purpose_exits_as_an_interrupt_does_and_an_unsafe_start_as_a_mistake() -> None:
    statuses = {code: kind(code, "No.").exit_status for kind in KINDS for code in kind.CODES}
    assert {code: status for code, status in statuses.items() if status != 1} == {
        "cancelled": 130,
        "unsafe_start": 2,
    }


def test_an_error_comes_out_of_another_process_as_it_went_in() -> None:
    error = ProviderError("rate_limited", "Too many.", retry_after=2.0, hint="Wait.", partial="He")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (its own bytes)
    assert (type(again), vars(again), str(again)) == (type(error), vars(error), str(error))
