"""Checks text that staff enter, in the console or in a file: it must be possible to store, show and send it."""

from __future__ import annotations

import re
from typing import Final

from django.core.exceptions import ValidationError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TOKEN = re.compile(r"[\x21-\x7e]*")

CONTROL_WORDS: Final = "It holds a line break or another control character."
TOKEN_WORDS: Final = (
    "It holds a space, or a character that a token cannot have (only ASCII letters, digits and signs)."
)


def has_control(text: str) -> bool:
    """Whether the text has a control character, including U+0000, or half a surrogate pair."""
    return bool(_CONTROL.search(text))


def is_token(text: str) -> bool:
    """Whether the text can be sent in a header as it is (RFC 9110, visible ASCII). "" can."""
    return bool(_TOKEN.fullmatch(text))


def validate_line(text: str) -> None:
    """Validate one line of text, for models and forms. Raises ValidationError."""
    if has_control(text):
        raise ValidationError(CONTROL_WORDS, code="control")


def validate_token(text: str) -> None:
    """Validate a token that is sent with calls, for models and forms. Raises ValidationError."""
    if not is_token(text):
        raise ValidationError(TOKEN_WORDS, code="token")
