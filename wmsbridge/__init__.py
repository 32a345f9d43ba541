"""The project. It connects the apps, measures them, and shows them in the console. No app imports it."""

from wmsbridge.celery import app as celery_app

__all__ = ["celery_app"]
