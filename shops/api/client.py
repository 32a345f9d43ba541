"""The only module that calls Shopify's Admin API: pooled, within the shop's budget, and with our own errors.

Facts (Admin API 2026-10): a query over budget is answered HTTP 200 with `errors[].extensions.code = THROTTLED`. A call
of a retired version is served by the oldest supported version, which the header X-Shopify-API-Version names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import structlog
from django.conf import settings

from ops.errors import AccessRefused, Permanent, Throttled, recorded_name
from ops.models import Priority
from ops.net import http
from shops import alerts
from shops.access import credentials, installation
from shops.api import answers, documents
from shops.budget import points, rate_budget
from shops.models import Shop

logger = structlog.get_logger(__name__)

VERSION_HEADER = "X-Shopify-API-Version"
DEPRECATED_HEADER = "X-Shopify-API-Deprecated-Reason"
CALLS_HEADER = "X-Shopify-Shop-Api-Call-Limit"
TIMEOUT = (3.0, 20.0)

REST_SECONDS_TO_RESTORE = 20
"""The REST bucket of every plan fills in 20 s (40 at 2/s, 80 at 4/s, 400 at 20/s); the header has only its size."""

REFUSED_FOR_NOW = 430
"""Shopify's own status for calls that look abusive. It is treated as 429."""


_warned: set[tuple[str, ...]] = set()
"""What this process has logged a warning of already; a warning with every call would fill the log."""


@dataclass(frozen=True)
class Call:
    """One HTTP call below `/admin/api/<version>/`."""

    method: str
    path: str
    what: str
    changes: bool
    json: Any = None
    params: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    """Shopify's answer to an operation: its `data`, and its time by Shopify's clock.

    `served_at` is the header Date, in whole seconds; None = there was none. Shopify's times must be compared with it
    and not with a time of ours, because the clocks differ.
    """

    data: dict[str, Any]
    served_at: datetime | None


@dataclass
class Meter:
    """Carries the cost that an answer reports to the settlement."""

    report: rate_budget.CostReport | None = None


def execute(
    shop: Shop, operation: str, variables: Mapping[str, Any], *, priority: Priority = Priority.NORMAL
) -> Answer:
    """Run `graphql/<operation>.graphql` at the shop and return the answer; the caller handles `userErrors`.

    Variables are sent as they are, None as null, because `changeFromQuantity: null` differs from leaving it out.
    Raises Throttled (no room in the budget, or THROTTLED / 429), Transient (a read failed), UnknownOutcome (a mutation
    may have happened), Permanent (invalid, denied, too expensive), Blocked (shop switched off, credentials refused).
    """
    _require_switched_on(shop)
    return _execute(shop, operation, variables, priority=priority)


def accepts_credentials(shop: Shop) -> bool:
    """Whether Shopify accepts our credentials for the shop, even if the shop is switched off here.

    Raises as `execute` for other errors.
    """
    try:
        _execute(shop, "shop", {}, priority=Priority.HIGH)
    except AccessRefused:
        return False
    return True


def _execute(shop: Shop, operation: str, variables: Mapping[str, Any], *, priority: Priority) -> Answer:
    document = documents.load(operation)
    call = Call(
        "POST",
        "graphql.json",
        what=f"{operation} of {shop.domain}",
        changes=document.is_mutation,
        json={"query": document.text, "operationName": document.name, "variables": dict(variables)},
    )
    size = rate_budget.size_class(variables, page_sizes=document.page_sizes)
    metered_as = f"{operation}@{document.digest}/{size}"
    token = credentials.token_for(shop)
    with _metered(shop, limits=rate_budget.POINTS, operation=metered_as, priority=priority) as meter:
        response = _send(shop, call, token=token, meter=meter)
        body = http.parse_json(response, changes=call.changes, what=call.what)
        meter.report = answers.cost_of(body)
    return Answer(_data(shop, body, call=call), served_at=_served_at(response))


def rest(
    shop: Shop,
    method: str,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    priority: Priority = Priority.NORMAL,
) -> dict[str, Any]:
    """Call a REST endpoint below `/admin/api/<version>/` (`path` e.g. "shop.json") and return its JSON; {} for no body.

    Nothing here needs one today. It is kept because REST calls have a limit of their own, which is part of what the
    client promises. Metered by X-Shopify-Shop-Api-Call-Limit ("used/size") and Retry-After. Raises as `execute`.
    """
    _require_switched_on(shop)
    changes = method.upper() not in {"GET", "HEAD"}
    what = f"{method.upper()} {path} of {shop.domain}"
    call = Call(method.upper(), path, what=what, changes=changes, json=json, params=params)
    token = credentials.token_for(shop)
    with _metered(shop, limits=rate_budget.REST_CALLS, operation="call", priority=priority) as meter:
        response = _send(shop, call, token=token, meter=meter)
        meter.report = _rest_cost(response)
    return http.parse_json(response, changes=changes, what=what) if response.content else {}


def _served_at(response: requests.Response) -> datetime | None:
    """Return the header Date; None if it is missing or unreadable."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _require_switched_on(shop: Shop) -> None:
    if not shop.is_active:
        raise installation.paused(shop)


@contextmanager
def _metered(
    shop: Shop, *, limits: rate_budget.Limits, operation: str, priority: Priority
) -> Iterator[Meter]:
    """Reserve the cost of the call made inside, and settle it afterwards. Raises Throttled if there is not enough now.

    If the cost is not reported, everything reserved is charged, because the call may have reached Shopify.
    """
    reservation = points.reserve(shop.domain, limits=limits, operation=operation, priority=priority)
    meter = Meter()
    try:
        yield meter
    except Throttled as error:
        if meter.report is None:
            logger.warning("shopify_throttled", shop=shop.domain, bucket=limits.name, operation=operation)
            meter.report = rate_budget.CostReport(charged=0.0, closed_for=error.wait.total_seconds())
        raise
    finally:
        points.settle(reservation, meter.report or rate_budget.CostReport())


def _send(shop: Shop, call: Call, *, token: str, meter: Meter) -> requests.Response:
    """Return the 2xx answer; after a 401 the token is renewed and the call repeated once. Raises for other statuses."""
    response = _send_once(shop, call, token=token)
    if response.status_code == 401:
        meter.report = rate_budget.CostReport(charged=0.0)
        renewed = credentials.token_for(shop, rejected=token)
        meter.report = None
        response = _send_once(shop, call, token=renewed)
    _warn_of_version(shop, response, call=call)
    if 200 <= response.status_code < 300:
        return response
    meter.report = rate_budget.CostReport(charged=0.0)
    if response.status_code == 401:
        reason = "401 for a token just renewed"
        installation.record_refused(shop, reason=reason)
        raise installation.refused(shop, reason=reason)
    if response.status_code in installation.FROZEN_STATUSES:
        alerts.shop_frozen(shop, reason=f"HTTP {response.status_code}")
        raise installation.frozen(shop, reason=f"HTTP {response.status_code}")
    raise Permanent(f"{call.what}: HTTP {response.status_code} {_explanation(response)}".rstrip())


def _send_once(shop: Shop, call: Call, *, token: str) -> requests.Response:
    root = settings.SHOPIFY_ADMIN_URL.format(domain=shop.domain)
    response = http.send(
        call.method,
        f"{root}/admin/api/{shop.api_version}/{call.path}",
        headers={"X-Shopify-Access-Token": token, "Accept": "application/json"},
        json=call.json,
        params=call.params,
        changes=call.changes,
        timeout=TIMEOUT,
        what=call.what,
        pool=shop.lane,
    )
    if response.status_code == REFUSED_FOR_NOW:
        raise Throttled(f"{call.what}: HTTP {REFUSED_FOR_NOW}", wait=timedelta(seconds=10))
    return response


def _explanation(response: requests.Response) -> str:
    """Return the `errors` of a REST-shaped error answer, shortened."""
    return str(http.object_in(response).get("errors") or "")[:300]


def _data(shop: Shop, body: Mapping[str, Any], *, call: Call) -> dict[str, Any]:
    """Return the `data` of an answer. Logs and raises its error if it has one; alerts if the shop is frozen."""
    error = answers.error_in(body, changes=call.changes, what=call.what)
    if error is None:
        data: dict[str, Any] = body["data"]
        return data
    codes = sorted(answers.codes_of(body))
    logger.warning(
        "graphql_refused", shop=shop.domain, what=call.what, codes=codes, error=recorded_name(error)
    )
    if "SHOP_INACTIVE" in codes:
        alerts.shop_frozen(shop, reason="SHOP_INACTIVE")
        raise installation.frozen(shop, reason="SHOP_INACTIVE")
    raise error


def _rest_cost(response: requests.Response) -> rate_budget.CostReport:
    """Return the cost of a REST call from its header: "32/40" means that 8 of 40 calls are left."""
    used, _, size = response.headers.get(CALLS_HEADER, "").partition("/")
    readable = used.isdecimal() and size.isdecimal() and max(len(used), len(size)) < 10
    if not (readable and int(size)):
        return rate_budget.CostReport(charged=1.0)
    return rate_budget.CostReport(
        charged=1.0,
        available=float(int(size) - int(used)),
        maximum=float(size),
        restore=int(size) / REST_SECONDS_TO_RESTORE,
    )


def _warn_of_version(shop: Shop, response: requests.Response, *, call: Call) -> None:
    """Warn once if Shopify served another version than we asked for, or if a call is deprecated."""
    served = response.headers.get(VERSION_HEADER, shop.api_version)
    deprecated = response.headers.get(DEPRECATED_HEADER)
    if deprecated and _first_time(shop.domain, call.what, deprecated):
        logger.warning("shopify_deprecated", shop=shop.domain, what=call.what, reason=deprecated)
    if served == shop.api_version or not _first_time(shop.domain, shop.api_version, served):
        return
    logger.warning("shopify_version_fell_forward", shop=shop.domain, asked=shop.api_version, served=served)
    alerts.shopify_version_fell_forward(shop, served=served)


def _first_time(*what: str) -> bool:
    """Whether this process has not warned of it yet; from now on it has."""
    known = what in _warned
    _warned.add(what)
    return not known
