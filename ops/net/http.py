"""Calls to other systems: pooled sessions, time-outs, bounded answers, and the outcome as one of our errors.

Nothing here knows a vendor. What a 4xx means is the caller's business.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection as database

from ops.errors import EndpointFailed, Permanent, Scope, Throttled, unanswered
from ops.net import deadlines, targets
from ops.text import untrusted
from ops.text.entered_text import has_control

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
LONGEST_CALL_SECONDS = 20.0
"""From the first byte sent to the last one read, however slowly they come."""
MAX_ANSWER_BYTES = 10 * 1024 * 1024
DEFAULT_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)

_local = threading.local()


@dataclass
class Calls:
    """What came of the calls that were observed. `answered`: an endpoint gave a proper answer to one of them."""

    answered: bool = False


_observed: ContextVar[Calls | None] = ContextVar("observed", default=None)


@contextmanager
def observed() -> Iterator[Calls]:
    """Observe all calls that are made inside the block, by whatever function: what came of them is in the result."""
    calls = Calls()
    token = _observed.set(calls)
    try:
        yield calls
    finally:
        _observed.reset(token)


def _note_answer() -> None:
    if calls := _observed.get():
        calls.answered = True


class CallInTransaction(AssertionError):
    """A call to another system was made with a database transaction open: a bug."""


def _session(pool: str) -> requests.Session:
    sessions: dict[str, requests.Session] = _local.__dict__.setdefault("sessions", {})
    if pool not in sessions:
        session = requests.Session()
        session.trust_env = False
        adapter = targets.CheckedAdapter(pool_connections=2, pool_maxsize=4, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        sessions[pool] = session
    return sessions[pool]


def _retry_after(response: requests.Response) -> timedelta:
    try:
        wait = timedelta(seconds=float(response.headers["Retry-After"]))
    except (KeyError, ValueError, OverflowError):
        return DEFAULT_WAIT
    return min(max(wait, timedelta(0)), LONGEST_WAIT)


def _read(response: requests.Response) -> bytes:
    """The whole body, bounded in size; the time is bounded by the call's deadline."""
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError("answer too large")
    return bytes(body)


def _refuse_in_transaction(what: str) -> None:
    blocks = database.atomic_blocks
    # As Django's own `durable` check: the transaction around a test is not the application's.
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise CallInTransaction(what)


def _refuse_strange_headers(headers: Mapping[str, str], *, what: str) -> None:
    """Nothing was sent: what cannot stand in a header is no outcome to be unsure of."""
    for name, value in headers.items():
        if not value.isascii() or has_control(value):
            raise Permanent(f"{what}: the header {name} would hold a character that no header can")


def send(
    method: str,
    url: str,
    *,
    changes: bool,
    what: str,
    pool: str,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: Any = None,
    params: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    longest: float | None = None,
) -> requests.Response:
    """Make one call and return the answer when it is 2xx, 3xx or a 4xx other than 408 and 429.

    `what` names the call in errors and logs (never a URL: those may hold secrets); `pool` names the kept connections.
    Redirects are not followed. `changes`: whether the call changes the other system. `timeout` bounds the connecting
    and each silence of the other side, `longest` (LONGEST_CALL_SECONDS at most) the whole call, however it drips.

    Raises EndpointFailed (could not connect, or a read failed), AnswerLost (a changing call failed after it may have
    been sent: time-out, reset, 408, 5xx, cut-off body), Throttled (429, until Retry-After), Permanent (a header that
    cannot be sent).
    """
    _refuse_in_transaction(what)
    _refuse_strange_headers(headers or {}, what=what)
    try:
        targets.check(url)
        with deadlines.within(min(longest or LONGEST_CALL_SECONDS, LONGEST_CALL_SECONDS)):
            response = _session(pool).request(
                method,
                url,
                headers=dict(headers or {}),
                json=json,
                data=data,
                params=params,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
            response._content = _read(response)
    except SoftTimeLimitExceeded as error:
        # The run's time was up while the other side kept it waiting; what was sent may have been done.
        raise unanswered(f"{what}: not answered within the time of a run", changes=changes) from error
    except targets.TargetRefused as error:
        # As an endpoint that does not answer: its work waits, the circuit opens, and staff read why.
        raise EndpointFailed(f"{what}: {error}") from error
    except requests.exceptions.ConnectTimeout as error:
        raise EndpointFailed(f"{what}: could not connect in time") from error
    except requests.exceptions.ConnectionError as error:
        raise _connection_error(error, changes=changes, what=what) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise unanswered(f"{what}: {type(error).__name__}", changes=changes) from error
    return _judge(response, changes=changes, what=what)


def _connection_error(
    error: requests.exceptions.ConnectionError, *, changes: bool, what: str
) -> EndpointFailed:
    """A refused connection sent nothing; a connection that broke later may have."""
    if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
        return EndpointFailed(f"{what}: could not connect")
    return unanswered(f"{what}: connection broke", changes=changes)


def _judge(response: requests.Response, *, changes: bool, what: str) -> requests.Response:
    status = response.status_code
    if status == 429:
        _note_answer()
        raise Throttled(f"{what}: 429", wait=_retry_after(response), scope=Scope.ENDPOINT)
    if status == 408 or status >= 500:
        raise unanswered(f"{what}: HTTP {status}", changes=changes)
    _note_answer()
    return response


def parse_json(response: requests.Response, *, changes: bool, what: str) -> dict[str, Any]:
    """The answer's JSON object, cleaned of what cannot be stored.

    Raises EndpointFailed, or AnswerLost for a changing call, when the body is no JSON object that can be read (cut off,
    a proxy's page, nested without end).
    """
    try:
        return untrusted.parse_answer(response.content)
    except untrusted.Unreadable as error:
        raise unanswered(f"{what}: answer is {error}", changes=changes) from error


def object_in(response: requests.Response) -> dict[str, Any]:
    """The JSON object in an answer that refuses, for its words; {} when there is none."""
    try:
        return untrusted.parse_answer(response.content)
    except untrusted.Unreadable:
        return {}
