"""Armed faults: rules that say which requests go wrong, how they go wrong, and how often they did."""

import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

BEFORE = {"timeout_before", "reset", "throttled"}  # and every error status, 400 to 599
AFTER = {"timeout_after", "reset_after", "truncate", "not_json", "slow", "500_after"}


@dataclass
class Fault:
    """One armed rule.

    `count` says how many more times it fires (None = for ever), and `until` when it ends by the monotonic clock.
    """

    id: int
    match: str
    fault: str
    delay: float | None = None
    count: int | None = 1
    probability: float = 1.0
    account: str | None = None  # shop domain or connection slug
    retry_after: float = 1.0
    until: float | None = None
    fired: int = field(default=0)

    @property
    def spent(self) -> bool:
        """Whether the rule never fires again."""
        return self.count == 0 or (self.until is not None and time.monotonic() > self.until)

    @property
    def before(self) -> bool:
        """Whether the fault takes the place of the work, so that the request is never carried out."""
        return self.fault in BEFORE or self.fault.isdigit()


class Faults:
    """The rules of one server. Several threads may use them at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rules: list[Fault] = []
        self.made = 0
        self.random = random.Random(0)

    def arm(self, spec: dict[str, Any]) -> Fault:
        """Arms one rule from its JSON. Raises ValueError with the reason when the rule makes no sense."""
        kind = str(spec.get("fault"))
        is_status = kind.isdigit() and 400 <= int(kind) <= 599
        if not is_status and kind not in BEFORE | AFTER:
            raise ValueError(
                f"unknown fault {kind!r}; known: 400 to 599, {', '.join(sorted(BEFORE | AFTER))}"
            )
        known = {
            "match",
            "fault",
            "delay",
            "count",
            "probability",
            "domain",
            "slug",
            "retry_after",
            "seconds",
        }
        if unknown := set(spec) - known:
            raise ValueError(f"unknown keys in a fault: {', '.join(sorted(unknown))}")
        with self.lock:
            self.made += 1
            rule = Fault(
                id=self.made,
                match=str(spec["match"]),
                fault=kind,
                delay=spec.get("delay"),
                count=spec.get("count", 1),
                probability=float(spec.get("probability", 1.0)),
                account=spec.get("domain") or spec.get("slug"),
                retry_after=float(spec.get("retry_after", 1.0)),
                until=time.monotonic() + float(spec["seconds"]) if spec.get("seconds") else None,
            )
            self.rules.append(rule)
        return rule

    def disarm(self) -> None:
        """Ends all rules. The books keep how often each rule fired."""
        with self.lock:
            for rule in self.rules:
                rule.count = 0

    def reset(self, seed: int = 0) -> None:
        """Forgets all rules, and how often they fired."""
        with self.lock:
            self.rules.clear()
            self.random = random.Random(seed)

    def pick(self, *, method: str, path: str, labels: Iterable[str], account: str) -> Fault | None:
        """Returns the first rule that fits this request and counts it as fired; None when no rule fits."""
        if not self.rules:
            return None
        names = set(labels)
        with self.lock:
            for rule in self.rules:
                if rule.spent or (rule.account is not None and rule.account != account):
                    continue
                if not fits(rule.match, method=method, path=path, labels=names):
                    continue
                if rule.probability < 1.0 and self.random.random() >= rule.probability:
                    continue
                if rule.count is not None:
                    rule.count -= 1
                rule.fired += 1
                return rule
        return None

    def books(self) -> list[dict[str, Any]]:
        """Returns all rules, each with the number of times it fired."""
        with self.lock:
            return [
                {
                    "id": r.id,
                    "match": r.match,
                    "fault": r.fault,
                    "count": r.count,
                    "fired": r.fired,
                    "spent": r.spent,
                }
                for r in self.rules
            ]


def fits(match: str, *, method: str, path: str, labels: set[str]) -> bool:
    """Whether `match` fits a request.

    It is `*`, a label, or `METHOD /path`. In a path `*` stands for one segment, and `**` at the end for all the rest.
    """
    if match == "*" or match in labels:
        return True
    wanted_method, _, wanted_path = match.partition(" ")
    if not wanted_path.startswith("/") or wanted_method not in ("*", method):
        return False
    wanted, given = wanted_path.strip("/").split("/"), path.strip("/").split("/")
    if wanted[-1] == "**":
        wanted.pop()
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))
