"""What the user of a client sees of one answer, told as a line of JSON.

It imports nothing but Python: it runs inside the environment of each client.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final, NamedTuple

READY: Final = "ready"
"""Printed when the imports are done: from here on the watchdog counts."""
TOLD: Final = "told "
"""Begins the line that is told."""
SILENCE: Final = 2.0
"""Seconds to wait for the next byte, for each try: set wherever a client has such a setting."""
DEADLINE: Final = 6.0
"""Seconds a whole answer may take, three tries of SILENCE: set wherever a client can."""


class Question(NamedTuple):
    """What to ask, and where."""

    base_url: str
    api_key: str
    model: str
    prompt: str


class Seen:
    """The text as it came, and the finish reason that the documented result shows."""

    def __init__(self) -> None:
        self.text = ""
        self.finish: str | None = None


def tell(ask: Callable[[Question, Seen], None]) -> None:
    """Read a question from standard input, *ask* it, and print what was seen."""
    question = Question(**json.loads(sys.stdin.readline()))
    print(READY, flush=True)
    seen = Seen()
    raised = None
    begun = time.monotonic()
    try:
        ask(question, seen)
    except BaseException as error:
        raised = {"classes": ancestry(error), "message": str(error)}
        traceback.print_exc()
    told = {
        "text": seen.text,
        "finish": seen.finish,
        "raised": raised,
        "seconds": round(time.monotonic() - begun, 2),
    }
    print(TOLD + json.dumps(told), flush=True)


def ancestry(error: BaseException) -> list[str]:
    """Name the class of *error* and all it inherits from, as `module.Class`."""
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
