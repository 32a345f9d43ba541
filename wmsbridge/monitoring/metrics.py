"""Exports for Prometheus the six metrics, and the state of lanes, jobs, alerts and circuits."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ops import redis
from ops.doors import refusals
from ops.models import Alert, Circuit, Lane
from ops.queue import depth
from wmsbridge import health

MOST_LANES = 200
"""At most this many lanes, the deepest ones, have a label of their own. The others are summed up as "other"."""

MOST_PARTS = 100
"""At most this many further figures of one metric are exported, the most important ones first."""

PREFIX = "wmsbridge_"


def exposition() -> bytes:
    """Return the metrics in the Prometheus text format, version 0.0.4. This takes ten statements."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    return generate_latest(registry)


class _Collector(Collector):
    """Reads the database once per scrape."""

    def describe(self) -> list[Metric]:
        """Describe nothing, so that nothing is measured when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all families of metrics."""
        yield from _health()
        yield _jobs(depth.by_lane())
        yield _alerts()
        yield _circuits()
        yield from _refused()


def _health() -> Iterator[Metric]:
    """The six metrics with their further figures, and for each threshold whether it is crossed."""
    measurements = health.measure()
    for each in measurements:
        name = f"{PREFIX}{each.metric.name}"
        yield Gauge(name, each.metric.definition, value=each.reading.value, unit=each.metric.unit)
        parts = Gauge(f"{name}_parts", f"{each.metric.label}: further figures.", labels=each.metric.labels)
        for part, value in list(each.reading.parts.items())[:MOST_PARTS]:
            parts.add_metric([part] if isinstance(part, str) else part, value)
        yield parts
    thresholds = Gauge(f"{PREFIX}health_threshold", "Above it staff are alerted.", labels=["metric"])
    crossed = Gauge(f"{PREFIX}health_crossed", "1 while the threshold is crossed.", labels=["metric"])
    for each in measurements:
        thresholds.add_metric([each.metric.name], each.threshold)
        crossed.add_metric([each.metric.name], float(each.crossed))
    measured = {each.metric.name for each in measurements}
    for name, threshold in settings.HEALTH_THRESHOLDS.items():
        if name not in measured:  # the second threshold of a metric
            thresholds.add_metric([name], threshold)
    yield thresholds
    yield crossed


def _jobs(depths: dict[str, depth.Depth]) -> Metric:
    """Count unfinished jobs by lane and state. The lanes with the most due and dead jobs have their own label."""
    family = Gauge(f"{PREFIX}jobs", "Unfinished jobs by lane and state.", labels=["lane", "state"])
    deepest = sorted(depths, key=lambda lane: -(depths[lane].due + depths[lane].dead))
    other: dict[str, int] = {}
    for position, lane in enumerate(deepest):
        for state in ("due", "later", "parked", "running", "dead"):
            count = getattr(depths[lane], state)
            if position < MOST_LANES:
                family.add_metric([lane, state], count)
            else:
                other[state] = other.get(state, 0) + count
    for state, count in other.items():
        family.add_metric(["other", state], count)
    return family


def _alerts() -> Metric:
    family = Gauge(f"{PREFIX}open_alerts", "Open alerts by severity.", labels=["severity"])
    counts = (
        Alert.objects.filter(state=Alert.State.OPEN).values_list("severity").annotate(Count("id")).order_by()
    )
    for severity, count in counts:
        family.add_metric([severity], count)
    return family


def _refused() -> Iterator[Metric]:
    """Count what the doors refused. Nothing is known without Redis. A count starts again at 0 after some quiet
    hours."""
    family = Counter(
        f"{PREFIX}refused", "Refused at the doors.", labels=["door", "sender", "reason", "signed"]
    )
    try:
        found = refusals.read() if redis.available() else []
    except redis.RedisError:
        redis.failed()
        return
    for each in found:
        signed = "yes" if each.why in refusals.SIGNED else "no"
        family.add_metric([each.door, each.sender or "unknown", each.why, signed], each.count)
    yield family


def _circuits() -> Metric:
    """Whether the circuit of each lane is open, those that are not closed first."""
    family = Gauge(
        f"{PREFIX}circuit_open", "1 while a lane's circuit is open, 0.5 while it probes.", labels=["lane"]
    )
    values = {Circuit.CLOSED: 0.0, Circuit.HALF_OPEN: 0.5, Circuit.OPEN: 1.0}
    for lane, circuit in Lane.objects.order_by("circuit", "name").values_list("name", "circuit")[:MOST_LANES]:
        family.add_metric([lane], values[Circuit(circuit)])
    return family
