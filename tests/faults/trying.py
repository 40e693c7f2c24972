"""Tries bots all together, then programs one by one."""

from __future__ import annotations

from collections.abc import Iterator

import anyio

from tests.faults.bots import try_bots
from tests.faults.programs import try_program
from tests.faults.surroundings import in_haste
from tests.faults.trial import Seen, Trial
from tests.faults.upstream import Upstream


def try_all(chosen: list[Trial], server: Upstream) -> Iterator[tuple[Trial, Seen]]:
    """Try bots all together, then programs one by one."""
    bots = [trial for trial in chosen if trial.kind != "program"]
    with in_haste():
        tried = anyio.run(try_bots, bots, server) if bots else ()
        for trial, seen in zip(bots, tried, strict=True):
            yield trial, with_paths(trial, seen, server)
        for trial in chosen:
            if trial.kind == "program":
                yield trial, with_paths(trial, try_program(trial, server), server)


def with_paths(trial: Trial, seen: Seen, server: Upstream) -> Seen:
    """Add where the requests of a trial went."""
    # Who was answered was heard; who gave up may not have been yet.
    expected = trial.outcome.requests if trial.waits else 0
    return seen._replace(paths=server.paths_asked(trial.prompt, expected=expected))
