"""The console's pages of stock, and its page of SKU mappings. Nothing here calls another system."""

from inventory.admin.mappings import StockedMappingAdmin
from inventory.admin.stock import PushBatchAdmin, ReservationAdmin, StockLevelAdmin, WatermarkAdmin

__all__ = ["PushBatchAdmin", "ReservationAdmin", "StockLevelAdmin", "StockedMappingAdmin", "WatermarkAdmin"]
