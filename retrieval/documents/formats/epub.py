"""E-books (.epub): the chapters in the order of the book."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from typing import Any
from urllib.parse import unquote

from retrieval.documents.archive import open_archive
from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.documents.encoding import declared_charset, decode
from retrieval.documents.formats.html import page
from retrieval.errors import DocumentError

CONTAINER = "META-INF/container.xml"
CHAPTERS = ("application/xhtml+xml", "text/html")


def parse(data: bytes, options: Options) -> Parsed:
    """One document; a chapter that cannot be read costs itself."""
    with open_archive(data) as archive:
        package, folder = _package(archive)
        title = " ".join("".join(package.xpath("//*[local-name()='title'][1]//text()")[:1]).split())
        blocks: list[Block] = []
        for number, name in enumerate(_chapters(package, folder), 1):
            try:
                raw = archive.read(name)
                text = decode(raw, declared_charset(raw)).text
            except (KeyError, RuntimeError, zipfile.BadZipFile, zlib.error, DocumentError) as error:
                yield Omission(f"chapter {number}", f"cannot be read ({error}).")
                continue
            chapter = page(text, "")
            if chapter is not None:
                blocks += chapter.blocks
    if blocks:
        yield Document(title or options.title, tuple(blocks))


def _package(archive: zipfile.ZipFile) -> tuple[Any, str]:
    """The book's table of parts, and the folder that their names are relative to."""
    try:
        (name, *_) = _xml(archive.read(CONTAINER)).xpath("//*[local-name()='rootfile']/@full-path")
        return _xml(archive.read(name)), posixpath.dirname(name)
    except (KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DocumentError(f"damaged: no list of its chapters ({error}).") from error


def _chapters(package: Any, folder: str) -> list[str]:
    parts = {
        item.get("id"): posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
        for item in package.xpath("//*[local-name()='manifest']/*[local-name()='item']")
        if item.get("media-type") in CHAPTERS and item.get("properties") != "nav"
    }
    order = package.xpath("//*[local-name()='spine']/*[local-name()='itemref']/@idref")
    return [parts[name] for name in order if name in parts]


def _xml(data: bytes) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(data, parser)
    if root is None:
        raise ValueError("no XML")
    return root
