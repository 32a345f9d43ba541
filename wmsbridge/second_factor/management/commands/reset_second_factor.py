from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from wmsbridge.second_factor import enrolment


class Command(BaseCommand):
    """Helps a person who lost both app and recovery codes, if no administrator can log in."""

    help = "Take a user's second factor away: the password alone opens the console again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the user."""
        parser.add_argument("user", help="user name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove the second factor, and note it in the history of the user."""
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"there is no user {options['user']}")
        if not enrolment.remove(
            user, by=user, message="Second factor reset by manage.py reset_second_factor."
        ):
            raise CommandError(f"{user.get_username()} has no second factor")
        self.stdout.write(f"The second factor of {user.get_username()} is gone.")
