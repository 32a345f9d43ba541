"""The two answers of staff to the question whether a WMS has an order or a return."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from fulfillment.models import WmsOrder
from fulfillment.wms_orders import manual_resolution
from wms.ids import RemoteOrderId


class PresentForm(forms.Form):
    """The answer that it is in the WMS, under this id."""

    remote_id = forms.CharField(
        max_length=255, label="Its id at the WMS", widget=UnfoldAdminTextInputWidget, required=True
    )
    looked = forms.BooleanField(
        label="I looked at it in the WMS: it is this one", widget=UnfoldBooleanWidget, required=True
    )

    def __init__(self, row: WmsOrder | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._row = row

    def clean_remote_id(self) -> str:
        """Raises ValidationError if another order of ours has this id already."""
        given = RemoteOrderId(self.cleaned_data["remote_id"])
        if self._row is not None and (whose := manual_resolution.conflict_text(self._row, given)):
            raise forms.ValidationError(whose)
        return given


class AbsentForm(forms.Form):
    """The answer that somebody looked in the WMS, and it is not there."""

    looked = forms.BooleanField(
        label="I looked for it in the WMS: it is not there", widget=UnfoldBooleanWidget, required=True
    )
