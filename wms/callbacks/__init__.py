"""What a WMS tells us: the view that receives it, and the typed events inside."""
