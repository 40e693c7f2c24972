"""The page says what the results say, and the two that are kept belong together."""

from __future__ import annotations

import pytest

from report.__main__ import PAGE, RESULTS, read
from report.faults import FAULTS
from report.page import Results, mark, ordered, page
from report.peers import CLIENTS, OPENAI_SDK, OURS
from report.scoring import Outcome
from report.trial import KEY, Trial


def trial(
    client: str = OURS.name,
    fault: str = "ok",
    outcome: Outcome = Outcome.ANSWER,
    *,
    leaked: bool = False,
    error: str | None = None,
) -> Trial:
    return Trial(
        client=client,
        fault=fault,
        outcome=outcome.value,
        leaked=leaked,
        requests=1,
        seconds=0.1,
        error=error,
    )


def rows(trials: list[Trial]) -> dict[str, list[list[str]]]:
    """Return the cells of the page's tables by what stands in front."""
    clients = {found.client for found in trials}
    text = page(Results("3.11.7", {name: {"openai": "3.51.0"} for name in clients}, trials))
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found.setdefault(first, []).append(cells)
    return found


def test_the_summary_counts_each_outcome_in_its_column() -> None:
    times = {outcome: n for n, outcome in enumerate(Outcome, 1)}
    trials = [trial(outcome=outcome) for outcome in Outcome for _ in range(times[outcome])]
    tables = rows([*trials, trial(outcome=Outcome.ERROR, leaked=True)])
    heads = ["faults", "right", "only a sign", "needless error", "raw exception", "hangs"]
    assert tables["client"][0] == [*heads, "wrong text", "false complete", "leaked key"]
    assert tables[OURS.name][0] == ["56", "11", "5", "6", "7", "8", "9", "10", "1"]


def test_a_fault_has_one_row_with_every_client_in_it() -> None:
    trials = [
        trial(fault="midstream-eof", outcome=Outcome.ERROR),
        trial(OPENAI_SDK.name, "midstream-eof", Outcome.SIGN),
    ]
    assert rows(trials)["`midstream-eof`"] == [["raise an error", "error", "sign"]]


@pytest.mark.parametrize(
    ("tried", "shown"),
    [
        (trial(), "answer"),
        (trial(outcome=Outcome.FALSE_COMPLETE), "**false**"),
        (trial(outcome=Outcome.ERROR, leaked=True), "error **key**"),
        (None, ""),
    ],
)
def test_what_is_bad_is_bold(tried: Trial | None, shown: str) -> None:
    assert mark(tried) == shown


def test_raw_exceptions_are_named_and_counted() -> None:
    trials = [
        trial(fault=fault, outcome=Outcome.RAW, error="json.JSONDecodeError")
        for fault in ("invalid-json", "json-empty")
    ]
    trials.append(trial(fault="401", outcome=Outcome.ERROR, error="chatbots.errors.ChatError"))
    assert rows(trials)[OURS.name][-1] == ["`json.JSONDecodeError` 2"]


def test_every_mark_is_explained() -> None:
    tables = rows([trial()])
    assert all(f"`{outcome.value}`" in tables for outcome in Outcome)


def test_results_are_in_the_order_of_the_page() -> None:
    mixed = [trial(OPENAI_SDK.name, "bom"), trial(fault="401"), trial(fault="midstream-eof")]
    assert ordered(mixed) == [mixed[2], mixed[1], mixed[0]]


# What is kept


def test_the_page_is_made_from_the_results() -> None:
    assert PAGE.read_text("utf-8") == page(read())


def test_every_client_was_asked_under_every_fault() -> None:
    found = [(trial.client, trial.fault) for trial in read().trials]
    assert found == [(client.name, fault.spec) for client in CLIENTS for fault in FAULTS]


def test_the_results_have_no_key() -> None:
    assert KEY.encode() not in RESULTS.read_bytes()
