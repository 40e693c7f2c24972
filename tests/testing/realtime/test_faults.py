from __future__ import annotations

import pytest

from chatbots.testing.faults.names import find
from chatbots.testing.realtime.faults import FAULTS


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_says_what_it_does(name: str) -> None:
    assert FAULTS[name].about
    assert find(f"{name}:3" if FAULTS[name].unit else name).fault.about
