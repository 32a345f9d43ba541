"""How long a changed level may wait until Shopify is told, so that further changes go with it.

A push costs points that orders need too: about four for each product that it reads, and ten more if it sets any
figure, whether of one product or of 250. So where there is plenty, changes are gathered for a few seconds. Shopify may
then sell by its old figure for that long. That does no harm as long as more is left than can be sold meanwhile.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

SOON = timedelta(seconds=1)
"""Where stock is scarce, changes within this time go to Shopify together."""

FASTEST_SALES = 20
"""The most units of one item that are expected to be sold in a second."""


def delay(*, free: int, told: int | None) -> timedelta:
    """How long the change of a level may wait: SOON if it is scarce, else STOCK_PUSH_WINDOW_SECONDS. Pure.

    `free`: item units that no order has. `told`: those that Shopify was told of last, None if it never was. Whoever
    asks for the push sooner meanwhile moves it forward, so no change waits for longer than this.
    """
    window = timedelta(seconds=settings.STOCK_PUSH_WINDOW_SECONDS)
    return SOON if is_scarce(free=free, told=told, window=window) else max(SOON, window)


def is_scarce(*, free: int, told: int | None, window: timedelta) -> bool:
    """Whether more may be sold within a window than is left, or something is sold out that came in again. Pure.

    What is left is too little if the fastest sales would use it up, or if it would not last as long again, because at
    least half of what Shopify was told of is gone since.
    """
    if told is None:
        return True
    return min(free, told) < FASTEST_SALES * window.total_seconds() or told >= 2 * free
