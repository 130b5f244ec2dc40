"""Markup: an HTML tree as blocks of text, all that a person can see or unfold on the page.

Nothing is guessed to be unimportant but what HTML itself says is about the site, not the page: navigation,
and a footer of the page. Pages of the web, where that is not enough, are read by retrieval.web.extract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kg_builder.passage import Location
from retrieval.documents.document import Block
from retrieval.documents.tables import header_rows, row_texts

LINE = "data-line"  # attribute with the line of the source that an element comes from
# fmt: off
SKIPPED = frozenset((
    "audio", "button", "canvas", "datalist", "head", "iframe", "input", "nav", "noscript", "object", "script",
    "select", "style", "svg", "template", "textarea", "title", "video",
))
BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hr", "html", "legend", "li", "main", "menu", "ol", "p", "pre", "section", "summary",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
))
# fmt: on
HEADINGS = {f"h{level}": level for level in range(1, 7)}
MAX_SPAN = 100  # columns or rows that one cell may fill
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]")
_BREAK = re.compile(r"\s*\n\s*")


@dataclass
class _State:
    """What has been read of the block that is open."""

    parts: list[str] = field(default_factory=list)
    line: int | None = None
    marker: str = ""  # number of the list item that begins here
    lists: list[int | None] = field(default_factory=list)  # next number; None: without numbers
    level: int = 0
    verbatim: int = 0  # depth of pre elements


def blocks_of(root: Any) -> Iterator[Block]:
    """The blocks below an lxml element, in order. Elements with a ``data-line`` give its location."""
    from lxml import etree

    state = _State()
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event in ("comment", "pi"):
            state.parts.append(element.tail or "")
            continue
        tag = _tag(element)
        if event == "start":
            if _is_skipped(element, tag):
                walk.skip_subtree()
            elif tag == "table" and _is_data(element):
                yield from _flushed(state)
                yield from table_blocks(element)
                walk.skip_subtree()
            else:
                yield from _opened(element, tag, state)
        else:
            if not _is_skipped(element, tag) and not (tag == "table" and _is_data(element)):
                yield from _closed(tag, state)
            if element is not root:
                state.parts.append(element.tail or "")
    yield from _flushed(state)


def _opened(element: Any, tag: str, state: _State) -> Iterator[Block]:
    if tag in BLOCKS:
        yield from _flushed(state)
    if (line := element.get(LINE)) is not None and not "".join(state.parts).strip():
        state.line = int(line)
    if tag in HEADINGS:
        state.level = HEADINGS[tag]
    elif tag == "ol":
        start = element.get("start", "1")
        state.lists.append(int(start) if start.isdecimal() else 1)
    elif tag in ("ul", "menu"):
        state.lists.append(None)
    elif tag == "li" and state.lists and (number := state.lists[-1]) is not None:
        state.marker = f"{number}. "
        state.lists[-1] = number + 1
    elif tag == "pre":
        state.verbatim += 1
    elif tag == "br":
        state.parts.append("\v")  # a line break that is meant, unlike those of the source
    elif tag == "img" and (shown := element.get("alt")):
        state.parts.append(f" {shown} ")
    state.parts.append(element.text or "")


def _closed(tag: str, state: _State) -> Iterator[Block]:
    if tag in BLOCKS:
        yield from _flushed(state)
    if tag in HEADINGS:
        state.level = 0
    elif tag in ("ol", "ul", "menu") and state.lists:
        state.lists.pop()
    elif tag == "pre":
        state.verbatim -= 1


def _flushed(state: _State) -> Iterator[Block]:
    """The block that ends here, if there is any text in it."""
    text = "".join(state.parts)
    state.parts.clear()
    text = text.replace("\v", "\n").strip("\n") if state.verbatim else flowing(text)
    if text.strip():
        yield Block(state.marker + text, Location(line=state.line), state.level)
        state.marker = ""


def flowing(text: str) -> str:
    """Text with the line breaks of its source undone: between Chinese characters nothing is left.

    ``\\v`` marks breaks that are meant.
    """
    lines = []
    for line in text.split("\v"):
        joined = _BREAK.sub("\n", line.strip())
        if "\n" in joined:
            joined = "".join(_unbroken(joined))
        lines.append(" ".join(joined.split()))
    return "\n".join(line for line in lines if line)


def _unbroken(text: str) -> Iterator[str]:
    parts = text.split("\n")
    for place, part in enumerate(parts):
        yield part
        if place + 1 < len(parts):
            following = parts[place + 1]
            wide = part and following and _WIDE.match(part[-1]) and _WIDE.match(following[0])
            yield "" if wide else " "


def _tag(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _is_skipped(element: Any, tag: str) -> bool:
    if not tag or tag in SKIPPED or element.get("aria-hidden") == "true":
        return True
    if element.get("role") in ("navigation", "search"):
        return True
    # A footer of an article or a section is part of it; the page's own tells about the site.
    above = element.getparent()
    return tag == "footer" and above is not None and _tag(above) == "body"


def _is_data(table: Any) -> bool:
    """Whether a table holds rows of data; others lay out a page or hold one column of blocks."""
    if any(_tag(one) == "table" for one in table.iterdescendants()):
        return False
    return max((len(_cells(row)) for row in table.iter("{*}tr")), default=0) >= 2


def _cells(row: Any) -> list[Any]:
    return [cell for cell in row if _tag(cell) in ("td", "th")]


def table_blocks(table: Any) -> Iterator[Block]:
    """A block for every row, with the columns' names; the caption first."""
    for caption in table.iter("{*}caption"):
        if text := cell_text(caption):
            yield Block(text, Location(line=_line(table)))
    rows = [row for row in table.iter("{*}tr") if _cells(row)]
    grid = _grid(rows)
    headers = _marked_headers(rows)
    if headers is None:
        headers = header_rows(grid)
    texts = row_texts(grid, headers)
    if headers and headers == len(grid):  # nothing below them
        texts, headers = row_texts(grid, 0), 0
    for row, text in zip(rows[headers:], texts, strict=True):
        if text:
            yield Block(text, Location(line=_line(row) or _line(table)))


def _marked_headers(rows: list[Any]) -> int | None:
    """How many of the first rows are marked as headers; None where the table marks none."""
    marked = 0
    for row in rows:
        cells = _cells(row)
        if _tag(row.getparent()) != "thead" and not all(_tag(c) == "th" for c in cells):
            break
        marked += 1
    if marked:
        return marked
    return 0 if any(_tag(_cells(row)[0]) == "th" for row in rows) else None


def _grid(rows: list[Any]) -> list[list[str]]:
    """The cells' texts; one that spans rows or columns stands in every one of its places."""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}  # column → rows that are still to be filled, text
    for row in rows:
        line: list[str] = []

        def fill(line: list[str] = line) -> None:
            while len(line) in hanging:
                left, text = hanging.pop(len(line))
                if left > 1:
                    hanging[len(line)] = (left - 1, text)
                line.append(text)

        for cell in _cells(row):
            fill()
            text = cell_text(cell)
            for _ in range(_span(cell, "colspan")):
                if (deep := _span(cell, "rowspan")) > 1:
                    hanging[len(line)] = (deep - 1, text)
                line.append(text)
        fill()
        grid.append(line)
    return grid


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(MAX_SPAN, max(1, int(value))) if value.isdecimal() else 1


def cell_text(element: Any) -> str:
    """All of an element's text in one line."""
    return " ".join(" ".join(block.text.split()) for block in blocks_of(element))


def _line(element: Any) -> int | None:
    line = element.get(LINE)
    return int(line) if line else None
