"""PowerPoint (.pptx): the texts, tables and notes of every slide."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from kg_builder.passage import Location
from retrieval.documents.archive import open_archive
from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.documents.tables import header_rows, row_texts
from retrieval.errors import DocumentError

_PROGRAM_TITLES = ("PowerPoint Presentation", "PowerPoint 演示文稿")


def parse(data: bytes, options: Options) -> Parsed:
    """One document; slides are its pages, their titles its headings."""
    import pptx
    from pptx.exc import PythonPptxError

    open_archive(data).close()
    try:
        file = pptx.Presentation(io.BytesIO(data))
    except (PythonPptxError, KeyError, ValueError) as error:
        raise DocumentError(f"damaged ({error}). Open it and save it again.") from error
    blocks: list[Block] = []
    empty: list[Omission] = []
    for number, slide in enumerate(file.slides, 1):
        try:
            found = list(_slide(slide, number))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            empty.append(Omission(f"slide {number}", f"damaged ({error})."))
            continue
        if not found:
            empty.append(Omission(f"slide {number}", "no text on it, pictures at most."))
        blocks += found
    title = (file.core_properties.title or "").strip()
    if not title or title in _PROGRAM_TITLES:
        title = next((block.text for block in blocks if block.level), options.title)
    if blocks:
        yield Document(title, tuple(blocks))
    yield from empty


def _slide(slide: Any, number: int) -> Iterator[Block]:
    place = Location(page=number)
    title = slide.shapes.title
    if title is not None and (text := " ".join(title.text_frame.text.split())):
        yield Block(text, place, level=2)
    for shape in _shapes(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            yield from (Block(text, place) for text in _texts(shape))
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        yield from (Block(text, place) for text in _paragraphs(notes))


def _shapes(shapes: Iterable[Any]) -> Iterator[Any]:
    """All shapes in reading order, those of groups in their place."""
    for shape in sorted(shapes, key=lambda one: (one.top or 0, one.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _texts(shape: Any) -> Iterator[str]:
    if shape.has_text_frame:
        yield from _paragraphs(shape.text_frame)
    elif getattr(shape, "has_table", False):
        grid = [[" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows]
        headers = 1 if shape.table.first_row and len(grid) > 1 else header_rows(grid)
        yield from filter(None, row_texts(grid, headers))


def _paragraphs(frame: Any) -> Iterator[str]:
    for paragraph in frame.paragraphs:
        # A line break within a paragraph is a vertical tab.
        if text := " ".join(paragraph.text.split()):
            yield text
