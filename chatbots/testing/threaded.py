"""The fake server in a thread with a loop of its own: for tests that are not async, and others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import anyio
from anyio.from_thread import start_blocking_portal

from chatbots.testing.answers import Rule, echo
from chatbots.testing.calls import Call
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.realtime.talk import Talk


class FakeOpenAIThread:
    """A `FakeOpenAI` that is scripted from the test's thread, whatever runs there.

    *rule*, *models*, *api_key*, *seed*: as there.
    """

    def __init__(
        self,
        *,
        rule: Rule = echo,
        models: Sequence[str] | None = None,
        api_key: str | None = None,
        seed: int = 0,
    ) -> None:
        self._fake = FakeOpenAI(rule=rule, models=models, api_key=api_key, seed=seed)
        self._stack = ExitStack()
        self.answer = self._fake.answer
        """`FakeOpenAI.answer`; its `hold` and pieces handed out belong to another loop."""
        self.fault = self._fake.fault
        self.hear = self._fake.hear
        self.hear = self._fake.hear

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            stack.enter_context(self._portal.wrap_async_context_manager(self._fake))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def base_url(self) -> str:
        """What a client takes for OpenAI's address: `http://127.0.0.1:PORT/v1`."""
        return self._fake.base_url

    @property
    def calls(self) -> Sequence[Call]:
        """Every call so far, in the order of arrival."""
        return tuple(self._fake.calls)

    @property
    def talks(self) -> Sequence[Talk]:
        """Every realtime session so far."""
        return tuple(self._fake.talks)

    def until(self, fact: Callable[[], bool], timeout: float = 5.0) -> None:
        """Block until *fact*, about the calls, is true.

        Raises `TimeoutError` after *timeout* seconds.
        """

        async def wait() -> None:
            with anyio.fail_after(timeout):
                await self._fake.until(fact)

        self._portal.call(wait)
