"""Schedules: their defaults, the changes of staff, and whether they ran."""
