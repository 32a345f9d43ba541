"""Tracking as warehouses write it: several numbers in one field, links, anything else. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_NUMBER = 255
LONGEST_URL = 2000
LONGEST_IN_ALL = 20_000
"""Characters in which a parcel's numbers or links are looked for: some thousand of them."""

_CERTAIN = re.compile(r"[,;|\r\n\t，、；｜]+")
"""What stands between two numbers and in none."""

_PERHAPS = (
    (
        re.compile(r"\s*[/&+·•]\s*|\s(?:and|und|et|[-–])\s", re.IGNORECASE),
        re.compile(r"(?=(?:\D*\d){4})[\w -]{8,}", re.ASCII),
    ),
    (re.compile(r"\s+"), re.compile(r"(?=(?:\D*\d){4})[\w-]{10,}", re.ASCII)),
)
"""What may stand between two numbers, but within one as well («1Z 999 AA1 01 2345 6784»): it parts them only where each
piece looks like a number by itself."""

_BEFORE_A_LINK = re.compile(r"(?<![\s,;|])[\s,;|]++(?=https?://)|[\r\n]+", re.IGNORECASE)
"""Looked for only where such characters begin: it takes no longer for a thousand of them in a row."""

_LINK = re.compile(r"https?://", re.IGNORECASE)

_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
"""Characters without width, as they come along when a number is copied."""

_WRAPPING = " \"'[]"
"""What a list that was turned into text leaves around its numbers."""

_NO_NUMBER = frozenset(
    ["n/a", "na", "none", "null", "nil", "no", "tbd", "tba", "unknown", "undefined", "pending"]
)
"""Words for «there is none»."""


@dataclass(frozen=True)
class Tracking:
    """All that a WMS says of where a parcel is; `unusable` says what of it Shopify cannot be given, and why."""

    numbers: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    carrier: str = ""
    unusable: tuple[str, ...] = ()


def read(*, numbers: Iterable[str], urls: Iterable[str], carrier: str) -> Tracking:
    """Numbers and links in whatever fields they came: joined lists are split, links are checked, nothing is cut."""
    numbers, more_numbers = _bounded(numbers)
    urls, more_links = _bounded(urls)
    pieces = [piece for text in numbers for piece in _pieces(text)]
    links = [link for text in urls for link in _links(text)]
    links += [piece for piece in pieces if _LINK.match(piece)]
    plain = [piece for piece in pieces if not _LINK.match(piece)]
    unusable = [
        f"a number of {len(number)} characters ({number[:40]}…)"
        for number in plain
        if len(number) > LONGEST_NUMBER
    ]
    unusable += [
        f"a link that is no http or https address ({link[:200]})" for link in links if not is_web_link(link)
    ]
    unusable += [f"what is more than {LONGEST_IN_ALL} characters"] if more_numbers or more_links else []
    return Tracking(
        numbers=tuple(dict.fromkeys(number for number in plain if len(number) <= LONGEST_NUMBER)),
        urls=tuple(dict.fromkeys(link for link in links if is_web_link(link))),
        carrier=carrier,
        unusable=tuple(unusable),
    )


def _bounded(texts: Iterable[str]) -> tuple[list[str], bool]:
    """The texts that may be read, and whether there are more. Each thing once: what is joined is often repeated."""
    found, room = list[str](), LONGEST_IN_ALL
    for text in dict.fromkeys(texts):
        room -= len(text)
        if room < 0:
            return found, True
        found.append(text)
    return found, False


def split_numbers(text: str) -> list[str]:
    """The numbers of a joined list; one number that is written in groups stays one."""
    found = []
    for each in _CERTAIN.split(_UNSEEN.sub(" ", text)):
        piece = " ".join(each.split()).strip(_WRAPPING)
        if _is_a_number(piece):
            found += _parted(piece)
    return found


def _is_a_number(piece: str) -> bool:
    """Whether it names anything: «-» and «N/A» are no numbers, whatever field they come in."""
    return piece.lower().replace(".", "").strip("()") not in _NO_NUMBER and any(
        sign.isalnum() for sign in piece
    )


def _parted(piece: str) -> list[str]:
    for between, whole in _PERHAPS:
        parts = [part for part in between.split(piece) if part]
        if len(parts) > 1 and all(whole.fullmatch(part) for part in parts):
            return [number for part in parts for number in _parted(part)]
    return [piece]


def is_web_link(link: str) -> bool:
    """Whether a customer may be sent there: http or https, with a host, in one piece and without credentials."""
    if len(link) > LONGEST_URL or re.search(r"[\s\x00-\x1f<>\"\\^`{|}]", link):
        return False
    try:
        parts = urlsplit(link)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _pieces(text: str) -> list[str]:
    """The numbers, then the links, of one text that may hold both: a link ends the numbers before it."""
    link = _LINK.search(text)
    if link is None:
        return split_numbers(text)
    return [*split_numbers(text[: link.start()].rstrip(" :(<")), *_links(text[link.start() :])]


def _links(text: str) -> list[str]:
    """A link may hold commas: a list is split only where another link begins."""
    pieces = _BEFORE_A_LINK.split(text.strip())
    return [piece.strip(" ,;|") for piece in pieces if piece.strip(" ,;|")]
