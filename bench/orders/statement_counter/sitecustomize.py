"""Notes for each SQL statement of a worker which kind of job it was made for.

Python imports a module of this name when it starts, because the bench puts its folder on PYTHONPATH. So it works in any
revision of the product. The kind is what every log line carries in the field `kind`; a statement of no job is noted
under the name of its program.
"""

from __future__ import annotations

import os
from typing import Any

import structlog
from django.db.backends import utils

NOTES = os.environ["STATEMENT_NOTES"]
OTHER = f"{os.environ.get('PROGRAM', 'command')}, no job"


def _noted(execute: Any) -> Any:
    def wrapper(self: Any, *arguments: Any, **options: Any) -> Any:
        kind = structlog.contextvars.get_contextvars().get("kind", OTHER)
        with open(f"{NOTES}/{os.getpid()}", "a") as notes:  # noqa: PTH123
            notes.write(f"{kind}\n")
        return execute(self, *arguments, **options)

    return wrapper


utils.CursorWrapper.execute = _noted(utils.CursorWrapper.execute)  # type: ignore[method-assign]
utils.CursorWrapper.executemany = _noted(utils.CursorWrapper.executemany)  # type: ignore[method-assign]
