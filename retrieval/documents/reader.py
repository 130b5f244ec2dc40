"""read_document: the bytes of a file as passages, whatever the file is, and what of it was left out."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath

from retrieval.chunking import ChunkSettings
from retrieval.documents.characters import clean
from retrieval.documents.document import Document, Extraction, LeftOut, Omission, Options, Parsed
from retrieval.documents.passages import passages_of
from retrieval.errors import DocumentError

Parser = Callable[[bytes, Options], Parsed]

# Ending → the module of retrieval.documents.formats whose ``parse`` reads it. Modules are imported when
# they are needed: each brings a library.
FORMATS = {
    ".txt": "text", ".text": "text", ".log": "text",
    ".md": "markdown", ".markdown": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "word", ".pptx": "slides", ".xlsx": "sheets", ".xlsm": "sheets",
    ".csv": "delimited", ".tsv": "delimited",
    ".epub": "epub", ".eml": "mail",
    ".jsonl": "records", ".ndjson": "records", ".json": "records",
}  # fmt: skip
LEGACY = {".doc": ".docx", ".ppt": ".pptx", ".xls": ".xlsx"}


def read_document(
    name: str, data: bytes, settings: ChunkSettings | None = None, *, ocr: bool = True
) -> Extraction:
    """Read a file from its bytes. Never raises for what the file holds.

    ``name`` is the file's name or path, with its ending; it becomes the id of the document, and
    NAME#0, NAME#1, … (NAME:RECORD#0 for records) those of its passages. ``settings`` say how long these
    are. ``ocr`` reads the pages of a PDF that are pictures, in seconds each, where the extra ``ocr`` is
    installed. What cannot be read, the file, a page or a record, is in ``left_out`` with the reason.
    """
    settings = settings or ChunkSettings()
    identity = clean(name)
    extraction = Extraction(document=identity)
    passages = []
    left_out = []
    taken: Counter[str] = Counter()  # passages under each key of the file: records may share one
    try:
        for part in parser_of(name)(data, Options(PurePosixPath(identity).stem, ocr)):
            if isinstance(part, Omission):
                left_out.append(LeftOut(document=identity, part=part.part, reason=part.reason))
                continue
            key = f"{identity}:{clean(part.key)}" if part.key else identity
            made = list(passages_of(_tidy(part), key, settings, file=identity, first=taken[key]))
            taken[key] += len(made)
            passages += made
    except DocumentError as error:
        left_out.append(LeftOut(document=identity, reason=str(error)))
    except ModuleNotFoundError as error:
        left_out.append(LeftOut(document=identity, reason=_missing(error, name)))
    except (Exception, RecursionError, MemoryError) as error:
        # A damaged file can break a parser in any way; it costs this file alone.
        reason = f"damaged: its reader failed with {type(error).__name__} ({str(error)[:100]})."
        left_out.append(LeftOut(document=identity, reason=clean(" ".join(reason.split()))))
    if not passages and not left_out:
        left_out.append(LeftOut(document=identity, reason="no text in it."))
    return extraction.model_copy(update={"passages": tuple(passages), "left_out": tuple(left_out)})


def parser_of(name: str) -> Parser:
    """The reader of files with this ending; DocumentError where there is none."""
    ending = PurePosixPath(name).suffix.lower()
    if ending in LEGACY:
        raise DocumentError(f"{ending} is a format of old programs. Save it as {LEGACY[ending]}.")
    if ending not in FORMATS:
        raise DocumentError(
            f"no reader for {repr(ending) if ending else 'files without an ending'}. "
            f"Give one of {', '.join(sorted(FORMATS))}."
        )
    module = importlib.import_module(f"retrieval.documents.formats.{FORMATS[ending]}")
    parse: Parser = module.parse
    return parse


def _tidy(document: Document) -> Document:
    title = " ".join(clean(document.title).split())
    return Document(
        title, document.blocks, document.key, clean(document.url), document.language,
        tuple(map(clean, document.entities)),
    )  # fmt: skip


def _missing(error: ModuleNotFoundError, name: str) -> str:
    ending = PurePosixPath(name).suffix.lower()
    return (
        f"{error.name} is needed to read {ending} and is not installed. "
        "Install it: pip install 'zhizhi[documents]'."
    )
