"""Tables: every row as a line of text that names its columns, so that it can be understood alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.segmentation import is_han

Grid = Sequence[Sequence[str]]  # rows of cells; what a cell spans is in all its places

MAX_HEADER = 40  # characters of a cell that still names a column
_NUMBER = re.compile(r"[\s\d.,:%+\-−–/()¥$€£]*\d[\s\d.,:%+\-−–/()¥$€£]*")


def row_texts(grid: Grid, headers: int) -> list[str]:
    """A line for each row below the first ``headers`` ones: ``column: cell, column: cell``.

    Without headers, two columns are a name and its value, more are parted by commas. Rows without text
    give an empty line, so that the lines have the numbers of the rows.
    """
    names = _names(grid[:headers]) if headers else []
    chinese = any(is_han(c) for row in grid[:20] for cell in row for c in cell)
    comma, colon = ("，", "：") if chinese else (", ", ": ")
    lines = []
    for row in grid[headers:]:
        if names:
            cells = [
                f"{names[n]}{colon}{cell}" if n < len(names) and names[n] else cell
                for n, cell in enumerate(row)
                if cell
            ]
        else:
            cells = [cell for cell in row if cell]
        joint = colon if not names and len(row) == 2 and len(cells) == 2 else comma
        lines.append(joint.join(_once(cells)))
    return lines


def header_rows(grid: Grid) -> int:
    """How many rows of a table name its columns, where nothing says so: 1 or 0.

    They are names where all are short, differ, and none is a number; two columns alone may as well be
    names and values, so there the values below have to be numbers.
    """
    if len(grid) < 2 or len(grid[0]) < 2:
        return 0
    first = list(grid[0])
    if not all(first) or len(set(first)) < len(first):
        return 0
    if any(len(cell) > MAX_HEADER or is_number(cell) for cell in first):
        return 0
    if len(first) == 2:
        values = [row[1] for row in grid[1:] if len(row) > 1 and row[1]]
        return int(bool(values) and 2 * sum(map(is_number, values)) > len(values))
    return 1


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
