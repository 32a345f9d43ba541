"""Every URL in one screen."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from shops.webhooks.views import WebhookView
from wms.callbacks.views import CallbackView
from wmsbridge.monitoring import probes
from wmsbridge.second_factor import log_in, page

handler403 = "wmsbridge.monitoring.probes.forbidden"
handler404 = "wmsbridge.monitoring.probes.not_found"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("favicon.ico", RedirectView.as_view(url="/static/wmsbridge/favicon.svg")),
    path("admin/login/", log_in.LogIn.as_view(), name="login"),  # in place of the admin's own
    path("admin/second-factor/code/", log_in.code, name="second-factor-code"),
    path("admin/second-factor/", admin.site.admin_view(page.page), name="second-factor"),
    path("admin/", admin.site.urls),
    path("webhooks/shopify/", WebhookView.as_view(), name="shopify-webhook"),
    path("webhooks/wms/<slug:slug>/", CallbackView.as_view(), name="wms-callback"),
    path("healthz", probes.healthz),
    path("readyz", probes.readyz),
    path("metrics", probes.prometheus),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
]
