"""What is told to whoever watches: request ids, lifecycle events, spans; secrets taken out.

Nothing is imported for it. Events reach structlog once somebody has set it up, spans reach
OpenTelemetry once the application has imported it; until then both cost next to nothing.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, Protocol, TypeAlias

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Value: TypeAlias = str | int | float | bool | None
Attribute: TypeAlias = str | int | float | bool | tuple[str, ...]

_NOTHING: Final = nullcontext(None)

REDACTED: Final = "[redacted]"

_SECRET: Final = re.compile(
    r"""
      (?P<name> (?:\b|_) (?:api[-_]?key|authorization|client[-_]secret|password)
      ["']? \s* [:=] \s* ["']? (?:(?:bearer|basic) \s+)? ) [^\s"',;}]{4,}
    | (?P<keep> \b bearer \s+ ) [\w.~+/=-]{4,}
    | \b cb_[0-9a-f]{8}_ [\w-]+
    | \b (?:sk|ek|rk|pk|whsec|sess|hf|gsk) [-_] [\w*-]{4,}
    | (?P<host> :// [^\s/:@]* : ) [^\s/@]+ (?=@)
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Span(Protocol):
    """The part of an OpenTelemetry span that is used here."""

    def set_attribute(self, key: str, value: Attribute) -> None:
        """Attach a fact to the span."""
        ...


def new_request_id() -> str:
    """Return a fresh name for a turn, such as `req_3f9c…`: 96 random bits in hex."""
    return f"req_{secrets.token_hex(12)}"


def new_session_id() -> str:
    """Return a fresh name for a conversation, such as `session_3f9c…`."""
    return f"session_{secrets.token_hex(8)}"


def redact(text: str, *known: str) -> str:
    """Return *text* without bearer tokens, keys in the usual spellings, and the *known* secrets."""
    for secret in known:
        if len(secret) >= 4:
            text = text.replace(secret, REDACTED)
            # As a repr spells it: an error about a broken key quotes it so.
            text = text.replace(secret.encode("unicode_escape").decode(), REDACTED)
    return _SECRET.sub(_keep_the_name, text)


def _keep_the_name(match: re.Match[str]) -> str:
    name = match["keep"] or match["name"] or match["host"] or ""
    return f"{name}{REDACTED}"


def emit(level: Level, event: str, **values: Value) -> None:
    """Log *event* with its *values*, if the application has set structlog up."""
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        getattr(structlog.get_logger("chatbots"), level)(event, **values)


def count(name: str, value: int = 1, **labels: str) -> None:
    """Add *value* to the counter *name* of OpenTelemetry's, if the application uses its metrics."""
    metrics = sys.modules.get("opentelemetry.metrics")
    if metrics is not None:
        metrics.get_meter("chatbots").create_counter(name).add(value, labels)


def bound(**values: Value) -> AbstractContextManager[object]:
    """Put *values* on every line logged inside, those of foreign loggers included."""
    contextvars = sys.modules.get("structlog.contextvars")
    if contextvars is None:
        return _NOTHING
    bound: AbstractContextManager[object] = contextvars.bound_contextvars(**values)
    return bound


def span(name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[Span | None]:
    """Measure what happens inside as an OpenTelemetry span, if the application uses it.

    Names and attributes follow the GenAI semantic conventions.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NOTHING
    tracer = trace.get_tracer("chatbots")
    opened: AbstractContextManager[Span] = tracer.start_as_current_span(
        name, attributes=dict(attributes)
    )
    return opened
