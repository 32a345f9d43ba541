"""Staff's view of stock, and of SKU mappings with what stock knows of them. Nothing here calls another system."""

from inventory.admin.mappings import StockedMappingAdmin
from inventory.admin.stock import PushBatchAdmin, ReservationAdmin, StockLevelAdmin, WatermarkAdmin

__all__ = ["PushBatchAdmin", "ReservationAdmin", "StockLevelAdmin", "StockedMappingAdmin", "WatermarkAdmin"]
