"""Logging in: the password, then, from whoever has a second factor, the code. Nobody is logged in in between."""

from __future__ import annotations

import time
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib import admin, messages
from django.contrib.auth import get_user, login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from wmsbridge.second_factor import enrolment
from wmsbridge.second_factor.enrolment import TooSoon
from wmsbridge.second_factor.forms import CodeForm
from wmsbridge.second_factor.guard import Standing, standing
from wmsbridge.second_factor.sign_in import locked_out

PENDING = "second_factor_pending"
"""In the session of whoever has given the password: who, by which backend, where they wanted to go, and when."""

SECONDS_FOR_THE_CODE = 10 * 60


class LogIn(LoginView):
    """The admin's log-in, which asks for the code before it lets in."""

    template_name = "admin/login.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Whoever is in goes to the console, whoever must set up a second factor to its page."""
        if request.method == "GET":
            if admin.site.has_permission(request):
                return redirect("admin:index")
            user = get_user(request)
            if isinstance(user, User) and user.is_staff and standing(request, user) == Standing.MUST_ENROL:
                return redirect("second-factor")
        return super().dispatch(request, *args, **kwargs)

    def get_form_class(self) -> Any:
        """The theme's, for staff only."""
        return admin.site.login_form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the admin's template shows."""
        told = {"title": "Log in", "subtitle": None, "app_path": self.request.get_full_path()}
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs), **told}

    def form_valid(self, form: Any) -> HttpResponse:
        """The password is right."""
        user = form.get_user()
        if enrolment.of(user) is None:
            return super().form_valid(form)
        self.request.session.cycle_key()
        self.request.session[PENDING] = {
            "user": user.pk,
            "backend": user.backend,
            "hash": user.get_session_auth_hash(),
            "next": self.get_success_url(),
            "at": time.time(),
        }
        return redirect("second-factor-code")


@sensitive_post_parameters("code")
@csrf_protect
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """The second page of the log-in."""
    user = _half_way(request)
    if user is None:
        return redirect("admin:login")
    credentials = {"username": user.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        return locked_out(request, None, credentials)
    form = CodeForm(request.POST or None, label="Code of your authenticator app, or a recovery code")
    if request.method == "POST" and form.is_valid() and _right(request, user, form):
        return _let_in(request, user)
    context = {**admin.site.each_context(request), "title": "Second factor", "form": form}
    return TemplateResponse(request, "admin/second_factor/code.html", context)


def _half_way(request: HttpRequest) -> User | None:
    """Who gave the password in this session, a short while ago; None when it was changed since."""
    pending = request.session.get(PENDING)
    if not isinstance(pending, dict) or time.time() - pending["at"] > SECONDS_FOR_THE_CODE:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), pending["hash"]):
        return None
    return user


def _right(request: HttpRequest, user: User, form: CodeForm) -> bool:
    """Whether the code is. A wrong one counts like a wrong password."""
    try:
        row = enrolment.verify(user, form.cleaned_data["code"])
    except TooSoon as error:
        form.add_error("code", f"Too many wrong codes. Wait {error.seconds} seconds.")
        return False
    if row is None:
        form.add_error("code", "This code is wrong, was used before, or is no longer valid.")
        user_login_failed.send(__name__, credentials={"username": user.get_username()}, request=request)
        return False
    if row.by_recovery_code:
        told = f"You logged in with a recovery code; {enrolment.left(row)} are left. See «Second factor»."
        messages.warning(request, told)
    user.otp_device = row  # type: ignore[attr-defined]  # django-otp notes it in the session at the log-in
    return True


def _let_in(request: HttpRequest, user: User) -> HttpResponse:
    pending = request.session.pop(PENDING)
    login(request, user, backend=pending["backend"])
    return redirect(pending["next"])
