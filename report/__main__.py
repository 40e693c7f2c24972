"""Ask every client under every fault and write the page; `--smoke` asks two, five times."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import msgspec

from report.environments import ROOT, prepare, versions
from report.faults import FAULTS, SMOKE, Tried
from report.page import Results, ordered, page
from report.peers import CLIENTS, OPENAI_SDK, OURS, Client
from report.scoring import RIGHT, Outcome
from report.trial import Trial, attempt

RESULTS: Final = ROOT / "report" / "results.json"
PAGE: Final = ROOT / "docs" / "truncation-report.md"
AT_ONCE: Final = 2
"""Clients that run at the same time."""


async def attempts(pairs: Sequence[tuple[Client, Tried]], pythons: dict[str, Path]) -> list[Trial]:
    """Try each client with its fault, a few at a time."""
    trials: list[Trial] = []
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(client: Client, fault: Tried) -> None:
        async with limiter:
            trial = await attempt(client, fault, pythons[client.environment])
        trials.append(trial)
        leak = ", and the key leaked" if trial.leaked else ""
        count = f"{len(trials)}/{len(pairs)}"
        print(f"{count:8} {client.name:24} {fault.spec:24} {trial.outcome}{leak}", flush=True)

    async with anyio.create_task_group() as tasks:
        for client, fault in pairs:
            tasks.start_soon(one, client, fault)
    return trials


def smoke() -> int:
    """Ask us and the SDK, in this environment; return 1 if we are wrong."""
    faults = [fault for fault in FAULTS if fault.spec in SMOKE]
    here = Path(sys.executable)
    pairs = [(client, fault) for fault in faults for client in (OURS, OPENAI_SDK)]
    trials = anyio.run(attempts, pairs, {OURS.environment: here, OPENAI_SDK.environment: here})
    ours = [trial for trial in trials if trial.client == OURS.name]
    return 0 if all(Outcome(t.outcome) in RIGHT and not t.leaked for t in ours) else 1


def full(clients: Sequence[Client], faults: Sequence[Tried]) -> int:
    """Ask *clients* under these *faults*; all other results stay."""
    pythons = {client.environment: prepare(client.environment) for client in clients}
    pairs = [(client, fault) for fault in faults for client in clients]
    trials = anyio.run(attempts, pairs, pythons)
    found = {
        client.name: versions(pythons[client.environment], client.packages) for client in clients
    }
    kept = read() if RESULTS.exists() else Results(platform.python_version(), {}, [])
    asked = {(trial.client, trial.fault) for trial in trials}
    results = Results(
        platform.python_version(),
        kept.versions | found,
        ordered([*trials, *(t for t in kept.trials if (t.client, t.fault) not in asked)]),
    )
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    PAGE.write_text(page(results), "utf-8")
    return 0


def read() -> Results:
    """Read the results that are kept."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Results)


def main() -> int:
    """Run what the flags say; return the exit status."""
    flags = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    flags.add_argument("--smoke", action="store_true", help="five faults, us and the openai SDK")
    flags.add_argument("--page", action="store_true", help="only write the page anew")
    flags.add_argument("--only", metavar="CLIENT", help="ask one client, keep the others' results")
    flags.add_argument("--fault", help="try one fault, keep the results of the others")
    chosen = flags.parse_args()
    if chosen.smoke:
        return smoke()
    if chosen.page:
        PAGE.write_text(page(read()), "utf-8")
        return 0
    clients = [client for client in CLIENTS if chosen.only in (None, client.name)]
    faults = [fault for fault in FAULTS if chosen.fault in (None, fault.spec)]
    if not clients:
        flags.error(f"--only takes one of {', '.join(client.name for client in CLIENTS)}.")
    if not faults:
        flags.error(f"--fault takes one of {', '.join(fault.spec for fault in FAULTS)}.")
    return full(clients, faults)


if __name__ == "__main__":
    raise SystemExit(main())
