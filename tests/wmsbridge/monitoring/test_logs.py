"""One event, one line of JSON, with fields that a machine can read."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings

from wmsbridge.monitoring import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything the JSON configuration writes, while it is in force."""
    written = io.StringIO()
    chosen = logs.configuration(level="INFO", rendering="json")
    chosen["handlers"]["stderr"]["stream"] = written
    logging.config.dictConfig(chosen)
    yield written
    logging.config.dictConfig(settings.LOGGING)


def test_an_event_is_one_line_with_its_fields(lines: io.StringIO) -> None:
    structlog.get_logger("ops.jobs").info("order_stored", shop="berlin.myshopify.com", order=7)
    event = json.loads(lines.getvalue())
    assert (event["event"], event["order"], event["level"]) == ("order_stored", 7, "info")
    assert event["timestamp"].endswith("Z")


def test_a_traceback_stays_inside_its_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        structlog.get_logger("ops.jobs").exception("job_failed")
    assert "ValueError: first" in json.loads(lines.getvalue())["exception"]


def test_other_libraries_speak_the_same_language(lines: io.StringIO) -> None:
    logging.getLogger("django.request").error("Not Found: %s", "/x")
    assert json.loads(lines.getvalue())["event"] == "Not Found: /x"


def test_wake_ups_of_celery_leave_no_line(lines: io.StringIO) -> None:
    logging.getLogger("celery.worker.strategy").info("Task ops.sweep received")
    assert lines.getvalue() == ""


def test_no_address_of_a_person_gets_into_a_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("Key (email)=(ada@b.example) exists; call +49 170 1234567")
    except ValueError:
        structlog.get_logger("ops.jobs").exception("job_bug", error="to ada@b.example", job=7)
    logging.getLogger("vendor").error("refused %s", "ada@b.example")
    assert "ada@" not in lines.getvalue()
    assert "1234567" not in lines.getvalue()
    assert '"job": 7' in lines.getvalue()
