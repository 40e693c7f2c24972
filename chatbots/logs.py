"""Logs by structlog on standard error: ours, and those of other loggers, with secrets taken out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from chatbots import telemetry
from chatbots.telemetry import Level

LEVELS: Final[dict[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def set_up_logging(
    *,
    level: Level = "warning",
    form: Literal["auto", "console", "json"] = "auto",
    secrets: Sequence[str] = (),
    color: bool = True,
    file: TextIO | None = None,
) -> None:
    """Send this package's events, and what other libraries log, to *file* (standard error).

    *form* `auto` is `console` on a terminal, else `json`: one object a line.
    *color* may be switched off; only a terminal gets any.
    *secrets* never appear, and neither does what looks like a key or a bearer token.
    For applications without logging of their own; one that has set structlog up needs no call.
    """
    out: TextIO = sys.stderr if file is None else file
    processors = _processors(secrets)
    renderer = _renderer(form, out, color=color)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])


def _processors(secrets: Sequence[str]) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_ids,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        # Last before the renderer: tracebacks hold keys too.
        _Redactor(secrets),
    ]


def _renderer(form: Literal["auto", "console", "json"], file: TextIO, *, color: bool) -> Processor:
    if form == "console" or (form == "auto" and file.isatty()):
        return structlog.dev.ConsoleRenderer(
            colors=color and file.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer()


class _Redactor:
    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            event[key] = self._clean(value)
        return event

    def _clean(self, value: Any) -> Any:  # a log line's values may be anything
        if isinstance(value, str):
            return telemetry.redact(value, *self._secrets)
        if value is None or isinstance(value, bool | int | float):
            return value
        return telemetry.redact(str(value), *self._secrets)


def _add_trace_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
    return event
