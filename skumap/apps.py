from django.apps import AppConfig


class SkumapConfig(AppConfig):
    name = "skumap"
    verbose_name = "SKU map"
