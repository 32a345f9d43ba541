"""A Celery worker whose clock is wrong: `python -m tests.chaos.skewed ...` in place of `python -m celery ...`.

Every wall clock in the process and its children is `CHAOS_SKEW` seconds off: the application's, Celery's, the
libraries'. The monotonic clock stays right, as it does on a machine whose time was set wrongly. Database time is
Postgres's, which is the point of using it where order matters.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

import time_machine
from celery.__main__ import main

if __name__ == "__main__":
    wrong = datetime.now(UTC) + timedelta(seconds=float(os.environ["CHAOS_SKEW"]))
    with time_machine.travel(wrong, tick=True):
        sys.exit(main())
