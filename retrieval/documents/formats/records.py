"""Records: JSON Lines and JSON, one object a passage or a longer text.

Fields are looked for under the names that other makers give them; a record without text, or a line that is
no JSON, costs itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from kg_builder.passage import Location
from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.documents.encoding import decode
from retrieval.documents.formats.text import unreadable_characters
from retrieval.errors import DocumentError

# In order of preference.
TEXT_FIELDS = ("text", "content", "body", "page_content", "passage", "context")
QUESTION_FIELDS = ("question", "query", "问题")  # with an answer: one entry of a FAQ
ANSWER_FIELDS = ("answer", "answers", "response", "答案", "回答")
TITLE_FIELDS = ("title", "name", "headline")
ID_FIELDS = ("id", "pid", "_id", "doc_id", "docid", "url")
URL_FIELDS = ("url", "link", "source")
NESTED = "metadata"  # where LangChain and others keep title, source and page


def parse(data: bytes, _options: Options) -> Parsed:
    """A document for every record."""
    text, encoding, unreadable = decode(data)
    if unreadable:
        yield unreadable_characters(unreadable, encoding)
    for number, value in _values(text):
        if isinstance(value, Omission):
            yield value
            continue
        several = value if isinstance(value, list) else [value]
        for place, record in enumerate(several, 1):
            key = str(number) if len(several) == 1 else f"{number}.{place}"
            yield _document(record, key, number)


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """(line, value) of every line; a file that is one JSON value over many lines is one of line 1."""
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > 1 and lines[0][1].strip() in ("[", "{"):
        try:
            yield 1, json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"not JSON ({error}).") from error
        return
    for number, line in lines:
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, Omission(f"line {number}", f"not JSON ({error}).")


def _document(record: Any, key: str, line: int) -> Document | Omission:
    name = f"record {key}"
    if not isinstance(record, dict):
        return Omission(name, "not a JSON object with a text.")
    nested = record.get(NESTED)
    fields = {**nested, **record} if isinstance(nested, dict) else record
    text = _text(fields)
    if text is None:
        empty = [field for field in TEXT_FIELDS if field in fields]
        if empty:
            return Omission(name, f"its {empty[0]} is empty or no text.")
        known = ", ".join(map(str, record))[:200] or "nothing"
        return Omission(name, f"none of {', '.join(TEXT_FIELDS)} is in it, only {known}.")
    if not text.strip():
        return Omission(name, "its text is empty.")
    language = fields.get("language")
    page, entities = fields.get("page"), fields.get("entities")
    return Document(
        title=_field(fields, TITLE_FIELDS) or "",
        blocks=(
            Block(
                text.strip(),
                Location(line=line, page=page if isinstance(page, int) and page > 0 else None),
            ),
        ),
        key=_field(fields, ID_FIELDS) or key,
        url=_field(fields, URL_FIELDS) or "",
        language=language if language in ("zh", "en") else None,
        entities=tuple(map(str, entities)) if isinstance(entities, list) else (),
    )


def _text(record: dict[str, Any]) -> str | None:
    """The text of a record, or its question and answer; None where it has neither."""
    for name in TEXT_FIELDS:
        value = record.get(name)
        if isinstance(value, str):
            return value
    question, answer = _field(record, QUESTION_FIELDS), _field(record, ANSWER_FIELDS)
    return f"{question}\n{answer}" if question and answer else None


def _field(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return None
