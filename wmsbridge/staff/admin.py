"""The pages of users and groups. Only superusers decide about rights; other staff can manage users without them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ops.admin import ConsoleAdmin
from wmsbridge.second_factor import enrolment
from wmsbridge.second_factor.models import Authenticator

admin.site.unregister(User)
admin.site.unregister(Group)

RIGHTS = ("is_superuser", "groups", "user_permissions")


@admin.register(User)
class StaffAdmin(UserAdmin, ConsoleAdmin):  # type: ignore[type-arg]
    """The page of users. Only superusers give rights, and nobody sets the password of a user who has more rights."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "has_second_factor")
    actions = ("reset_second_factor",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Add to each user whether they have a second factor."""
        confirmed = Authenticator.objects.filter(user=OuterRef("pk"), confirmed=True)
        return super().get_queryset(request).annotate(second_factor=Exists(confirmed))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the rights read-only to all but superusers."""
        shown = super().get_readonly_fields(request, obj)
        return shown if request.user.is_superuser else (*shown, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse a user who has more rights. Django also asks this before it sets a password."""
        return super().has_change_permission(request, obj) and not _has_more_than(obj, request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse a user who has more rights, as for changes."""
        return super().has_delete_permission(request, obj) and not _has_more_than(obj, request.user)

    @display(description="Second factor", boolean=True, ordering="second_factor")
    def has_second_factor(self, user: Any) -> bool:
        """Whether the log-in asks this user for a code."""
        return bool(user.second_factor)

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Whether the user may remove the second factor of others."""
        return request.user.has_perm("second_factor.reset_second_factor")

    @action(description="Reset the second factor: device and recovery codes are lost", permissions=["reset"])
    def reset_second_factor(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Remove the second factor of the chosen users. Only superusers can do this to superusers."""
        by = User.objects.get(pk=str(request.user.pk))
        mine = chosen if by.is_superuser else chosen.filter(is_superuser=False)
        done = [user for user in mine if enrolment.remove(user, by=by, message="Second factor reset.")]
        self.message_user(request, f"{len(done)} second factors reset.", messages.SUCCESS)
        if mine.count() < chosen.count():
            self.message_user(request, "That of a superuser is reset by a superuser.", messages.WARNING)


@admin.register(Group)
class StaffGroupAdmin(GroupAdmin, ConsoleAdmin):  # type: ignore[misc]
    """The page of groups. Only superusers decide what a group may do."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the permissions read-only to all but superusers."""
        shown = super().get_readonly_fields(request, obj)
        return shown if request.user.is_superuser else (*shown, "permissions")


def _has_more_than(person: Model | None, user: Any) -> bool:
    """Whether the person has a right that the user lacks. A user who is switched off keeps their rights."""
    if not isinstance(person, User) or user.is_superuser:
        return False
    return person.is_superuser or _rights(person).exclude(pk__in=_rights(user).values("pk")).exists()


def _rights(person: User) -> Any:
    return Permission.objects.filter(Q(user=person) | Q(group__user=person))
