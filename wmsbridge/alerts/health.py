"""The alerts that a metric has crossed its threshold: one kind for each metric. Its words come with the measurement."""

from __future__ import annotations

from ops.alerting.kinds import AlertKind, Closes
from ops.refs import Subject

METRICS = (
    "order_submission_lag",
    "unmapped_sku_rate",
    "wms_api_errors",
    "stock_sync_lag",
    "fulfilment_callback_time",
    "dead_letter_depth",
)

HEALTH = {
    metric: AlertKind(
        f"health_{metric}",
        closes=Closes.ITSELF,
        of_no_shop="a metric is measured over all shops, and seldom is one shop the only cause",
    )
    for metric in METRICS
}
"""The kinds of alerts by the name of the metric, which is also the subject of the alert."""


def threshold_crossed(
    metric: str, *, shop: str | None, cause: str, title: str, meaning: str, action: str
) -> None:
    """A metric is above its threshold, or needs a person for another reason."""
    HEALTH[metric].open(Subject(metric), shop=shop, cause=cause, title=title, meaning=meaning, action=action)
