"""What staff enter as text, in the console or in a file: nothing that cannot be stored, shown or sent."""

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
    """Whether it holds a control character, U+0000 among them, or half a surrogate pair."""
    return bool(_CONTROL.search(text))


def is_token(text: str) -> bool:
    """Whether it can be sent in a header as it is (RFC 9110, visible ASCII); "" can."""
    return bool(_TOKEN.fullmatch(text))


def validate_line(text: str) -> None:
    """For models and forms: one line of text. Raises ValidationError."""
    if has_control(text):
        raise ValidationError(CONTROL_WORDS, code="control")


def validate_token(text: str) -> None:
    """For models and forms: a token that calls are made with. Raises ValidationError."""
    if not is_token(text):
        raise ValidationError(TOKEN_WORDS, code="token")
