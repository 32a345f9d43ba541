"""Job kinds of the warehouses' end."""

from __future__ import annotations

from ops.errors import Permanent
from ops.workers.handlers import handles
from wms.jobs import UNRECOGNISED, CallbackPayload


@handles(UNRECOGNISED)
def unrecognised(callback: CallbackPayload) -> None:
    """A callback of a type that the contract does not have: a dead letter, so that a person sees it."""
    raise Permanent(
        f"the WMS sent a callback of type {callback.type!r}, which nothing here handles. "
        "Ask the vendor what it means; replay it once the application knows the type."
    )
