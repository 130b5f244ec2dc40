"""Markdown by a CommonMark parser, with tables; what it makes of the text is read as HTML."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from retrieval.documents.document import Block, Document, Options, Parsed
from retrieval.documents.encoding import decode
from retrieval.documents.formats.html import tree
from retrieval.documents.formats.text import unreadable_characters
from retrieval.documents.markup import LINE, blocks_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$\n?", re.S | re.M)
_TAG = re.compile(r"</?([A-Za-z][\w.:-]*)")
_WORD = re.compile(r"[A-Za-z0-9_]")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


def parse(data: bytes, options: Options) -> Parsed:
    """One document: its title from the front matter, else the first heading, else the file's name."""
    text, encoding, unreadable = decode(data)
    if unreadable:
        yield unreadable_characters(unreadable, encoding)
    title, body = front_matter(text)
    # Blank lines in the front matter's place keep the numbers of the others.
    body = "\n" * (text.count("\n") - body.count("\n")) + body
    blocks = list(markdown_blocks(body))
    heading = next((block for block in blocks if block.level), None)
    if title is None and heading is not None:
        title = heading.text
    if len(blocks) > 1 and blocks[0].level and blocks[0].text == title:
        blocks = blocks[1:]
    if blocks:
        yield Document(title or options.title, tuple(blocks))


def front_matter(text: str) -> tuple[str | None, str]:
    """(title, the rest) of a text that begins with a YAML mapping between ``---`` lines.

    Lines between two rules that are no mapping are text.
    """
    import yaml

    found = _FRONT_MATTER.match(text)
    if found is None:
        return None, text
    try:
        fields = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None, text
    if not isinstance(fields, dict):
        return None, text
    title = fields.get("title")
    named = str(title).strip() if isinstance(title, str | int | float) else ""
    return named or None, text[found.end() :]


def markdown_blocks(text: str) -> list[Block]:
    """The blocks of a Markdown text with their lines; code is kept as it stands, links as their words."""
    parser = _parser()
    environment: dict[str, Any] = {}
    tokens = parser.parse(text, environment)
    for token in tokens:
        if token.map is not None and token.nesting >= 0:
            token.attrSet(LINE, str(token.map[0] + 1))
        if token.type == "html_block":
            _keep_placeholders(token)
        if token.children:
            _keep_literals(token.children)
    root = tree(parser.renderer.render(tokens, parser.options, environment))
    return [] if root is None else list(blocks_of(root))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _keep_literals(tokens: list[Token]) -> None:
    """Turn back into text what is markup by the letter and was not meant as such.

    ``3*4*5`` is a product and ``__init__.py`` a file; ``<path>`` is a placeholder, no HTML.
    """
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token.type == "html_inline":
            _keep_placeholders(token)
        elif token.type in ("em_open", "strong_open"):
            opened.append(place)
        elif token.type in ("em_close", "strong_close") and opened:
            start = opened.pop()
            if _is_literal(tokens, start, place):
                for one in (tokens[start], token):
                    one.type, one.tag, one.content, one.nesting = "text", "", one.markup, 0


def _is_literal(tokens: list[Token], start: int, end: int) -> bool:
    """Whether emphasis stands within a word of Latin letters or digits, or is a name of its own."""
    before = tokens[start - 1].content if start > 0 else ""
    after = tokens[end + 1].content if end + 1 < len(tokens) else ""
    if _WORD.match(before[-1:]) or _WORD.match(after):
        return True
    inside = "".join(token.content for token in tokens[start + 1 : end])
    return tokens[start].markup == "__" and _IDENTIFIER.fullmatch(inside) is not None


def _keep_placeholders(token: Token) -> None:
    """HTML of no known element is text: generic types, and ``<name>`` for what is to be filled in."""
    from lxml.html import defs

    names = _TAG.findall(token.content)
    if names and not any(name.lower() in defs.tags for name in names):
        token.type = "text"
