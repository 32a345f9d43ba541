"""Configures logging: structlog writes each event as one line with fields to stderr, through the standard library."""

from __future__ import annotations

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ops.text.masking import mask_text


def mask_people(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask e-mail addresses and telephone numbers in every field of a log line, also in tracebacks."""
    return {name: mask_text(value) if isinstance(value, str) else value for name, value in event.items()}


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
RENDERINGS: dict[str, list[Processor]] = {
    "json": [
        structlog.processors.format_exc_info,
        mask_people,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ],
    "console": [mask_people, structlog.dev.ConsoleRenderer()],
}


def configuration(*, level: str, rendering: str) -> dict[str, Any]:
    """Set structlog up and return the dict for Django's LOGGING.

    `rendering` is "json" (production) or "console". The records of other libraries go through the same processors.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *RENDERINGS[rendering]],
        "foreign_pre_chain": SHARED,
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers (console only in DEBUG, mail to admins) give way to the one above.
            "django": {"handlers": [], "level": logging.NOTSET, "propagate": True},
            # A line for each wake-up would say nothing. The runner logs the jobs.
            "celery.beat": {"level": logging.WARNING},
            "celery.worker.strategy": {"level": logging.WARNING},
            "celery.app.trace": {"level": logging.WARNING},  # the runner logs the jobs
            "django.server": {"handlers": [], "level": logging.NOTSET, "propagate": True},
        },
    }
