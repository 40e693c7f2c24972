"""Logs: a request id on every line, the form that fits, and no secret anywhere."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from chatbots import telemetry
from chatbots.logs import set_up_logging

SECRET = "canary-without-a-pattern"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines_of(file: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_an_event_is_one_json_object_a_line_off_a_terminal() -> None:
    file = io.StringIO()
    set_up_logging(level="info", file=file)
    telemetry.emit("info", "request.start", bot="memory")
    (line,) = lines_of(file)
    assert (line["event"], line["bot"], line["level"]) == ("request.start", "memory", "info")
    assert "timestamp" in line


def test_a_terminal_gets_lines_for_people() -> None:
    file = Screen()
    set_up_logging(level="info", file=file)
    telemetry.emit("info", "request.start", bot="memory")
    assert "request.start" in file.getvalue()
    assert not file.getvalue().startswith("{")


@pytest.mark.parametrize("color", [True, False])
def test_colours_may_be_switched_off(color: bool) -> None:
    file = Screen()
    set_up_logging(level="info", file=file, color=color)
    telemetry.emit("info", "request.start")
    assert ("\x1b[" in file.getvalue()) is color


def test_json_may_be_asked_for_on_a_terminal() -> None:
    file = Screen()
    set_up_logging(level="info", form="json", file=file)
    telemetry.emit("info", "request.start")
    assert lines_of(file)


@pytest.mark.checklist(64, 165, 192)
def test_what_is_below_the_level_is_not_written() -> None:
    file = io.StringIO()
    set_up_logging(level="warning", file=file)
    telemetry.emit("info", "request.start")
    logging.getLogger("other").info("nothing")
    assert file.getvalue() == ""


@pytest.mark.checklist(186)
def test_every_line_of_a_request_has_its_id_those_of_other_libraries_included() -> None:
    file = io.StringIO()
    set_up_logging(level="info", file=file)
    with telemetry.bound(request_id="req_1"):
        telemetry.emit("info", "request.start")
        logging.getLogger("httpx2").info("HTTP Request")
    assert [line["request_id"] for line in lines_of(file)] == ["req_1", "req_1"]


def test_no_secret_is_written_by_anybody() -> None:
    file = io.StringIO()
    set_up_logging(level="debug", file=file, secrets=[SECRET])
    telemetry.emit("info", f"event {SECRET}", header="Bearer abcdef123456", n=1)
    logging.getLogger("other").warning("key %s", SECRET)
    try:
        raise ValueError(f"failed with {SECRET} and sk-abcdefgh12345678")  # noqa: TRY301
    except ValueError:
        logging.getLogger("other").exception("oh")
        structlog.get_logger().exception("oh", where={"nested": SECRET})
    text = file.getvalue()
    assert text.count("[redacted]") >= 5
    for secret in (SECRET, "abcdef123456", "sk-abcdefgh12345678"):
        assert secret not in text
    assert "ValueError" in text


def test_lines_inside_a_span_name_its_trace() -> None:
    file = io.StringIO()
    set_up_logging(level="info", file=file)
    with TracerProvider().get_tracer("test").start_as_current_span("turn") as span:
        telemetry.emit("info", "inside")
    telemetry.emit("info", "outside")
    inside, outside = lines_of(file)
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert "trace_id" not in outside
