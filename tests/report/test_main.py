"""The run: what it asks, what it keeps of the last one, and its exit status."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from report import __main__ as program
from report.faults import FAULTS, SMOKE, Tried
from report.peers import CLIENTS, OPENAI_SDK, OURS, Client
from report.scoring import Outcome
from report.trial import Trial


def made(client: Client, fault: Tried, outcome: Outcome, *, leaked: bool = False) -> Trial:
    return Trial(
        client=client.name,
        fault=fault.spec,
        outcome=outcome.value,
        leaked=leaked,
        requests=1,
        seconds=0.1,
    )


@pytest.fixture
def outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Outcome]:
    """Return what will come of each client's trials; nobody is really asked."""
    found = {client.name: Outcome.ERROR for client in CLIENTS}

    async def attempt(client: Client, fault: Tried, python: Path) -> Trial:
        assert python == Path(sys.executable)
        return made(client, fault, found[client.name])

    monkeypatch.setattr(program, "attempt", attempt)
    monkeypatch.setattr(program, "prepare", lambda _: Path(sys.executable))
    monkeypatch.setattr(program, "versions", lambda _python, _packages: {"openai": "3.51.0"})
    monkeypatch.setattr(program, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(program, "PAGE", tmp_path / "page.md")
    return found


def run(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr(sys, "argv", ["report", *flags])
    return program.main()


def test_the_smoke_run_asks_two_clients(
    outcomes: dict[str, Outcome],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes[OPENAI_SDK.name] = Outcome.SIGN
    assert run(monkeypatch, "--smoke") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(SMOKE)


@pytest.mark.parametrize(
    "wrong",
    [
        made(OURS, FAULTS[0], Outcome.FALSE_COMPLETE),
        made(OURS, FAULTS[0], Outcome.ERROR, leaked=True),
    ],
)
def test_the_smoke_run_fails_where_we_are_wrong_once(
    outcomes: dict[str, Outcome], wrong: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attempt(client: Client, fault: Tried, _: Path) -> Trial:
        one = client is OURS and fault.spec == SMOKE[0]
        return wrong if one else made(client, fault, outcomes[client.name])

    monkeypatch.setattr(program, "attempt", attempt)
    assert run(monkeypatch, "--smoke") == 1


def test_one_client_alone_leaves_the_results_of_the_others(
    outcomes: dict[str, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch) == 0
    assert len(program.read().trials) == len(CLIENTS) * len(FAULTS)
    outcomes |= dict.fromkeys(outcomes, Outcome.ANSWER)
    assert run(monkeypatch, "--only", OPENAI_SDK.name) == 0
    results = program.read()
    assert len(results.trials) == len(CLIENTS) * len(FAULTS)
    assert set(results.versions) == set(outcomes)
    changed = {trial.client for trial in results.trials if trial.outcome == "answer"}
    assert changed == {OPENAI_SDK.name}


def test_one_fault_alone_leaves_the_results_of_the_others(
    outcomes: dict[str, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    outcomes |= dict.fromkeys(outcomes, Outcome.ANSWER)
    assert run(monkeypatch, "--only", OURS.name, "--fault", "bom") == 0
    results = program.read()
    assert len(results.trials) == len(CLIENTS) * len(FAULTS)
    changed = [(t.client, t.fault) for t in results.trials if t.outcome == "answer"]
    assert changed == [(OURS.name, "bom")]


def test_the_page_can_be_written_without_asking_anybody(
    outcomes: dict[str, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "--only", OURS.name)
    written = program.PAGE.read_text("utf-8")
    program.PAGE.unlink()
    assert run(monkeypatch, "--page") == 0
    assert program.PAGE.read_text("utf-8") == written


@pytest.mark.parametrize(("flag", "known"), [("--only", OURS.name), ("--fault", "midstream-eof")])
def test_a_name_nobody_knows_is_refused_with_the_names_there_are(
    flag: str, known: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, flag, "nobody")
    assert ended.value.code == 2
    assert known in capsys.readouterr().err
