from __future__ import annotations

from django.apps import AppConfig


class SecondFactorConfig(AppConfig):
    name = "wmsbridge.second_factor"
    label = "second_factor"
    verbose_name = "Second factor"
