"""Calls to other systems: bounded in time and size, to permitted addresses only."""
