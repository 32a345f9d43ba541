"""The application for any WSGI server that reads requests whole itself. What ships runs it behind wmsbridge/asgi.py."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wmsbridge.settings")

application = get_wsgi_application()
