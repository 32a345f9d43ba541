"""The part of Shopify's search syntax that a connector uses: `updated_at:>='2026-10-01T00:00:00Z' AND status:open`."""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

TERM = re.compile(
    r"""(?P<not>-|NOT\s+)?(?P<field>\w+):(?P<op>>=|<=|>|<)?(?P<value>"[^"]*"|'[^']*'|[^\s()]+)"""
)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
Getter = Callable[[Any], Any]


def matches(query: str | None, getters: dict[str, Getter]) -> Callable[[Any], bool]:
    """Returns a function that says whether an object matches a query.

    A space means AND, and OR separates alternatives. A field without a getter is ignored.
    """
    alternatives = [list(TERM.finditer(part)) for part in re.split(r"\s+OR\s+", query or "")]

    def fits(each: Any) -> bool:
        return any(all(term_fits(each, term, getters) for term in terms) for terms in alternatives)

    return fits


def term_fits(each: Any, term: re.Match[str], getters: dict[str, Getter]) -> bool:
    """Whether an object matches one `field:value`."""
    getter = getters.get(term["field"])
    if getter is None:
        return True
    have, wanted = getter(each), term["value"].strip("\"'")
    return compare(have, term["op"] or "", wanted) != bool(term["not"])


def compare(have: Any, op: str, wanted: str) -> bool:
    """Compares by the type of the object's value: a time, number, boolean, list or word (in upper or lower case)."""
    if have is None:
        return False
    if isinstance(have, datetime):
        moment = datetime.fromisoformat(wanted)
        return COMPARE[op](have, moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if isinstance(have, bool):
        return have == (wanted.lower() == "true")
    if isinstance(have, int):
        return COMPARE[op](have, int(wanted.rsplit("/", 1)[-1]))
    if isinstance(have, list):
        return any(compare(each, op, wanted) for each in have)
    return wanted == "*" or wanted.lower() in ("any", str(have).lower())
