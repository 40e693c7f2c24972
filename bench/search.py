"""Where something stops to hold, found with few tries."""

from __future__ import annotations

from collections.abc import Callable


def most(
    holds: Callable[[int], bool], start: int, top: int, precision: float = 0.05
) -> tuple[int, int]:
    """Return the largest number for which *holds* was seen to hold, and the smallest it was not.

    The first is 0 where nothing holds, the second *top* + 1 where everything up to *top* does.

    Goes up or down from *start*, in steps that double, until the limit is between two tries; then
    halves what is between them until they are no further apart than *precision*.
    Assumes that what holds for a number holds for every smaller one.
    """
    good, bad = 0, top + 1
    number, step = min(start, top), max(1, start // 4)
    while good < bad - 1 and (good == 0 or bad > min(top, good * (1 + precision))):
        if holds(number):
            good = number
        else:
            bad = number
        if good and bad <= top:
            number = (good + bad) // 2
        else:
            number = min(good + step, top) if good else max(bad - step, bad // 2)
            step *= 2
    return good, bad
