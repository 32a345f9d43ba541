"""Reports fields of a callback that could not be read, so that nothing is dropped silently."""

from __future__ import annotations

from wms import alerts
from wms.callbacks.events import Event
from wms.ids import ConnectionPk
from wms.models import Connection


def report(connection_pk: ConnectionPk, event: Event) -> None:
    """One alert per connection and set of fields, when the event came with any that could not be read."""
    if not event.unread:
        return
    slug = Connection.objects.values_list("slug", flat=True).get(pk=connection_pk)
    names = sorted(unread.partition(":")[0] for unread in event.unread)
    alerts.callback_field_unread(slug, names=names, unread=event.unread)
