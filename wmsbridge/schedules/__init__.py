"""What runs on a schedule: the defaults, staff's changes to them, and whether it ran."""
