"""PDF by PDFium: the text of its pages, and by number those that are pictures or cannot be read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from kg_builder.passage import Location
from retrieval.documents import ocr
from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.errors import DocumentError

if TYPE_CHECKING:
    import pypdfium2 as pdfium

FEW = 40  # characters of a page, below which a picture that covers it is what the page says
COVERED = 0.4  # share of a page that such a picture covers
_LOCK = threading.Lock()  # PDFium is not safe to use from two threads at once
# Titles that a program made up: the names of its own files.
_PROGRAM_TITLE = re.compile(
    r"Microsoft \w+ - .*|untitled.*|无标题.*|.*\.(?:docx?|wps|pptx?|xlsx?|indd|tex|dvi)", re.I
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])(?:[\ufffe\u00ad\x02]|-)\n(?=[a-z])")
# What a line ends and the next begins with, where a sentence goes on from one to the other; the second pair
# counts only where the line is about as long as the page is wide, so that headings stay alone.
_GOES_ON = re.compile(r"[a-z,]\n[a-z]")
_MAY_GO_ON = re.compile(r"[A-Za-z0-9,)]\n[A-Za-z0-9(]|[^\x00-\x7f。！？；：…]\n[^\x00-\x7f]")
FULL = 0.7  # share of the longest lines' length that a full line has
LATIN_WIDTH = 40  # characters of a page's longest lines, below which it may be a list or a poem


class Kind(Enum):
    """What a page is."""

    TEXT = "text"
    PICTURE = "picture"
    BLANK = "blank"
    DAMAGED = "damaged"


class Page(NamedTuple):
    """A page with its text; a picture may have a few characters, such as a number."""

    number: int
    kind: Kind
    text: str = ""


def parse(data: bytes, options: Options) -> Parsed:
    """One document of all pages that have text, or whose text can be recognised."""
    import pypdfium2 as pdfium

    with _LOCK:
        try:
            file = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            raise DocumentError(_refusal(data, str(error))) from error
    try:
        with _LOCK:
            title = _title(file) or options.title
        pages = list(_pages(file))
        if options.ocr and ocr.is_installed():
            pages = [_recognised(file, page) for page in pages]
    finally:
        with _LOCK:
            file.close()
    blocks = tuple(_blocks(page for page in pages if page.text))
    if blocks:
        yield Document(title, blocks)
    yield from _omissions(pages, options.ocr)


def _refusal(data: bytes, error: str) -> str:
    if "password" in error.lower():
        return "encrypted, it opens with a password only. Save it without one."
    if b"%PDF" not in data[:1024]:
        return "not a PDF, though its name says so. Give it the ending of what it is."
    return "damaged: it is no readable PDF. Open it and save it again."


def _title(file: pdfium.PdfDocument) -> str:
    title = " ".join(str(file.get_metadata_value("Title") or "").replace("\0", "").split())
    return "" if _PROGRAM_TITLE.fullmatch(title) else title


def _pages(file: pdfium.PdfDocument) -> Iterator[Page]:
    for place in range(len(file)):
        with _LOCK:
            page = _page(file, place)
        yield page


def _page(file: pdfium.PdfDocument, place: int) -> Page:
    import pypdfium2 as pdfium

    try:
        page = file[place]
        try:
            words = page.get_textpage()
            text = words.get_text_range().replace("\r\n", "\n").replace("\r", "\n").strip()
            words.close()
            kind = Kind.TEXT
            if len("".join(text.split())) < FEW:
                kind = _kind(page, text)
        finally:
            page.close()
    except pdfium.PdfiumError:
        return Page(place + 1, Kind.DAMAGED)
    return Page(place + 1, kind, text)


def _kind(page: pdfium.PdfPage, text: str) -> Kind:
    """What a page with hardly any text is: a picture where one covers it, or where all is drawn."""
    import pypdfium2.raw as raw

    width, height = page.get_size()
    drawn = False
    for thing in page.get_objects(max_depth=4):
        drawn = True
        if thing.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = thing.get_bounds()
            if abs((right - left) * (top - bottom)) >= COVERED * width * height:
                return Kind.PICTURE
    if text:
        return Kind.TEXT
    return Kind.PICTURE if drawn else Kind.BLANK


def _recognised(file: pdfium.PdfDocument, page: Page) -> Page:
    """A picture as text where OCR finds some."""
    if page.kind is not Kind.PICTURE:
        return page
    import pypdfium2 as pdfium

    try:
        with _LOCK:
            opened = file[page.number - 1]
            picture = opened.render(scale=ocr.DPI / 72).to_numpy().copy()
            opened.close()
    except pdfium.PdfiumError:
        return page
    text = ocr.recognise(picture)
    return Page(page.number, Kind.TEXT, text) if text.strip() else page


def _blocks(pages: Iterable[Page]) -> Iterator[Block]:
    """The paragraphs of every page; a sentence goes on over the end of one."""
    before = ""
    for page in pages:
        text = joined_lines(page.text)
        for line in filter(None, (line.strip() for line in text.split("\n"))):
            separator = "\n"
            if before and joined_lines(f"{before[-1]}\n{line[0]}").count("\n") == 0:
                separator = "" if ord(before[-1]) > 127 else " "
            yield Block(line, Location(page=page.number), separator=separator)
            before = ""
        before = text.rstrip()[-1:]


def joined_lines(page: str) -> str:
    """Lines that a page broke, put together again: a line is not a sentence."""
    lines = _HYPHEN.sub("", page).split("\n")
    lengths = sorted(map(len, lines))
    width = lengths[round(0.9 * (len(lengths) - 1))]
    parts = [lines[0]]
    for before, line in pairwise(lines):
        parts += (_between(before, line, width), line)
    return "".join(parts)


def _between(before: str, line: str, width: int) -> str:
    """What stands between two lines of a page: a line break only where a sentence may end."""
    seam = f"{before[-1:]}\n{line[:1]}"
    if _GOES_ON.fullmatch(seam):
        return " "
    if len(before) < FULL * width or not _MAY_GO_ON.fullmatch(seam):
        return "\n"
    if not seam.isascii():
        return ""
    return " " if width >= LATIN_WIDTH else "\n"


def _omissions(pages: list[Page], read: bool) -> Iterator[Omission]:
    picture = "a picture, no text was recognised in it."
    if not ocr.is_installed():
        picture = "a picture. Its text is read with OCR: pip install 'zhizhi[ocr]'."
    elif not read:
        picture = "a picture, and pictures were not to be read."
    reasons = {
        Kind.PICTURE: picture,
        Kind.BLANK: "empty.",
        Kind.DAMAGED: "damaged, it cannot be read.",
    }
    for kind, reason in reasons.items():
        if numbers := [page.number for page in pages if page.kind is kind]:
            yield Omission(page_names(numbers), reason)


def page_names(numbers: list[int]) -> str:
    """Page numbers as people write them: ``page 3``, ``pages 3, 7-9``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
    return f"page {shown}" if len(numbers) == 1 else f"pages {shown}"
