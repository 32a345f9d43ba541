"""Fields of a callback that could not be read and were done without: nothing is dropped in silence."""

from __future__ import annotations

from django.db import transaction

from ops.alerting.alerts import raise_alert
from wms.callbacks.events import Event
from wms.models import Connection

UNREAD = "callback_field_unread"


def report(connection_id: int, event: Event) -> None:
    """One alert per connection and set of fields, when the event came with any that could not be read."""
    if not event.unread:
        return
    slug = Connection.objects.values_list("slug", flat=True).get(pk=connection_id)
    names = ", ".join(sorted(told.partition(":")[0] for told in event.unread))
    with transaction.atomic():
        raise_alert(
            UNREAD,
            subject=f"{slug}: {names}",
            title=f"Callbacks of {slug} come with fields that cannot be read: {names}",
            meaning="The callbacks are worked on without them: a time is taken from the callback's own, the rest "
            f"counts as not told. {'; '.join(event.unread)}.",
            action="Have the vendor send these fields as the contract says. Then close this alert.",
        )
