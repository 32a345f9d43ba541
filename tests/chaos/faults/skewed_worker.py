"""A Celery worker whose clock is wrong.

`python -m tests.chaos.faults.skewed_worker ...` is used in place of `python -m celery ...`.

Every wall clock in the process and its children is `CHAOS_SKEW` seconds wrong: that of the application, of Celery and
of the libraries. The monotonic clock stays right, as on a machine whose time was set wrongly. Postgres has its own
clock, which is why the application uses database time where order matters.
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
