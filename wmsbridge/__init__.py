"""The project: wires the apps together, measures them and shows them. No app imports it."""

from wmsbridge.celery import app as celery_app

__all__ = ["celery_app"]
