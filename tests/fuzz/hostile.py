"""Hostile values, and ways to spoil a realistic body with them: the same for doors, answers and parsers."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

Path = tuple[str | int, ...]
Json = Any


def _nested(depth: int) -> Json:
    value: Json = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


TIMES = [
    *(
        "0000-00-00T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
    ),
    *("2026-11-26T24:00:00Z", "2026-02-30T00:00:00Z", "2026-11-26T10:00:00+99:99", "2026-11-26T10:00:00"),
    *("2026-11-26", "2026-W48-4", "20261126T100000Z", "1969-12-31T23:59:60Z", "2026-11-26T10:00:00+23:59"),
]
TEXTS = [
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udc00x",
        "\u202egnp.exe",
        "\N{RIGHT-TO-LEFT MARK}",
        "é" * 300,
        "\r\nSubject: x",
    ),
    *(
        "a" * 256,
        "b" * 1001,
        "'; DROP TABLE ops_job; --",
        "%s%n{0}{x}",
        "null",
        "true",
        "1",
        "-1",
        "1e5",
        "٣",
        "²",
        "NaN",
    ),
    *(
        "gid://shopify/Order/0",
        "gid://shopify/Order/9223372036854775808",
        "gid://shopify/Order/abc",
        "gid://shopify/",
    ),
    *(
        "javascript:alert(1)",
        "http://[::1",
        "https://a@b/",
        "\N{PILE OF POO}" * 20,
        "\t\n\x0b\x7f\x85",
        "../../etc/passwd",
    ),
    *("gid://shopify/FulfillmentOrder/" + "9" * 18, "gid://shopify/LineItem/" + "9" * 30, "a,b;c|d\n" * 300),
]
NUMBERS: list[float] = [
    0,
    -1,
    1,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**30,
    10**400,
]
NUMBERS += [0.5, -0.0, 1e308, 5e-324, 1.0, 1700000000, 1700000000000, 99999999999999]
VALUES: list[Json] = [None, True, False, [], {}, [[]], [None], [{}], {"": ""}, {"a": None}, {"\x00": "\x00"}]
VALUES += [*TIMES, *TEXTS, *NUMBERS, ["x"] * 50, [{"id": 1}, {"id": 1}], _nested(12), _nested(30)]
"""What stands where something else is expected. 10**400 is no float, though Python's JSON reads it as a number."""

KINDS: list[Json] = [None, True, 0, -1, 2**63, 10**400, 0.5, "", "x", "\x00", [], [None], [{}], {}, {"a": []}]
"""The same in short, where each costs a statement of the database."""

LARGE: list[Json] = ["x" * 1_000_000, _nested(90), [1] * 20_000, ["gid://shopify/FulfillmentOrder/1"] * 5_000]
LARGE += [{str(number): number for number in range(5_000)}, "1 " * 200_000, "2026-11-26T10:00:00" * 5_000]
"""Seldom, since they take their time."""


def paths(value: Json, here: Path = ()) -> Iterator[Path]:
    """Every place in a value, the whole first."""
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield from paths(child, (*here, key))


def at(value: Json, path: Path) -> Json:
    """What stands there."""
    for key in path:
        value = value[key]
    return value


def replaced(value: Json, path: Path, other: Json) -> Json:
    """A copy with something else there."""
    if not path:
        return other
    whole = copy.copy(value)
    whole[path[0]] = replaced(value[path[0]], path[1:], other)
    return whole


def removed(value: Json, path: Path) -> Json:
    """A copy without what stands there; the whole cannot be removed."""
    *holder, last = path
    rest = copy.copy(at(value, tuple(holder)))
    del rest[last]
    return replaced(value, tuple(holder), rest)


def everywhere(value: Json, values: Iterable[Json] = VALUES) -> Iterator[tuple[str, Json]]:
    """Each place of a value with each hostile one there, or with nothing: (what was done, the value)."""
    values = list(values)
    for path in paths(value):
        where = ".".join(map(str, path)) or "the whole"
        for other in values:
            yield f"{where} = {repr(other)[:60]}", replaced(value, path, other)
        if path:
            yield f"{where} is missing", removed(value, path)


def spoilt(value: Json, chance: random.Random, *, times: int = 1) -> Json:
    """A copy in which a few things are not what they should be."""
    for _ in range(times):
        value = _spoilt_once(value, chance)
    return value


def _spoilt_once(value: Json, chance: random.Random) -> Json:
    path = chance.choice(list(paths(value)))
    found = at(value, path)
    if not path:
        path = chance.choice(list(paths(value)))  # seldom the whole
    how = chance.random()
    if how < 0.5:
        large = chance.random() < 0.01
        return replaced(value, path, chance.choice(LARGE if large else VALUES))
    if how < 0.6 and path:
        return removed(value, path)
    if how < 0.75:
        return _in_the_manner_of(value, path, found, chance)
    if how < 0.85:
        return _exchanged(value, path, chance)
    return _repeated(value, path, chance)


def _in_the_manner_of(value: Json, path: Path, found: Json, chance: random.Random) -> Json:
    """The same kind of thing, but strange: it comes further than what is no such thing at all."""
    found = at(value, path)
    match found:
        case bool():
            other: Json = chance.choice([not found, str(found).lower(), int(found)])
        case int() | float():
            other = chance.choice([*NUMBERS, str(found), -found, found + 1])
        case str() if "T" in found and ":" in found:
            other = chance.choice(TIMES)
        case str():
            other = chance.choice(
                [*TEXTS, found + "\x00", found * 2, found.swapcase(), found[:-1], f" {found}\n"]
            )
        case list():
            other = chance.choice([[], found * 2, found[0] if found else {}, {"0": found}])
        case dict():
            other = chance.choice(
                [[found], {}, {key.upper(): each for key, each in found.items()}, list(found)]
            )
        case _:
            other = chance.choice(VALUES)
    return replaced(value, path, other)


def _exchanged(value: Json, path: Path, chance: random.Random) -> Json:
    """Two things in each other's place."""
    other = chance.choice(list(paths(value)))
    if path[: len(other)] == other or other[: len(path)] == path:
        return value
    here, there = copy.deepcopy(at(value, path)), copy.deepcopy(at(value, other))
    return replaced(replaced(value, path, there), other, here)


def _repeated(value: Json, path: Path, chance: random.Random) -> Json:
    """Some list has the same thing twice, or one more that differs in one place."""
    lists = [each for each in paths(value) if isinstance(at(value, each), list) and at(value, each)]
    if not lists:
        return replaced(value, path, chance.choice(VALUES))
    where = chance.choice(lists)
    found = at(value, where)
    again = copy.deepcopy(chance.choice(found))
    if isinstance(again, dict) and again and chance.random() < 0.5:
        again[chance.choice(list(again))] = chance.choice(VALUES)
    return replaced(value, where, [*found, again])


def encoded(value: Json, chance: random.Random) -> bytes:
    """JSON as some software writes it: escaped or not, with a byte order mark, cut off, not UTF-8, not JSON."""
    escaped = chance.random() < 0.7
    raw = json.dumps(value, ensure_ascii=escaped).encode(
        "utf-8", "surrogatepass" if chance.random() < 0.5 else "replace"
    )
    how = chance.random()
    if how < 0.88:
        return raw
    return _spoilt_bytes(raw, chance)


def _spoilt_bytes(raw: bytes, chance: random.Random) -> bytes:
    middle = chance.randrange(len(raw) + 1)
    match chance.randrange(10):
        case 0:
            return b"\xef\xbb\xbf" + raw
        case 1:
            return raw[:middle]
        case 2:
            return raw[:middle] + bytes([chance.randrange(256)]) + raw[middle + 1 :]
        case 3:
            return raw.decode("utf-8", "replace").encode(
                chance.choice(["utf-16", "utf-32", "utf-16-le", "cp037"]), "replace"
            )
        case 4:
            return b'{"a":' * 2_000 + raw + b"}" * 2_000
        case 5:
            return raw.replace(b":", b":-Infinity,", 1) if chance.random() < 0.5 else b"[" * 50_000
        case 6:
            return raw.replace(b"1", b"1e400", 1)
        case 7:
            return raw.replace(b"}", b',"id":5,"id":"x"}', 1)
        case 8:
            return raw + raw
        case _:
            return chance.choice([b"", b"null", b"0", b'""', b"[]", b"{}", b"<html>", b"\x00", b"9" * 5000])
