"""Every URL in one screen."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from shops.views import WebhookView
from wms.views import CallbackView
from wmsbridge import views
from wmsbridge.second_factor import log_in, page

handler403 = "wmsbridge.views.forbidden"
handler404 = "wmsbridge.views.not_found"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("favicon.ico", RedirectView.as_view(url="/static/wmsbridge/favicon.svg")),
    path("admin/login/", log_in.LogIn.as_view(), name="login"),  # in place of the admin's own
    path("admin/second-factor/code/", log_in.code, name="second-factor-code"),
    path("admin/second-factor/", admin.site.admin_view(page.page), name="second-factor"),
    path("admin/", admin.site.urls),
    path("webhooks/shopify/", WebhookView.as_view(), name="shopify-webhook"),
    path("webhooks/wms/<slug:slug>/", CallbackView.as_view(), name="wms-callback"),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("metrics", views.prometheus),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
]
