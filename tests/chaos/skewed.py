"""A Celery worker whose clock is wrong: `python -m tests.chaos.skewed ...` in place of `python -m celery ...`.

What the application calls its time (`timezone.now`, `time.time`) is `CHAOS_SKEW` seconds off; the kernel's clock, and
with it Celery's own, stays right. Database time is Postgres's, which is the point of using it where order matters.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timedelta

from celery.__main__ import main
from django.utils import timezone

SKEW = float(os.environ["CHAOS_SKEW"])
_right_time, _right_now = time.time, timezone.now


def _time() -> float:
    return _right_time() + SKEW


def _now() -> datetime:
    return _right_now() + timedelta(seconds=SKEW)


if __name__ == "__main__":
    time.time, timezone.now = _time, _now
    sys.exit(main())
