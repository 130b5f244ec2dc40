"""Documents in: files and folders of them, read, cut into passages, without repeats.

    .jsonl          one object a line: a Passage, or any object with a text (fields below)
    .txt            the first line is the title if it is short and stands alone
    .md .markdown   the first heading is the title, front matter and markup go
    .html .htm      main text by trafilatura
    .pdf            text by pypdf; scanned pages have none

A document's id is its path below the folder it was found in (or the id its record bears); its passages
are ID#0, ID#1, …, so that adding a changed document replaces the old one whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kg_builder.files import FileError, digest, read_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Language
from retrieval.canonical import key
from retrieval.chunking import ChunkSettings, chunks
from retrieval.errors import DocumentError
from retrieval.segmentation import is_han
from retrieval.store import PART

# Names under which records of other makers keep what we need, in order of preference.
TEXT_FIELDS = ("text", "content", "body", "page_content", "passage", "context")
TITLE_FIELDS = ("title", "name", "headline")
ID_FIELDS = ("id", "pid", "_id", "doc_id", "docid", "url")
URL_FIELDS = ("url", "link", "source")
TITLE_LENGTH = 80
HIDDEN = re.compile(r"^[.~]|^__MACOSX$|^Thumbs\.db$")


class Document(BaseModel):
    """One document before it is cut."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    text: str
    url: str = ""


def read_documents(
    paths: Iterable[Path], *, on_skip: Callable[[Path, str], None] | None = None
) -> Iterator[Document | Passage]:
    """Every document below ``paths``, files and folders; records that are Passages come as such.

    A file that is named but cannot be read raises DocumentError. One met in a folder is skipped and
    told to ``on_skip`` with the reason.
    """
    for path in paths:
        if path.is_dir():
            for found in sorted(p for p in path.rglob("*") if p.is_file()):
                if any(HIDDEN.match(part) for part in found.relative_to(path).parts):
                    continue
                try:
                    yield from _read(found, found.relative_to(path).as_posix())
                except DocumentError as error:
                    if on_skip:
                        on_skip(found, str(error))
        else:
            yield from _read(path, path.name)


def read_passages(
    paths: Iterable[Path],
    settings: ChunkSettings | None = None,
    *,
    on_skip: Callable[[Path, str], None] | None = None,
) -> Iterator[Passage]:
    """Passages of all documents below ``paths``, ready to be indexed; no text comes twice."""
    seen: set[str] = set()
    for document in read_documents(paths, on_skip=on_skip):
        pieces = (
            [document]
            if isinstance(document, Passage)
            else cut(document, settings or ChunkSettings())
        )
        for passage in pieces:
            # The title counts: two books may have one sentence, a mirror has both.
            mark = digest([key(passage.title), key(passage.text)])
            if mark not in seen:
                seen.add(mark)
                yield passage


def cut(document: Document, settings: ChunkSettings) -> Iterator[Passage]:
    """The passages of a document, in order."""
    for number, text in enumerate(chunks(document.text, settings)):
        yield Passage(
            id=f"{document.id}{PART}{number}",
            title=document.title,
            text=text,
            url=document.url,
            language=language_of(text),
        )


def language_of(text: str) -> Language:
    """Chinese where at least a fifth of the letters is."""
    letters = [character for character in text[:2000] if character.isalpha()]
    han = sum(map(is_han, letters))
    return "zh" if han * 5 >= len(letters) and han else "en"


def _read(path: Path, name: str) -> Iterator[Document | Passage]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DocumentError(
            f"{path}: no reader for {path.suffix or 'files without an ending'!r}. "
            f"Give one of {', '.join(sorted(_READERS))}."
        )
    try:
        yield from reader(path, name)
    except FileError as error:
        raise DocumentError(str(error)) from error
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror or error}. Check the path.") from error


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if b"\0" in raw[:4096] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentError(f"{path}: not a text file.")
    # What Chinese text files come in, in the order in which a wrong guess is found out.
    for encoding in ("utf-8-sig", "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "gb18030"):
        try:
            return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue
    raise DocumentError(f"{path}: neither UTF-8 nor GB 18030. Save it as UTF-8.")


def _plain(path: Path, name: str) -> Iterator[Document]:
    text = _text(path)
    first, _, rest = text.lstrip().partition("\n")
    if 0 < len(first.strip()) <= TITLE_LENGTH and rest.startswith("\n") and rest.strip():
        yield Document(id=name, title=first.strip(), text=rest.strip())
    elif text.strip():
        yield Document(id=name, title=path.stem, text=text.strip())


_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.S)
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.M)
_INLINE = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"(\*\*|__|\*|`|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
)
_MARKUP = (
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"^```.*?^```", re.S | re.M), ""),
    (re.compile(r"^\s{0,3}(?:[-*+]|\d+[.)])\s+", re.M), ""),
    (re.compile(r"^\s{0,3}>\s?", re.M), ""),
    (re.compile(r"^\s*(?:[-*_]\s*){3,}$", re.M), ""),
    (re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.M), r"\1"),
)


def _markdown(path: Path, name: str) -> Iterator[Document]:
    text = _FRONT_MATTER.sub("", _text(path))
    heading = _HEADING.search(text)
    title = heading.group(1) if heading else path.stem
    if heading and not text[: heading.start()].strip():
        text = text[heading.end() :]
    for pattern, replacement in (*_MARKUP, *_INLINE):
        text = pattern.sub(replacement, text)
    for pattern, replacement in _INLINE:
        title = pattern.sub(replacement, title)
    if text.strip():
        yield Document(id=name, title=title, text=text.strip())


def _html(path: Path, name: str) -> Iterator[Document]:
    from retrieval.web.extract import main_text

    found = main_text(_text(path), most=None)
    if found is not None:
        title, text = found
        yield Document(id=name, title=title or path.stem, text=text)


def _pdf(path: Path, name: str) -> Iterator[Document]:
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every slip in a file
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError(f"{path}: encrypted. Save it without a password.")
        pages = [page.extract_text() for page in reader.pages]
        title = str((reader.metadata and reader.metadata.title) or path.stem)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(f"{path}: not a readable PDF ({error}).") from error
    text = "\n".join(map(_joined_lines, pages)).strip()
    if not text:
        raise DocumentError(f"{path}: no text in it, only pictures. Recognise its text first.")
    yield Document(id=name, title=title, text=text)


def _joined_lines(page: str) -> str:
    """Lines that a page broke, put together again: a line is not a sentence."""
    page = re.sub(r"(?<=[A-Za-z])-\n(?=[a-z])", "", page)
    page = re.sub(r"(?<=[^\x00-\x7f。！？；：])\n(?=[^\x00-\x7f])", "", page)
    return re.sub(r"(?<=[a-z,])\n(?=[a-z])", " ", page)


def _records(path: Path, name: str) -> Iterator[Document | Passage]:
    for number, record in enumerate(read_jsonl(path), 1):
        try:
            yield Passage.model_validate(record)
            continue
        except ValidationError:
            pass
        text = next((str(record[name]) for name in TEXT_FIELDS if name in record), None)
        if text is None:
            raise DocumentError(
                f"{path}, record {number}: none of {', '.join(TEXT_FIELDS)} is in it, only "
                f"{', '.join(map(str, record)) or 'nothing'}."
            )
        if text.strip():
            yield Document(
                id=_field(record, ID_FIELDS) or f"{name}:{number}",
                title=_field(record, TITLE_FIELDS) or "",
                text=text.strip(),
                url=_field(record, URL_FIELDS) or "",
            )


def _field(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int) and str(value).strip():
            return str(value)
    return None


_READERS: dict[str, Callable[[Path, str], Iterator[Document | Passage]]] = {
    ".txt": _plain,
    ".text": _plain,
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".jsonl": _records,
    ".ndjson": _records,
}
