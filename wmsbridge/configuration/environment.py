"""Reads the environment as typed values. A value of the wrong type stops the start, with the name of its variable."""

from __future__ import annotations

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

FALSE = frozenset({"false", "off", "no", "n", "0"})


class Environment(environ.Env):  # type: ignore[misc]  # django-environ carries no types
    """Stricter than django-environ, which reads unknown words as false, and digits among letters as a number."""

    def get_value(self, var: str, *args: Any, **options: Any) -> Any:
        """Read a variable. A blank boolean or number counts as not set.

        Raises ImproperlyConfigured, which names the variable.
        """
        cast = options.get("cast", args[0] if args else None)
        default = options.get("default", args[1] if len(args) > 1 else self.NOTSET)
        if (
            cast in (bool, int, float)
            and default is not self.NOTSET
            and not self.ENVIRON.get(var, "").strip()
        ):
            return default
        try:
            return super().get_value(var, *args, **options)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var}: {error}") from error

    @classmethod
    def parse_value(cls, value: str, cast: Any) -> Any:
        """Convert a value to a type. Raises ValueError if it is not of that type."""
        word = value.strip().lower() if isinstance(value, str) else value
        if (
            cast is bool
            and isinstance(word, str)
            and word not in FALSE
            and word not in cls.BOOLEAN_TRUE_STRINGS
        ):
            raise ValueError(f"{value!r} is neither true nor false")
        if cast is float:
            return float(value)
        return super().parse_value(word if cast is bool else value, cast)
