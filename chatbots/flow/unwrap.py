"""One error out of a task group comes out as itself."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast


@contextmanager
def unwrapped() -> Generator[None]:
    """Raise the only exception of an exception group instead of the group.

    A caller who writes `except ChatError` should not have to know that a task group is inside.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error = _only(group)
        if error is None:
            raise
        raise error from error.__cause__


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the one exception in *group*, however deep it lies; None if there are several."""
    if len(group.exceptions) != 1:
        return None
    error = group.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return _only(cast("BaseExceptionGroup[BaseException]", error))
    return error
