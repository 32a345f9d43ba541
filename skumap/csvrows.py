"""A CSV file of mappings as checked rows: read line by line, every complaint with its line number."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, NamedTuple, NoReturn

REQUIRED = ("shopify_variant_id", "shopify_sku", "shopify_inventory_item_id", "wms_item_code")
COLUMNS = (*REQUIRED, "quantity")

MAX_BYTES = 50 * 1024 * 1024
MAX_ROWS = 500_000
MAX_TEXT = 255
MAX_QUANTITY = 100_000
MAX_ERRORS = 1_000
"""After so many complaints reading stops: the file is another one than was meant."""

_ID = {
    "shopify_variant_id": re.compile(r"(?:gid://shopify/ProductVariant/)?0*([1-9][0-9]{0,18})", re.ASCII),
    "shopify_inventory_item_id": re.compile(
        r"(?:gid://shopify/InventoryItem/)?0*([1-9][0-9]{0,18})", re.ASCII
    ),
}
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)


class Row(NamedTuple):
    """One mapping of the file."""

    variant: int
    sku: str
    inventory_item: int
    item_code: str
    quantity: int


class RowError(NamedTuple):
    """What is wrong where; row 1 is the header, column "" = the whole row."""

    row: int
    column: str
    message: str


class _CellError(ValueError):
    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


class _ReadingEnded(Exception):
    pass


@dataclass
class Reader:
    """Reads a file once. After `rows()` is used up, `errors` says whether the file may be used."""

    file: IO[bytes]
    errors: list[RowError] = field(default_factory=list)
    count: int = 0
    _seen: dict[tuple[int, str], int] = field(default_factory=dict)
    _variants: dict[int, tuple[int, str, int]] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """The good rows, in the order of the file. Bad ones go to `errors`."""
        with suppress(_ReadingEnded):
            yield from self._rows()

    def _rows(self) -> Iterator[Row]:
        first = self.file.readline(MAX_BYTES + 1)
        lines = csv.reader(self._lines(first), delimiter=_delimiter(first), strict=True)
        columns = self._header(lines)
        while (cells := self._next(lines)) is not None:
            if not any(cell.strip() for cell in cells):
                continue
            row = self._checked(cells, columns, number=lines.line_num)
            if row is not None:
                yield row

    def _lines(self, first: bytes) -> Iterator[str]:
        """The text line by line, within the limits."""
        size = 0
        rest = iter(lambda: self.file.readline(MAX_BYTES + 1), b"")
        for number, line in enumerate(chain([first], rest), start=1):
            size += len(line)
            if size > MAX_BYTES:
                self._stop(number, f"the file is larger than {MAX_BYTES // 1024 // 1024} MB")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self._stop(number, "is not UTF-8 text: save the file as CSV (UTF-8)")

    def _header(self, lines: Iterator[list[str]]) -> list[str]:
        columns = [cell.strip().lower() for cell in self._next(lines) or []]
        missing = [name for name in REQUIRED if name not in columns]
        unknown = [name for name in columns if name not in COLUMNS]
        twice = sorted({name for name in columns if columns.count(name) > 1} - set(unknown))
        for names, complaint in (
            (missing, "is missing"),
            (unknown, "is not known"),
            (twice, "is there twice"),
        ):
            self.errors.extend(RowError(1, name[:MAX_TEXT], f"column {complaint}") for name in names[:20])
        if self.errors:
            raise _ReadingEnded
        return columns

    def _next(self, lines: Iterator[list[str]]) -> list[str] | None:
        try:
            return next(lines, None)
        except csv.Error as error:
            self._stop(getattr(lines, "line_num", 0), f"is not CSV: {error}")

    def _checked(self, cells: list[str], columns: list[str], *, number: int) -> Row | None:
        self.count += 1
        if self.count > MAX_ROWS:
            self._stop(number, f"more than {MAX_ROWS} rows")
        try:
            if len(cells) != len(columns):
                raise _CellError("", f"has {len(cells)} columns, the header has {len(columns)}")
            row = _parse(dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
            self._compare(row, number=number)
        except _CellError as error:
            self._note(number, error.column, str(error))
            return None
        return row

    def _compare(self, row: Row, *, number: int) -> None:
        """Against the rows before it."""
        before = self._seen.setdefault((row.variant, row.item_code), number)
        if before != number:
            raise _CellError(
                "wms_item_code", f"variant {row.variant} with {row.item_code} is in row {before} already"
            )
        item, sku, first = self._variants.setdefault(row.variant, (row.inventory_item, row.sku, number))
        if item != row.inventory_item:
            raise _CellError(
                "shopify_inventory_item_id", f"variant {row.variant} has inventory item {item} in row {first}"
            )
        if sku != row.sku:
            raise _CellError("shopify_sku", f"variant {row.variant} has SKU {sku!r} in row {first}")

    def _note(self, row: int, column: str, message: str) -> None:
        self.errors.append(RowError(row, column, message))
        if len(self.errors) >= MAX_ERRORS:
            self._stop(row, "too many errors: the rest was not read")

    def _stop(self, row: int, message: str) -> NoReturn:
        self.errors.append(RowError(row, "", message))
        raise _ReadingEnded


def _delimiter(header: bytes) -> str:
    """Comma, or the semicolon or tab that spreadsheets write in some countries."""
    return max((",", ";", "\t"), key=lambda mark: header.count(mark.encode()))


def _parse(cells: dict[str, str]) -> Row:
    """Raises _CellError for the first cell that is wrong."""
    for column, cell in cells.items():
        if len(cell) > MAX_TEXT:
            raise _CellError(column, f"is longer than {MAX_TEXT} characters")
        if not cell.isprintable():
            raise _CellError(column, "holds a line break or another control character")
    if not cells["wms_item_code"]:
        raise _CellError("wms_item_code", "is empty")
    return Row(
        variant=_id("shopify_variant_id", cells["shopify_variant_id"]),
        sku=cells["shopify_sku"],
        inventory_item=_id("shopify_inventory_item_id", cells["shopify_inventory_item_id"]),
        item_code=cells["wms_item_code"],
        quantity=_quantity(cells.get("quantity", "")),
    )


def _id(column: str, cell: str) -> int:
    found = _ID[column].fullmatch(cell)
    if found and int(found[1]) < 2**63:
        return int(found[1])
    if _ROUNDED.fullmatch(cell):
        raise _CellError(
            column, f"{cell} was rounded by a spreadsheet: format the column as text and export again"
        )
    raise _CellError(
        column, f"{cell!r} is neither a number nor the gid of this kind of thing" if cell else "is empty"
    )


def _quantity(cell: str) -> int:
    if not cell:
        return 1
    if not (cell.isascii() and cell.isdecimal() and len(cell) <= 9 and 1 <= int(cell) <= MAX_QUANTITY):
        raise _CellError("quantity", f"{cell!r} is not a whole number from 1 to {MAX_QUANTITY}")
    return int(cell)
