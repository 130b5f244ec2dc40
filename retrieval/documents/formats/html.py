"""HTML: title, headings, paragraphs, lists and tables of a page."""

from __future__ import annotations

import re
from typing import Any

from retrieval.documents.document import Document, Options, Parsed
from retrieval.documents.encoding import declared_charset, decode
from retrieval.documents.formats.text import unreadable_characters
from retrieval.documents.markup import blocks_of

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse(data: bytes, options: Options) -> Parsed:
    """One document."""
    text, encoding, unreadable = decode(data, declared_charset(data))
    if unreadable:
        yield unreadable_characters(unreadable, encoding)
    document = page(text, options.title)
    if document is not None:
        yield document


def page(text: str, title: str) -> Document | None:
    """A page as a document; its own title in place of ``title`` where it has one. None: no text in it."""
    root = tree(text)
    if root is None:
        return None
    named = root.find(".//title")
    if named is not None and named.text and named.text.strip():
        title = " ".join(named.text.split())
    blocks = list(blocks_of(root))
    if len(blocks) > 1 and blocks[0].level and blocks[0].text == title:
        blocks = blocks[1:]  # the title again
    return Document(title, tuple(blocks)) if blocks else None


def tree(text: str) -> Any | None:
    """The lxml tree of an HTML text, None where nothing is in it."""
    from lxml import etree, html

    text = _DECLARATION.sub("", text)  # lxml takes no text that names an encoding
    if not text.strip():
        return None
    try:
        return html.document_fromstring(text, parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, ValueError):  # comments alone
        return None
