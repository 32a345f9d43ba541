"""What staff say about a WMS order of which nobody knows whether the WMS has it."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from fulfillment.models import WmsOrder


class IsThereForm(forms.Form):
    """The order was found in the WMS, under this id."""

    wms_order_id = forms.CharField(
        max_length=255, label="Id at the WMS", widget=UnfoldAdminTextInputWidget, required=True
    )

    def __init__(self, row: WmsOrder, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._row = row

    def clean_wms_order_id(self) -> str:
        """One order of a WMS is one of ours. Raises ValidationError."""
        given = str(self.cleaned_data["wms_order_id"])
        others = WmsOrder.objects.filter(
            wms_order_id=given, warehouse__connection_id=self._row.warehouse.connection_id
        ).exclude(id=self._row.id)
        other = others.select_related("order").first()
        if other is not None:
            raise forms.ValidationError(
                f"{given} is part {other.part} of order {other.order.name}. Look for {self._row.external_id}."
            )
        return given


class IsNotThereForm(forms.Form):
    """Somebody looked in the WMS and it is not there."""

    looked = forms.BooleanField(
        label="I looked for it in the WMS: it is not there", widget=UnfoldBooleanWidget, required=True
    )
