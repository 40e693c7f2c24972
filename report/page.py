"""The results as a page: docs/truncation-report.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from report.faults import BEFORE_THE_STREAM, FAULTS, IN_THE_STREAM, Tried, tried
from report.peers import CLIENTS, Client
from report.scoring import MEANING, RIGHT, Outcome
from report.trial import Trial

LEAK: Final = "key"
BAD: Final = frozenset(
    {Outcome.RAW, Outcome.HANG, Outcome.WRONG_TEXT, Outcome.FALSE_COMPLETE, Outcome.NEEDLESS}
)

HEAD: Final = """\
# The truncation report

What a user of each client sees when the server fails, the network breaks, or the answer is odd.
The same [fake server](fake-server.md) fails {faults} ways; each client is asked the same question.
An answer that was cut must not look whole, and a failure must be an error one can catch.

This page is written by `make report`; the raw results are in [`report/results.json`](../report/results.json).
The rule that judges is [`report/scoring.py`](../report/scoring.py), what is expected under each fault is in [`report/faults.py`](../report/faults.py).
Rows in which we are wrong are shown like the others.
The faults are those of our own test kit, and our tests try each of them on us: that we do well here is no surprise, and no proof against a fault that nobody has thought of.

## In short

"""  # noqa: E501
USE: Final = """
## How each is used

Each client is used as its own documentation shows, in a process and an environment of its own.
Where it has a setting for it, it waits 2 s for the next byte and 6 s for a whole answer; retries are left as they are by default.
After 10 s, imports not counted, a watchdog ends the process.

"""  # noqa: E501
MARKS: Final = """
## The marks

| mark | what the user sees |
| --- | --- |
"""
CLOSE: Final = """
`sign` is neither right nor a false complete.
`{leak}` beside a mark: the API key was in the exception, the traceback or the output.
Only `401-echo` and `500-echo` put it into an answer: their error object repeats the key, as some gateways do.

## What to know when reading it

- A time limit of the application's own, such as `asyncio.timeout`, ends every hang; only settings of the clients count here.
- Retries, logs and the text before a failure are not judged.
- `finish-missing` ends with `[DONE]` and no `finish_reason`: the text may be whole, but nothing says so. Some servers never send one: pydantic-ai names that as the reason why its setting is off by default.
- `n2` sends a second answer nobody asked for. The choices of openai and LiteLLM have an `index`, which the loops in their documentation do not look at.
- `json-truncated` cuts in the middle of a character, as a cut may.
- Not asked: tool calls, refusals, whole answers without a stream, and the Responses API, which the fake server does not speak.

## How to repeat it

```sh
make report          # all clients, half an hour on two cores; installs them into .venv/report
make report-smoke    # this package and the openai SDK, five faults
python -m report --only chatbots --fault midstream-eof
```

Any other client meets the same faults at `python -m chatbots.testing --port 8080`, by asking for the model `fault:midstream-eof`.
"""  # noqa: E501


class Results(Struct, frozen=True):
    """All that was found: on which Python, with which versions, in each trial."""

    python: str
    versions: dict[str, dict[str, str]]
    trials: list[Trial]


def page(results: Results) -> str:
    """Write the page."""
    clients = [client for client in CLIENTS if client.name in results.versions]
    found = {(trial.client, trial.fault): trial for trial in results.trials}
    parts = [
        HEAD.format(faults=len({trial.fault for trial in results.trials})),
        *summary(clients, results.trials),
        USE,
        *used(clients, results),
        *matrix("In the stream", tried(IN_THE_STREAM), clients, found),
        *matrix("Before the stream", tried(BEFORE_THE_STREAM), clients, found),
        MARKS,
        *(row(f"`{outcome.value}`", MEANING[outcome]) for outcome in Outcome),
        *strangers(clients, results.trials),
        CLOSE.format(leak=LEAK),
    ]
    return "".join(parts)


def row(*cells: object) -> str:
    """Write one row of a table."""
    return f"| {' | '.join(map(str, cells))} |\n"


def table(*heads: str) -> str:
    """Write the head of a table."""
    return row(*heads) + row(*["---"] * len(heads))


def summary(clients: Sequence[Client], trials: Sequence[Trial]) -> Iterator[str]:
    """Count, for each client, what came of the faults."""
    counted = [Outcome.SIGN, Outcome.NEEDLESS, Outcome.RAW, Outcome.HANG]
    wrong = [Outcome.WRONG_TEXT, Outcome.FALSE_COMPLETE]
    yield table(
        "client", "faults", "right", "only a sign", "needless error", "raw exception", "hangs",
        "wrong text", "false complete", "leaked key",
    )  # fmt: skip
    for client in clients:
        mine = [trial for trial in trials if trial.client == client.name]
        outcomes = Counter(Outcome(trial.outcome) for trial in mine)
        yield row(
            client.name,
            len(mine),
            sum(outcomes[outcome] for outcome in RIGHT),
            *(outcomes[outcome] for outcome in (*counted, *wrong)),
            sum(trial.leaked for trial in mine),
        )


def used(clients: Sequence[Client], results: Results) -> Iterator[str]:
    """Say how each client was used, and at which versions."""
    yield table("client", "versions", "use", "where it shows a finish reason")
    for client in clients:
        versions = results.versions[client.name]
        shown = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield row(client.name, shown, client.use, client.habits.sign or "nowhere")
    yield f"\nPython {results.python}.\n"


def matrix(
    title: str,
    faults: Iterable[Tried],
    clients: Sequence[Client],
    found: dict[tuple[str, str], Trial],
) -> Iterator[str]:
    """Show every fault with what each client made of it."""
    yield f"\n## {title}\n\n"
    yield table("fault", "it must", *(client.name for client in clients))
    for fault in faults:
        marks = [mark(found.get((client.name, fault.spec))) for client in clients]
        yield row(f"`{fault.spec}`", fault.must.value, *marks)


def mark(trial: Trial | None) -> str:
    """Write the outcome of one trial; bold where it is bad."""
    if trial is None:
        return ""
    shown = f"**{trial.outcome}**" if Outcome(trial.outcome) in BAD else trial.outcome
    return f"{shown} **{LEAK}**" if trial.leaked else shown


def strangers(clients: Sequence[Client], trials: Sequence[Trial]) -> Iterator[str]:
    """Name the raw exceptions of each client."""
    yield "\nThe raw exceptions, and how often each was seen:\n\n"
    yield table("client", "exceptions")
    for client in clients:
        raw = Counter(
            trial.error
            for trial in trials
            if trial.client == client.name and trial.outcome == Outcome.RAW.value
        )
        names = ", ".join(f"`{name}` {times}" for name, times in sorted(raw.items(), key=str))
        yield row(client.name, names or "none")


def ordered(trials: Iterable[Trial]) -> list[Trial]:
    """Sort trials by client and fault, as the page has them."""
    clients = [client.name for client in CLIENTS]
    faults = [fault.spec for fault in FAULTS]
    return sorted(trials, key=lambda t: (clients.index(t.client), faults.index(t.fault)))
