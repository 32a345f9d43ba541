"""Reads tracking numbers and links as warehouses write them, for example several in one field. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_NUMBER = 255
LONGEST_URL = 2000
LONGEST_IN_ALL = 20_000
"""The most characters of a parcel's numbers or links that are read: enough for some thousand of them."""

_SEPARATOR = re.compile(r"[,;|\r\n\t，、；｜]+")
"""Characters that separate two numbers, and never occur within one."""

_POSSIBLE_SEPARATORS = (
    (
        re.compile(r"\s*[/&+·•]\s*|\s(?:and|und|et|[-–])\s", re.IGNORECASE),
        re.compile(r"(?=(?:\D*\d){4})[\w -]{8,}", re.ASCII),
    ),
    (re.compile(r"\s+"), re.compile(r"(?=(?:\D*\d){4})[\w-]{10,}", re.ASCII)),
)
"""Pairs of a possible separator, which may also occur within a number («1Z 999 AA1 01 2345 6784»), and the form of a
whole number. The text is split only if each piece has this form."""

_BEFORE_A_LINK = re.compile(r"(?<![\s,;|])[\s,;|]++(?=https?://)|[\r\n]+", re.IGNORECASE)
"""The separator before a link. It matches only at the start of such characters, so many in a row cost no extra time."""

_LINK = re.compile(r"https?://", re.IGNORECASE)

_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
"""Characters without width, which are often copied together with a number."""

_WRAPPING = " \"'[]"
"""Characters around the numbers of a list that was converted to text."""

_NO_NUMBER = frozenset(
    ["n/a", "na", "none", "null", "nil", "no", "tbd", "tba", "unknown", "undefined", "pending"]
)
"""Words that mean that there is no number."""


@dataclass(frozen=True)
class Tracking:
    """A parcel's tracking as the WMS reports it; `unusable` names what Shopify cannot be given, and why."""

    numbers: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    carrier: str = ""
    unusable: tuple[str, ...] = ()


def read(*, numbers: Iterable[str], urls: Iterable[str], carrier: str) -> Tracking:
    """Read numbers and links from all fields: joined lists are split, links are checked, nothing is shortened."""
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
    """Return the texts within LONGEST_IN_ALL, each once, and whether there are more."""
    found, room = list[str](), LONGEST_IN_ALL
    for text in dict.fromkeys(texts):
        room -= len(text)
        if room < 0:
            return found, True
        found.append(text)
    return found, False


def split_numbers(text: str) -> list[str]:
    """Split a joined list into its numbers; a number that is written in groups stays one."""
    found = []
    for each in _SEPARATOR.split(_UNSEEN.sub(" ", text)):
        piece = " ".join(each.split()).strip(_WRAPPING)
        if _is_a_number(piece):
            found += _split_if_all_numbers(piece)
    return found


def _is_a_number(piece: str) -> bool:
    """Whether the piece can be a number: «-» and «N/A» are none."""
    return piece.lower().replace(".", "").strip("()") not in _NO_NUMBER and any(
        sign.isalnum() for sign in piece
    )


def _split_if_all_numbers(piece: str) -> list[str]:
    """Split at a possible separator if each part looks like a whole number, else return the piece as it is."""
    for between, whole in _POSSIBLE_SEPARATORS:
        parts = [part for part in between.split(piece) if part]
        if len(parts) > 1 and all(whole.fullmatch(part) for part in parts):
            return [number for part in parts for number in _split_if_all_numbers(part)]
    return [piece]


def is_web_link(link: str) -> bool:
    """Whether a link may be shown to a customer: http or https, with a host, without spaces and credentials."""
    if len(link) > LONGEST_URL or re.search(r"[\s\x00-\x1f<>\"\\^`{|}]", link):
        return False
    try:
        parts = urlsplit(link)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _pieces(text: str) -> list[str]:
    """Return the numbers and the links of a text that may have both: numbers end where the first link begins."""
    link = _LINK.search(text)
    if link is None:
        return split_numbers(text)
    return [*split_numbers(text[: link.start()].rstrip(" :(<")), *_links(text[link.start() :])]


def _links(text: str) -> list[str]:
    """Split a text into links, only where another link begins, because a link may contain commas."""
    pieces = _BEFORE_A_LINK.split(text.strip())
    return [piece.strip(" ,;|") for piece in pieces if piece.strip(" ,;|")]
