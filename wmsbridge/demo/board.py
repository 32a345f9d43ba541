"""What the terminal shows while orders flow: a live table, or plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fulfillment.models.states import OrderState
from wmsbridge import health
from wmsbridge.demo.order_snapshot import Sighting

ROWS = 18
COLOURS = {
    OrderState.WAITING: "yellow",
    OrderState.READY: "cyan",
    OrderState.HELD: "red",
    OrderState.AT_WAREHOUSE: "blue",
    OrderState.PARTIALLY_SHIPPED: "magenta",
    OrderState.SHIPPED: "green",
    OrderState.CANCELLED: "bright_black",
}
SIGNS = {"seconds": "s", "percent": "%", "jobs": ""}


@dataclass
class Board:
    """Shows sightings. `login` is the line about the admin that stays in sight."""

    console: Console
    login: str
    _live: Live | None = None
    _told: dict[tuple[str, int], str] = field(default_factory=dict)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw in place while the block runs, on a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=False) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show(self, sightings: Sequence[Sighting], measurements: Sequence[health.Measurement]) -> None:
        """The newest orders, and how the six metrics stand."""
        if self._live is not None:
            picture = Group(_metrics(measurements), _table(sightings[-ROWS:]), Text(self.login, style="bold"))
            self._live.update(picture, refresh=True)
            return
        for each in sightings:
            line = _line(each)
            if self._told.get(each.placed.key) != line:
                self._told[each.placed.key] = line
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _metrics(measurements: Sequence[health.Measurement]) -> RenderableType:
    text = Text()
    for each in measurements:
        colour = "red" if each.crossed else "green"
        value = f"{each.reading.value:.1f} {SIGNS[each.metric.unit]}".rstrip()
        text.append(f"{each.metric.label}: ").append(value, style=f"bold {colour}").append("   ")
    return Panel(text, title="wmsbridge", border_style="bright_black")


def _table(sightings: Sequence[Sighting]) -> Table:
    table = Table(expand=True, box=None, header_style="bold")
    for name in (
        "Order",
        "Shop",
        "Story",
        "State",
        "Warehouse",
        "WMS order",
        "Shipments",
        "Fulfilments",
        "Lag",
    ):
        table.add_column(name, no_wrap=name != "State", overflow="ellipsis")
    for each in sightings:
        colour = COLOURS.get(OrderState(each.order.state), "white") if each.order else "bright_black"
        table.add_row(*_cells(each)[:3], Text(each.state, style=colour), *_cells(each)[4:])
    return table


def _cells(each: Sighting) -> list[str]:
    shop = each.placed.plot.store.name
    houses = ", ".join(wms_order.warehouse.name for wms_order in each.wms_orders) or "–"
    at_wms = ", ".join(f"{o.remote_id or '…'} {o.wms_status}" for o in each.wms_orders) or "–"
    fulfilled = sum(shipment.shopify_fulfillment_id is not None for shipment in each.shipments)
    lag = f"{each.lag:.2f} s" if each.lag is not None else "–"
    title = each.placed.plot.title
    shipped = len(each.shipments)
    return [each.placed.name, shop, title, each.state, houses, at_wms, str(shipped), str(fulfilled), lag]


def _line(each: Sighting) -> str:
    name, shop, title, state, houses, at_wms, shipped, fulfilled, lag = _cells(each)
    return (
        f"{name} {shop} ({title}): {state}; {houses}, {at_wms}; "
        f"{shipped} shipments, {fulfilled} fulfilments; lag {lag}"
    )
