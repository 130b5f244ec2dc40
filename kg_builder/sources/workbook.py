"""Workbooks (.xlsx, .xls, .ods) as the CSV that a person would have saved them as."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from python_calamine import CalamineError, CalamineWorkbook

from kg_builder.sources.report import SourceError

# ZIP, which modern workbooks are; and the compound files that .xls is.
MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def workbook_csv(path: Path, stream: IO[bytes]) -> IO[bytes]:
    """The first sheet that holds anything, and every other one with the same first row below it.

    SourceError where the file is no workbook, or holds no table.
    """
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(stream.read()))
        sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    except (CalamineError, OSError, ValueError) as error:
        raise SourceError(
            f"{path}: a packed file, but no workbook ({error}). Unpack it, or save it as CSV."
        ) from error
    tables = [rows for sheet in sheets if (rows := [row for row in map(_texts, sheet) if any(row)])]
    if not tables:
        raise SourceError(f"{path}: no sheet of this workbook holds anything.")
    first, *others = tables
    rows = [*first, *(row for other in others if other[0] == first[0] for row in other[1:])]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return io.BytesIO(text.getvalue().encode("utf-8"))


def _texts(cells: Iterable[object]) -> list[str]:
    return [_text(cell) for cell in cells]


def _text(cell: object) -> str:
    """A cell as it is shown: whole numbers without a point, dates in ISO 8601."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return " ".join(str(cell).split())
