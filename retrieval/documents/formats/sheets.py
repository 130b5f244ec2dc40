"""Excel (.xlsx): every row with the names of its columns, as the sheet shows it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from kg_builder.passage import Location
from retrieval.documents.archive import open_archive
from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.documents.tables import table_lines
from retrieval.errors import DocumentError

_UNNAMED = re.compile(r"(?:Sheet|工作表|Tabelle|Feuil)\s*\d*", re.I)
_PERCENT = re.compile(r"0(?:\.(0+))?%")


def parse(data: bytes, options: Options) -> Parsed:
    """One document; its sheets are sections."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    open_archive(data).close()
    try:
        file = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    except (InvalidFileException, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DocumentError(f"damaged ({error}). Open it and save it again.") from error
    blocks: list[Block] = []
    empty: list[str] = []
    for sheet in file.worksheets:
        found = list(_sheet(sheet))
        if not found:
            empty.append(sheet.title)
            continue
        if not _UNNAMED.fullmatch(sheet.title):
            blocks.append(Block(sheet.title, Location(sheet=sheet.title), level=2))
        blocks += found
    title = (file.properties.title or "").strip() or options.title
    if blocks:
        yield Document(title, tuple(blocks))
        yield from (Omission(f"sheet {name}", "empty.") for name in empty)


def _sheet(sheet: Any) -> Iterator[Block]:
    grid = [[shown(cell) for cell in row] for row in sheet.iter_rows()]
    for span in sheet.merged_cells.ranges:
        text = grid[span.min_row - 1][span.min_col - 1]
        for row in grid[span.min_row - 1 : span.max_row]:
            row[span.min_col - 1 : span.max_col] = [text] * len(
                row[span.min_col - 1 : span.max_col]
            )
    for number, text in table_lines(grid):
        yield Block(text, Location(sheet=sheet.title, row=number))


def shown(cell: Any) -> str:
    """A cell's value as the sheet shows it: percentages, whole numbers, dates without midnight."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        if percent := _PERCENT.search(cell.number_format or ""):
            return f"{100 * value:.{len(percent.group(1) or '')}f}%"
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    if isinstance(value, date | time):
        return str(value)
    return " ".join(str(value).split())
