"""The promises of a `SessionStore`, as suites any implementation can be put through.

    class TestMyStore(SessionStoreContract):
        def make_store(self):
            return MyStore()

    class TestMyStoreKilled(DurableStoreContract):
        factory = "package.module:function"     # given a folder, it returns the store kept there

The tests are coroutines: run them by pytest-asyncio in auto mode, or by anyio's plugin.
`python -m chatbots.testing store package.module:function` prints which promises are earned.
"""

from __future__ import annotations

from chatbots.testing.store_durable import (
    P1AcceptedIsDurable,
    P2DoneIsDurable,
    P3ShownIsNearlyDurable,
    P4OnceAcrossAKill,
    P6NeverPoisoned,
    P8ToolsAreToldOf,
)
from chatbots.testing.store_keeping import Forgets, KeepsAnswers, KeepsMarks
from chatbots.testing.store_order import P4ExactlyOnce, P5Order


class SessionStoreContract(P4ExactlyOnce, P5Order, KeepsAnswers, KeepsMarks, Forgets):
    """Everything `SessionStore` promises; a subclass gives `make_store`."""


class DurableStoreContract(
    P1AcceptedIsDurable,
    P2DoneIsDurable,
    P3ShownIsNearlyDurable,
    P4OnceAcrossAKill,
    P6NeverPoisoned,
    P8ToolsAreToldOf,
):
    """What a store promises beside that outlives its process; a subclass gives `factory`."""
