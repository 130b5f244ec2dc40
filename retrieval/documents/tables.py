"""Tables: every row as a line of text that names its columns, so that it can be understood alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retrieval.segmentation import is_han

Grid = Sequence[Sequence[str]]  # rows of cells; what a cell spans is in all its places

SAMPLE = 20  # rows that tell the language
MAX_HEADER = 40  # characters of a cell that still names a column
_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMBER = re.compile(r"[\s\d.,:%+\-−–/()¥$€£]*\d[\s\d.,:%+\-−–/()¥$€£]*")


def row_texts(grid: Grid, headers: int) -> list[str]:
    """A line for each row below the first ``headers`` ones: ``column: cell, column: cell``.

    Without headers, two columns are a name and its value, more are parted by commas. Rows without text
    give an empty line.
    """
    names = _names(grid[:headers]) if headers else []
    chinese = any(is_han(c) for row in grid[:SAMPLE] for cell in row for c in cell)
    comma, colon = ("，", "：") if chinese else (", ", ": ")
    lines = []
    for row in grid[headers:]:
        cells = [
            f"{names[n]}{colon}{cell}" if n < len(names) and names[n] else cell
            for n, cell in enumerate(row)
            if cell
        ]
        joint = colon if not names and len(row) == 2 and len(cells) == 2 else comma
        lines.append(joint.join(_once(cells)))
    return lines


def table_lines(grid: Grid) -> Iterator[tuple[int, str]]:
    """(number of the row, line) of a sheet: empty columns go, a title above the columns is a line.

    Rows that hold one text alone, above the names of the columns, are about the table as a whole.
    """
    width = max(map(len, grid), default=0)
    used = [n for n in range(width) if any(n < len(row) and row[n] for row in grid)]
    rows = [[row[n] if n < len(row) else "" for n in used] for row in grid]
    first = 0
    while first < len(rows) and len(set(filter(None, rows[first]))) < 2:
        if text := next(filter(None, rows[first]), ""):
            yield first + 1, text
        first += 1
    headers = header_rows(rows[first:])
    for number, line in enumerate(row_texts(rows[first:], headers), first + headers + 1):
        if line:
            yield number, line


def header_rows(grid: Grid) -> int:
    """How many rows of a table name its columns, where nothing says so: 0, 1 or 2.

    They are names where all are short, differ, and none is a number; the first column may have none. Two
    columns alone may as well be names and values, so there the values below have to be numbers.
    """
    for count in (1, 2):
        if len(grid) <= count or len(grid[0]) < 2:
            return 0
        if not all(map(_are_names, grid[:count])):
            return 0
        names = list(zip(*grid[:count], strict=False))
        if len(set(names)) < len(names):
            continue  # a name over several columns has others below it
        if len(names) == 2:
            values = [row[1] for row in grid[count:] if len(row) > 1 and row[1]]
            return count if values and 2 * sum(map(is_number, values)) > len(values) else 0
        return count
    return 0


def _are_names(row: Sequence[str]) -> bool:
    return all(row[1:]) and all(
        len(cell) <= MAX_HEADER and (not is_number(cell) or _YEAR.fullmatch(cell)) for cell in row
    )


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, an amount or a date and no word."""
    return _NUMBER.fullmatch(cell) is not None


def _names(rows: Grid) -> list[str]:
    """One name a column, of all header rows above it."""
    width = max(map(len, rows))
    columns = ([row[n] for row in rows if n < len(row) and row[n]] for n in range(width))
    return [" ".join(dict.fromkeys(column)) for column in columns]


def _once(cells: Sequence[str]) -> list[str]:
    """A cell that spans several columns is said once."""
    return [cell for n, cell in enumerate(cells) if n == 0 or cell != cells[n - 1]]
