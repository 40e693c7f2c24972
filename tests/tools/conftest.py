"""What the tests of tools share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Keep the garbage of thousands of other tests out of the time that is taken."""
    gc.disable()
    yield
    gc.enable()
