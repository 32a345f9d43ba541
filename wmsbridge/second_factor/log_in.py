"""The log-in: first the password, then the code, if the person has a second factor. Only then are they logged in."""

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
from wmsbridge.second_factor.guard import LoginState, login_state
from wmsbridge.second_factor.sign_in import locked_out

PENDING = "second_factor_pending"
"""The session has this key between password and code: who gave the password, when, and to which page they go."""

SECONDS_FOR_THE_CODE = 10 * 60


class LogIn(LoginView):
    """The log-in page of the admin. If the person has a second factor, it goes on to the page for the code."""

    template_name = "admin/login.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect a person who is logged in to the console, and one who must set up a second factor to its page."""
        if request.method == "GET":
            if admin.site.has_permission(request):
                return redirect("admin:index")
            user = get_user(request)
            if (
                isinstance(user, User)
                and user.is_staff
                and login_state(request, user) == LoginState.MUST_ENROL
            ):
                return redirect("second-factor")
        return super().dispatch(request, *args, **kwargs)

    def get_form_class(self) -> Any:
        """The form of the theme, which only staff can use."""
        return admin.site.login_form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the template of the admin needs."""
        context = {"title": "Log in", "subtitle": None, "app_path": self.request.get_full_path()}
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs), **context}

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in after the right password, or remember it until the code comes."""
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
    """The second page of the log-in, which asks for the code."""
    user = _half_way(request)
    if user is None:
        return redirect("admin:login")
    credentials = {"username": user.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        return locked_out(request, None, credentials)
    form = CodeForm(request.POST or None, label="Code of your authenticator app, or a recovery code")
    if request.method == "POST" and form.is_valid() and _is_right(request, user, form):
        return _finish(request, user)
    context = {**admin.site.each_context(request), "title": "Second factor", "form": form}
    return TemplateResponse(request, "admin/second_factor/code.html", context)


def _half_way(request: HttpRequest) -> User | None:
    """The person who gave the password in this session a short while ago. None if it was changed since then."""
    pending = request.session.get(PENDING)
    if not isinstance(pending, dict) or time.time() - pending["at"] > SECONDS_FOR_THE_CODE:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), pending["hash"]):
        return None
    return user


def _is_right(request: HttpRequest, user: User, form: CodeForm) -> bool:
    """Whether the code is right. A wrong code counts as a wrong password, so it can lock the log-in."""
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
        warning = f"You logged in with a recovery code; {enrolment.left(row)} are left. See «Second factor»."
        messages.warning(request, warning)
    user.otp_device = row  # type: ignore[attr-defined]  # django-otp writes it into the session at the log-in
    return True


def _finish(request: HttpRequest, user: User) -> HttpResponse:
    pending = request.session.pop(PENDING)
    login(request, user, backend=pending["backend"])
    return redirect(pending["next"])
