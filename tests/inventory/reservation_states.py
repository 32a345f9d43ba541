"""Reservations in states that take several steps to reach."""

from __future__ import annotations

from django.utils import timezone

from inventory.models import Reservation, StockLevel


def make_netted(level: StockLevel, quantity: int, reference: str = "order-1") -> Reservation:
    """Units of an order that the WMS accepted and that the level's quantity is net of."""
    return Reservation.objects.create(
        level=level, reference=reference, quantity=quantity, state="counted", accepted_at=timezone.now()
    )
