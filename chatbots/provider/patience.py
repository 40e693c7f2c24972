"""How long to wait for an answer: until it begins, and from one piece of it to the next.

Two more deadlines stand around these: of connecting (`client.py`), and of the whole turn.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct

from chatbots.errors import ProviderError

if TYPE_CHECKING:
    from chatbots.provider.streamed import StreamedAnswer


class Patience(Struct, frozen=True, kw_only=True):
    """Seconds without content before a streamed answer is given up.

    *first_token* counts from the request, *gap* from the last content; a server that sends
    comments, or an empty chunk now and then, has sent none.
    """

    first_token: float = 30.0
    gap: float = 30.0

    @contextmanager
    def for_content(self, answer: StreamedAnswer) -> Generator[None]:
        """Wait inside for more of the *answer*.

        Raises `ProviderError`: `upstream_timeout` where it never began, else `stream_stalled`.
        Ends early, and in silence, where content came meanwhile: then wait again.
        """
        patience = self.gap if answer.shown else self.first_token
        with anyio.move_on_after(answer.heard_at + patience - monotonic()) as scope:
            yield
        if scope.cancelled_caught and monotonic() - answer.heard_at >= patience:
            raise self._stalled() if answer.shown else self.never_began()

    def never_began(self) -> ProviderError:
        """Return the error for an answer whose first content did not come in time."""
        return ProviderError(
            "upstream_timeout",
            f"The model's server did not begin to answer within {self.first_token:g} seconds.",
            hint="Ask again, or raise CHATBOTS_FIRST_TOKEN_TIMEOUT.",
        )

    def _stalled(self) -> ProviderError:
        return ProviderError(
            "stream_stalled",
            f"The answer stopped coming: nothing new for {self.gap:g} seconds.",
            hint="Ask again to get a whole one.",
        )
