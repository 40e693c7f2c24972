"""What the fake server answers next, and how that fails: by its queue, or else by its rule."""

from __future__ import annotations

from collections import deque

from chatbots.testing.answers import Answer, Rule, failing
from chatbots.testing.faults.names import OK, PREFIX, Sequences
from chatbots.testing.http1 import Player
from chatbots.testing.requests import ChatRequest


class Desk:
    """*rule* answers where nothing is queued; its answers have the *faults*, in turn.

    A model called `fault:500,ok` fails that way, whatever is queued.
    """

    def __init__(self, rule: Rule, faults: str = "") -> None:
        self.queue: deque[Answer | Player | str] = deque()
        """Answers, functions that answer, and names of faults."""
        self.transcripts: deque[str] = deque()
        """What the user says in the next messages of audio."""
        self._rule = rule
        self._faults = faults
        self._sequences = Sequences()

    def next(self, request: ChatRequest) -> Answer | Player:
        """Return what *request* gets; raises `ValueError` for a fault that does not exist."""
        spec = self._spec(request.model)
        if self.queue and not request.model.startswith(PREFIX):
            answer = self.queue.popleft()
        else:
            answer = self._rule(request) if spec is None else self._sequences.next_of(spec)
        return failing(self._rule(request), answer) if isinstance(answer, str) else answer

    def answer(self, request: ChatRequest) -> Answer:
        """Return what a realtime response is; a function that answers over HTTP is passed by."""
        answer = self.next(request)
        return answer if isinstance(answer, Answer) else self.answer(request)

    def fault(self, model: str, *, take: bool = False) -> str:
        """Return the fault of the next answer, if it has one; *take*: the next has another.

        Raises `ValueError` for one that does not exist.
        """
        if self.queue and not model.startswith(PREFIX):
            first = self.queue.popleft() if take else self.queue[0]
            fault = first.fault or OK if isinstance(first, Answer) else first
            return fault if isinstance(fault, str) else OK
        spec = self._spec(model)
        if spec is None:
            return OK
        return self._sequences.next_of(spec) if take else self._sequences.peek(spec)

    def transcript(self) -> str:
        """Return what the user says next."""
        return self.transcripts.popleft() if self.transcripts else "Hello"

    def _spec(self, model: str) -> str | None:
        return model.removeprefix(PREFIX) if model.startswith(PREFIX) else self._faults or None
