from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest
import structlog
from structlog.testing import CapturingLogger

from chatbots.telemetry import (
    REDACTED,
    bound,
    count,
    emit,
    new_request_id,
    new_session_id,
    redact,
    span,
)


@pytest.fixture
def log() -> CapturingLogger:
    """Set structlog up as an application would, and return what gets its lines."""
    logger = CapturingLogger()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars],
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    return logger


def lines(log: CapturingLogger) -> list[tuple[str, dict[str, object]]]:
    return [(call.method_name, dict(call.kwargs)) for call in log.calls]


# Names


def test_a_name_is_fresh_and_says_what_it_names() -> None:
    requests = {new_request_id() for _ in range(100)}
    sessions = {new_session_id() for _ in range(100)}
    assert len(requests) == len(sessions) == 100
    assert all(name.startswith("req_") and len(name) == 4 + 24 for name in requests)
    assert all(name.startswith("session_") and len(name) == 8 + 16 for name in sessions)


# Secrets


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk-proj-abc_DEF-123 refused", "key [redacted] refused"),
        ("Incorrect API key provided: sk-12345********6789.", None),
        ("hf_abcdEFGH1234", "[redacted]"),
        ("chatbots, bearer.cb_0a1b2c3d_x-Y_z1, cb_next", "chatbots, bearer.[redacted], cb_next"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ("authorization: basic dXNlcjpwdw==", "authorization: basic [redacted]"),
        ("{'Authorization': 'Bearer abcdef'}", "{'Authorization': 'Bearer [redacted]'}"),
        ("authorization=abcdef", "authorization=[redacted]"),
        ("x-api-key: 12345678", "x-api-key: [redacted]"),
        ("OPENAI_API_KEY=abcd1234", "OPENAI_API_KEY=[redacted]"),
        ("DB_PASSWORD=hunter22 DB_USER=ada", "DB_PASSWORD=[redacted] DB_USER=ada"),
        ("{'api_key': 'abcd1234', 'n': 1}", "{'api_key': '[redacted]', 'n': 1}"),
        ("client_secret=abcdef", "client_secret=[redacted]"),
        ("postgres://ada:hunter2@db/bots", "postgres://ada:[redacted]@db/bots"),
        ("http://:pass@proxy:3128", "http://:[redacted]@proxy:3128"),
    ],
)
def test_a_secret_is_taken_out_wherever_it_stands(text: str, clean: str | None) -> None:
    said = redact(text)
    assert said == clean or (clean is None and REDACTED in said and "sk-" not in said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The server at http://127.0.0.1:8080/v1 did not answer.",
        "A disk-space check, a task-based plan, a risk_free password.",
        "The bearer of this letter",
        "max_tokens=100",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


def test_a_known_secret_is_taken_out_however_it_looks() -> None:
    assert redact("got: correct horse", "correct horse", "other") == f"got: {REDACTED}"


def test_a_known_secret_too_short_to_be_one_is_left() -> None:
    assert redact("a none b", "", "a", "b n") == "a none b"


# Events


@pytest.mark.checklist(35, 64, 120)
def test_an_event_reaches_structlog_where_it_is_set_up(log: CapturingLogger) -> None:
    emit("info", "request.start", bot="stateless", session=None)
    emit("error", "request.error", code="rate_limited")
    assert lines(log) == [
        ("info", {"event": "request.start", "bot": "stateless", "session": None}),
        ("error", {"event": "request.error", "code": "rate_limited"}),
    ]


@pytest.mark.checklist(120)
def test_an_event_goes_nowhere_until_then(capsys: pytest.CaptureFixture[str]) -> None:
    emit("error", "request.error")
    assert capsys.readouterr() == ("", "")


def test_nothing_needs_structlog(monkeypatch: pytest.MonkeyPatch, log: CapturingLogger) -> None:
    monkeypatch.delitem(sys.modules, "structlog")
    monkeypatch.delitem(sys.modules, "structlog.contextvars")
    with bound(request_id="r"):
        emit("info", "request.start")
    assert log.calls == []


def test_what_is_bound_is_on_every_line_inside(log: CapturingLogger) -> None:
    with bound(request_id="r1"):
        emit("info", "inside")
        structlog.get_logger("another").info("foreign")
    emit("info", "outside")
    assert [fields.get("request_id") for _, fields in lines(log)] == ["r1", "r1", None]


def test_what_was_bound_is_gone_after_an_error(log: CapturingLogger) -> None:
    with pytest.raises(ZeroDivisionError), bound(request_id="r1"):
        raise ZeroDivisionError
    emit("info", "outside")
    assert lines(log) == [("info", {"event": "outside"})]


# Spans


class Tracer:
    def __init__(self) -> None:
        self.opened: list[tuple[str, Mapping[str, object]]] = []
        self.closed = 0
        self.facts: dict[str, object] = {}

    @contextmanager
    def start_as_current_span(
        self, name: str, attributes: Mapping[str, object]
    ) -> Generator[SimpleNamespace]:
        self.opened.append((name, attributes))
        try:
            yield SimpleNamespace(set_attribute=self.facts.__setitem__)
        finally:
            self.closed += 1


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    """Stand in for OpenTelemetry, as far as it is used."""
    tracer, module = Tracer(), ModuleType("opentelemetry.trace")
    monkeypatch.setattr(module, "get_tracer", lambda name: tracer, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    return tracer


@pytest.mark.checklist(191)
def test_a_span_is_opened_where_opentelemetry_is_used(tracer: Tracer) -> None:
    with span("chat m", {"gen_ai.operation.name": "chat"}) as opened:
        assert opened is not None
        opened.set_attribute("gen_ai.usage.input_tokens", 3)
        assert tracer.closed == 0
    assert tracer.opened == [("chat m", {"gen_ai.operation.name": "chat"})]
    assert tracer.facts == {"gen_ai.usage.input_tokens": 3}
    assert tracer.closed == 1


def test_a_span_ends_with_an_error_too(tracer: Tracer) -> None:
    with pytest.raises(ZeroDivisionError), span("chat m", {}):
        raise ZeroDivisionError
    assert tracer.closed == 1


@pytest.mark.checklist(191)
def test_no_span_is_opened_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    with span("chat m", {}) as opened:
        assert opened is None


@pytest.mark.checklist(175)
def test_what_is_counted_reaches_opentelemetry_where_it_is_used() -> None:
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    with pytest.MonkeyPatch.context() as monkeypatch:
        provider = MeterProvider(metric_readers=[reader])
        monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
        monkeypatch.setitem(sys.modules, "opentelemetry.metrics", metrics)
        for _ in range(2):
            count("requests", type="ping")
        data = reader.get_metrics_data()
        provider.shutdown()
    assert data is not None
    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    [point] = metric.data.data_points
    assert (metric.name, point.attributes) == ("requests", {"type": "ping"})
    assert getattr(point, "value", None) == 2


def test_nothing_is_counted_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.metrics", raising=False)
    count("requests")
