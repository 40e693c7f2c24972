"""How well the local model calls tools: python -m tests.local.routing [WHICH] [--break WHAT].

WHICH is corpus, held_out, or products: are these told to the digit?
Takes half a minute to some minutes. On a machine with other work, give it one core: taskset -c 0.
"""

from __future__ import annotations

import argparse
from functools import partial

import anyio

from tests.local.routing.scoring import (
    BREAKS,
    CORPUS,
    DIGITS,
    HELD_OUT,
    PRODUCTS,
    cases,
    local_model,
    product,
    score,
    table,
)


async def main(corpus: str, broken: str | None) -> None:
    async with local_model() as model:
        if corpus == PRODUCTS:
            told = [await product(digits, model) for digits in DIGITS]
            lines = [f"{question} -> {answer!r}" for question, answer, exact in told if not exact]
            exact = sum(row[2] for row in told)
            print(f"told exactly      {exact}/{len(told)}", *lines, sep="\n")  # noqa: T201 - a program
            return
        print(table([await score(case, model, broken) for case in cases(corpus)]))  # noqa: T201 - a program


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.local.routing", description=__doc__)
    parser.add_argument("corpus", nargs="?", default=CORPUS, choices=(CORPUS, HELD_OUT, PRODUCTS))
    parser.add_argument("--break", dest="broken", choices=tuple(BREAKS), help="score it without")
    flags = parser.parse_args()
    anyio.run(partial(main, flags.corpus, flags.broken))
