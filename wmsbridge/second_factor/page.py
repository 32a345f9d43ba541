"""The page on which a person sets up, renews and switches off their second factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_otp
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ops.secrets import SecretUnreadable
from wmsbridge.second_factor import enrolment
from wmsbridge.second_factor.enrolment import TooSoon
from wmsbridge.second_factor.forms import CodeForm, SwitchOffForm

OF_THE_APP = "Code that your app shows"
OF_EITHER = "Code of your app, or a recovery code"


@sensitive_post_parameters("code", "password")
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Show the state of the second factor. A POST names the step to take; a GET changes nothing."""
    step = STEPS.get(request.POST.get("step", "")) if request.method == "POST" else None
    return step(request, _person(request)) if step else _render(request)


def _person(request: HttpRequest) -> User:
    return User.objects.get(pk=str(request.user.pk))


def _begin(request: HttpRequest, user: User) -> HttpResponse:
    enrolment.begin(user)
    return redirect("second-factor")


def _confirm(request: HttpRequest, user: User) -> HttpResponse:
    """Confirm the app with its first code, and show the recovery codes. The session counts as logged in."""
    form = CodeForm(request.POST, label=OF_THE_APP)
    row = _check_code(form, lambda code: enrolment.confirm(user, code))
    if row is None:
        return _render(request, confirm=form)
    request.session.cycle_key()
    django_otp.login(request, row)
    return _render(request, fresh=enrolment.new_recovery_codes(row))


def _renew(request: HttpRequest, user: User) -> HttpResponse:
    form = CodeForm(request.POST, label=OF_EITHER, auto_id="renew_%s")
    row = _check_code(form, lambda code: enrolment.verify(user, code))
    if row is None:
        return _render(request, renew=form)
    return _render(request, fresh=enrolment.new_recovery_codes(row))


def _switch_off(request: HttpRequest, user: User) -> HttpResponse:
    """Remove the second factor, if the code or the password is right."""
    form = SwitchOffForm(request.POST, label=OF_EITHER, auto_id="off_%s")
    if not (form.is_valid() and _may_switch_off(request, user, form)):
        return _render(request, off=form)
    enrolment.remove(user, by=user, message="Second factor switched off.")
    messages.success(request, "Your second factor is switched off: the password alone opens the console.")
    return redirect("second-factor")


STEPS: dict[str, Callable[[HttpRequest, User], HttpResponse]] = {
    "begin": _begin,
    "confirm": _confirm,
    "renew": _renew,
    "off": _switch_off,
}


def _may_switch_off(request: HttpRequest, user: User, form: SwitchOffForm) -> bool:
    """Whether the code, or else the password, is right. If not, the form has the error."""
    if form.cleaned_data["code"]:
        return _check_code(form, lambda code: enrolment.verify(user, code)) is not None
    password = form.cleaned_data["password"]
    if authenticate(request, username=user.get_username(), password=password) is not None:
        return True
    form.add_error("password", "This is not your password.")
    return False


def _check_code(form: CodeForm, check: Callable[[str], Any]) -> Any:
    """Return what `check` returns for the code. None if it is wrong; the form has the error then."""
    if not form.is_valid():
        return None
    try:
        row = check(form.cleaned_data["code"])
    except TooSoon as error:
        form.add_error("code", f"Too many wrong codes. Wait {error.seconds} seconds.")
        return None
    except SecretUnreadable:
        form.add_error("code", "The secret can no longer be read. Start again with another secret.")
        return None
    if row is None:
        form.add_error("code", "This code is wrong, was used before, or is no longer valid.")
    return row


def _render(request: HttpRequest, *, fresh: list[str] | None = None, **forms: CodeForm) -> HttpResponse:
    """Show the page in the present state of the person, with forms that have errors, or with fresh recovery codes."""
    user = _person(request)
    row, begun = enrolment.of(user), enrolment.unconfirmed(user)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "row": row,
        "fresh": fresh,
        "required": settings.REQUIRE_SECOND_FACTOR,
        "must": settings.REQUIRE_SECOND_FACTOR and row is None,
    }
    if context["must"]:
        context["is_nav_sidebar_enabled"] = False
    if row is not None:
        context["left"] = enrolment.left(row)
        context["renew"] = forms.get("renew") or CodeForm(label=OF_EITHER, auto_id="renew_%s")
        context["off"] = forms.get("off") or SwitchOffForm(label=OF_EITHER, auto_id="off_%s")
    if begun is not None:
        context["confirm"] = forms.get("confirm") or CodeForm(label=OF_THE_APP)
        context |= _to_scan(begun)
    return TemplateResponse(request, "admin/second_factor/page.html", context)


def _to_scan(begun: Any) -> dict[str, Any]:
    """The picture and the secret of an app that is not confirmed; nothing if the secret cannot be read."""
    try:
        plain = enrolment.secret(begun)
        return {
            "begun": True,
            "picture": enrolment.qr_code(begun),
            "secret": enrolment.in_fours(plain, " "),
        }
    except SecretUnreadable:
        return {}
