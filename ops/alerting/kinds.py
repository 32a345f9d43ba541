"""Kinds of alerts. Each is declared once, beside its texts, with its severity and with who closes it.

An app keeps its kinds and texts in one place (`shops/alerts.py`, `fulfillment/alerts/`, ...). A caller only says which
alert is due, and for what: `alerts.orders.order_edited(order, ...)`, and later
`alerts.orders.ORDER_EDITED.close(order.subject)`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import QuerySet

from ops.alerting import alerts
from ops.models import Alert, Severity
from ops.refs import Subject


class Closes(StrEnum):
    """Who closes the alerts of a kind. A person may close any alert earlier."""

    ITSELF = "itself"
    """The code closes it, once the cause is gone or a person has decided."""
    PERSON = "a person"
    """No code can know that the cause is gone."""
    ITSELF_OR_PERSON = "itself, else a person"
    """The code closes it when it learns that the cause is gone, which it does not always learn."""


@dataclass(frozen=True)
class AlertKind:
    """One kind of alert. At most one alert of a kind is open for a subject.

    `of_no_shop` says why alerts of this kind name no shop, or not always. It is empty if each of them names its shop.
    """

    name: str
    closes: Closes
    severity: Severity = Severity.WARNING
    of_no_shop: str = ""

    def open(
        self,
        subject: Subject,
        *,
        shop: str | None,
        title: str,
        meaning: str,
        action: str,
        severity: Severity | None = None,
        again: bool = False,
        cause: str = "",
    ) -> bool:
        """Open the alert about this subject, or update the open one. Returns True if it is new.

        `shop` is the domain of the shop it is about. `severity` is for the one case that is more or less urgent than
        the kind usually is. `again` and `cause` are explained at `raise_alert`.
        """
        return alerts.raise_alert(
            self.name,
            subject=subject,
            shop=shop,
            severity=severity or self.severity,
            title=title,
            meaning=meaning,
            action=action,
            again=again,
            cause=cause,
        )

    def close(self, *subjects: Subject) -> int:
        """Close the open alerts of this kind about these subjects, with one statement. Returns how many were open."""
        return alerts.close_alerts([self.name], subjects=subjects)

    def opened(self) -> QuerySet[Alert]:
        """The alerts of this kind that are open."""
        return Alert.objects.filter(kind=self.name, state=Alert.State.OPEN)


def close_kinds(kinds: Collection[AlertKind], *subjects: Subject) -> int:
    """Close the open alerts of several kinds about these subjects, with one statement. Returns how many were open."""
    return alerts.close_alerts([kind.name for kind in kinds], subjects=subjects)
