"""Reads a CSV file of mappings line by line into checked rows; every error has its line number."""

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

MAX_BYTES = 1024 * 1024 * 1024
MAX_ROWS = 5_000_000
MAX_LINE_BYTES = 256 * 1024
MAX_TEXT = 255
MAX_QUANTITY = 100_000
MAX_ERRORS = 1_000
"""After this many errors reading stops, because it is probably the wrong file."""

_ID = {
    "shopify_variant_id": re.compile(r"(?:gid://shopify/ProductVariant/)?0*([1-9][0-9]{0,18})", re.ASCII),
    "shopify_inventory_item_id": re.compile(
        r"(?:gid://shopify/InventoryItem/)?0*([1-9][0-9]{0,18})", re.ASCII
    ),
}
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)


class Row(NamedTuple):
    """One mapping of the file; `number` is its row in the file."""

    number: int
    variant: int
    sku: str
    inventory_item: int
    item_code: str
    quantity: int


class RowError(NamedTuple):
    """An error in the file. Row 1 is the header, row 0 the whole file, column "" the whole row."""

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
    """Reads a file once, with constant memory.

    When `rows()` has ended, `errors` has the errors of single rows. `skumap.transfer.staging` finds contradictions
    between rows.
    """

    file: IO[bytes]
    errors: list[RowError] = field(default_factory=list)
    count: int = 0
    complete: bool = False

    def rows(self) -> Iterator[Row]:
        """Yield the good rows in the order of the file; bad ones go to `errors`."""
        with suppress(_ReadingEnded):
            yield from self._rows()
            self.complete = True

    def _rows(self) -> Iterator[Row]:
        first = self.file.readline(MAX_LINE_BYTES + 1)
        lines = csv.reader(self._lines(first), delimiter=_delimiter(first), strict=True)
        columns = self._header(lines)
        while (cells := self._next(lines)) is not None:
            if not any(cell.strip() for cell in cells):
                continue
            row = self._checked(cells, columns, number=lines.line_num)
            if row is not None:
                yield row
        if not self.count:
            self._stop(1, "the file has a header and no rows")

    def _lines(self, first: bytes) -> Iterator[str]:
        """Yield the text line by line, and stop at the limits."""
        size = 0
        rest = iter(lambda: self.file.readline(MAX_LINE_BYTES + 1), b"")
        for number, line in enumerate(chain([first], rest), start=1):
            size += len(line)
            if size > MAX_BYTES:
                self._stop(number, f"the file is larger than {MAX_BYTES // 1024 // 1024} MB")
            if len(line) > MAX_LINE_BYTES:
                self._stop(number, f"is not CSV: the line is longer than {MAX_LINE_BYTES // 1024} KB")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self._stop(number, "is not UTF-8 text: save the file as CSV (UTF-8)")

    def _header(self, lines: Iterator[list[str]]) -> list[str]:
        """Read the column names; stop if one is missing, unknown or repeated."""
        columns = [cell.strip().lower() for cell in self._next(lines) or []]
        if not any(columns):
            self._stop(1, f"the file is empty; its first row names the columns: {', '.join(COLUMNS)}")
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            are = "column {} is missing" if len(missing) == 1 else "columns {} are missing"
            self._stop(
                1, f"{are.format(', '.join(missing))}; the first row names {', '.join(columns)[:MAX_TEXT]}"
            )
        unknown = [name for name in columns if name not in COLUMNS]
        twice = sorted({name for name in columns if columns.count(name) > 1} - set(unknown))
        for names, error in ((unknown, "is not known"), (twice, "is there twice")):
            self.errors.extend(RowError(1, name[:MAX_TEXT], f"column {error}") for name in names[:20])
        if self.errors:
            raise _ReadingEnded
        return columns

    def _next(self, lines: Iterator[list[str]]) -> list[str] | None:
        try:
            return next(lines, None)
        except csv.Error as error:
            self._stop(getattr(lines, "line_num", 0), f"is not CSV: {error}")

    def _checked(self, cells: list[str], columns: list[str], *, number: int) -> Row | None:
        """Return the cells as a row, or note what is wrong with them."""
        self.count += 1
        if self.count > MAX_ROWS:
            self._stop(number, f"more than {MAX_ROWS} rows")
        try:
            if len(cells) != len(columns):
                raise _CellError("", f"has {len(cells)} columns, the header has {len(columns)}")
            return _parse(dict(zip(columns, (cell.strip() for cell in cells), strict=True)), number=number)
        except _CellError as error:
            self._note(number, error.column, str(error))
            return None

    def _note(self, row: int, column: str, message: str) -> None:
        self.errors.append(RowError(row, column, message))
        if len(self.errors) >= MAX_ERRORS:
            self._stop(row, "too many errors: the rest was not read")

    def _stop(self, row: int, message: str) -> NoReturn:
        self.errors.append(RowError(row, "", message))
        raise _ReadingEnded


def _delimiter(header: bytes) -> str:
    """Return the most frequent of comma, semicolon and tab: spreadsheets of some countries write the latter two."""
    return max((",", ";", "\t"), key=lambda mark: header.count(mark.encode()))


def _parse(cells: dict[str, str], *, number: int) -> Row:
    """Return the cells as a row. Raises _CellError for the first cell that is wrong."""
    for column, cell in cells.items():
        if len(cell) > MAX_TEXT:
            raise _CellError(column, f"is longer than {MAX_TEXT} characters")
        if not cell.isprintable():
            raise _CellError(column, "holds a line break or another control character")
    if not cells["wms_item_code"]:
        raise _CellError("wms_item_code", "is empty")
    return Row(
        number=number,
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
