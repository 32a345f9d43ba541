"""Shows the orders while the demo runs: as a live table on a terminal, else as plain lines."""

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
from wmsbridge.demo.order_snapshot import OrderSnapshot

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


@dataclass
class Board:
    """Shows snapshots of orders. `login` is the line about the admin, which is always shown."""

    console: Console
    login: str
    _live: Live | None = None
    _printed: dict[tuple[str, int], str] = field(default_factory=dict)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the block runs, draw the table in place, if there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=False) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show(self, snapshots: Sequence[OrderSnapshot], measurements: Sequence[health.Measurement]) -> None:
        """Show the newest orders and the values of the six metrics. Without a terminal, print only lines that
        changed."""
        if self._live is not None:
            picture = Group(_metrics(measurements), _table(snapshots[-ROWS:]), Text(self.login, style="bold"))
            self._live.update(picture, refresh=True)
            return
        for each in snapshots:
            line = _line(each)
            if self._printed.get(each.placed.key) != line:
                self._printed[each.placed.key] = line
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _metrics(measurements: Sequence[health.Measurement]) -> RenderableType:
    text = Text()
    for each in measurements:
        colour = "red" if each.crossed else "green"
        value = f"{each.reading.value:.1f} {each.metric.unit.sign}".rstrip()
        text.append(f"{each.metric.label}: ").append(value, style=f"bold {colour}").append("   ")
    return Panel(text, title="wmsbridge", border_style="bright_black")


def _table(snapshots: Sequence[OrderSnapshot]) -> Table:
    table = Table(expand=True, box=None, header_style="bold")
    for name in (
        "Order",
        "Shop",
        "Scenario",
        "State",
        "Warehouse",
        "WMS order",
        "Shipments",
        "Fulfilments",
        "Lag",
    ):
        table.add_column(name, no_wrap=name != "State", overflow="ellipsis")
    for each in snapshots:
        colour = COLOURS.get(OrderState(each.order.state), "white") if each.order else "bright_black"
        table.add_row(*_cells(each)[:3], Text(each.state, style=colour), *_cells(each)[4:])
    return table


def _cells(each: OrderSnapshot) -> list[str]:
    shop = each.placed.scenario.store.name
    warehouses = ", ".join(wms_order.warehouse.name for wms_order in each.wms_orders) or "–"
    at_wms = ", ".join(f"{o.remote_id or '…'} {o.wms_status}" for o in each.wms_orders) or "–"
    fulfilled = sum(shipment.shopify_fulfillment_id is not None for shipment in each.shipments)
    lag = f"{each.lag:.2f} s" if each.lag is not None else "–"
    title = each.placed.scenario.title
    shipped = len(each.shipments)
    return [each.placed.name, shop, title, each.state, warehouses, at_wms, str(shipped), str(fulfilled), lag]


def _line(each: OrderSnapshot) -> str:
    name, shop, title, state, warehouses, at_wms, shipped, fulfilled, lag = _cells(each)
    return (
        f"{name} {shop} ({title}): {state}; {warehouses}, {at_wms}; "
        f"{shipped} shipments, {fulfilled} fulfilments; lag {lag}"
    )
