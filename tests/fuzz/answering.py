"""Calls of the application that get one answer after the other, at no cost: no network, no budget."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import requests

from ops.errors import JobError
from ops.net import http
from shops.budget import points


@contextmanager
def answering(*bodies: Any, status: int = 200) -> Iterator[None]:
    """Each call gets the next body; the last one is given again and again."""
    left = list(bodies)

    def request(*_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = status
        response.raw = io.BytesIO(json.dumps(left.pop(0) if len(left) > 1 else left[0]).encode())
        response.request = SimpleNamespace(body=b"{}")  # type: ignore[assignment]
        return response

    session = SimpleNamespace(request=request)
    with (
        mock.patch.object(http, "_session", return_value=session),
        mock.patch.object(points, "reserve"),
        mock.patch.object(points, "settle"),
    ):
        yield


def not_allowed(
    tries: Iterable[tuple[str, Any]],
    call: Callable[[Any], Any],
    *,
    allowed: tuple[type[Exception], ...] = (JobError,),
) -> dict[str, str]:
    """What of it ends in another way than with a result or an error that is allowed: how, by what was tried."""
    wrong = {}
    for what, value in tries:
        try:
            call(value)
        except allowed:
            continue
        except Exception as error:  # noqa: BLE001
            wrong[what] = f"{type(error).__name__}: {error}"[:200]
    return wrong
