"""The promises of a `SessionStore`, as a suite any implementation can be put through.

    class TestMyStore(SessionStoreContract):
        def make_store(self):
            return MyStore()

The tests are coroutines: run them by pytest-asyncio in auto mode, or by anyio's plugin.
"""

from __future__ import annotations

from chatbots.testing.store_keeping import Forgets, KeepsAnswers, KeepsMarks
from chatbots.testing.store_order import P4ExactlyOnce, P5Order


class SessionStoreContract(P4ExactlyOnce, P5Order, KeepsAnswers, KeepsMarks, Forgets):
    """Everything `SessionStore` promises; a subclass gives `make_store`."""
