"""JSON: a fact or an entity a record, in any of the shapes that people use.

{"s": …, "p": …, "o": …}                      names only; also subject/relation/object and the like
{"qid": …, "pid": …, "s_zh": …, "o_en": […]}  ids, names in both languages, sitelinks
["岳云", "父亲", "岳飞"]                        subject, relation, object
{"name": …, "首都": …, "官方语言": […]}          an entity, each further key a relation

Records stand a line each (JSON Lines, streamed), or in one array, at the top or under one key of an
object, which is read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from kg_builder.sources.layout import ENTITY, HEADERS
from kg_builder.sources.opened import open_bytes, text_lines
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import LABEL, POPULARITY, Row, in_batches, row
from kg_builder.sources.spec import SourceSpec

# Our names of the fields, and what else they are called.
FIELDS: dict[str, tuple[str, ...]] = {
    **HEADERS,
    "s_id": ("qid", "s_id", "subject_id"),
    "p_id": ("pid", "p_id", "property_id"),
    "s_zh": ("s_zh", "subject_zh"),
    "s_en": ("s_en", "subject_en"),
    "p_zh": ("p_zh", "relation_zh", "property_zh"),
    "p_en": ("p_en", "relation_en", "property_en"),
    "o_zh": ("o_zh", "object_zh"),
    "o_en": ("o_en", "object_en"),
    "popularity": ("sitelinks", "popularity", "pageviews"),
}
SNIFFED_LINES = 50
LARGEST_DOCUMENT = 512 << 20  # bytes of one JSON value that is read whole
TRIPLE = ("s", "p", "o")
ENTITY_KEY = "entity"  # stands for the key that names the entity of a record
Names = dict[str, str]


class JsonLines:
    """A file of JSON objects, a fact each."""

    trusted = False

    def __init__(self, spec: SourceSpec) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or self.path.name.split(".")[0]
        self._spec = spec
        self._fields = self._find_fields()

    @property
    def ids(self) -> bool:
        return "s_id" in self._fields

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        yield from in_batches(self._rows(report))

    def _rows(self, report: ReadReport) -> Iterator[Row]:
        told: set[str] = set()
        last = ""
        for where, value in _values(self.path, report):
            record = _record(value)
            if record is None:
                report.malformed("not a JSON object", f"{where}: {value!r}")
                continue
            if ENTITY_KEY in self._fields:
                yield from self._entity(record, where, report)
            else:
                fact = _Fact.read(record, self._fields)
                if isinstance(fact, str):
                    report.malformed(fact, f"{where}: {record}")
                    continue
                if self.ids and fact.s != last:
                    last = fact.s
                    yield from fact.about_subject()
                if fact.p not in told:
                    told.add(fact.p)
                    yield from fact.about_relation()
                yield from fact.objects()
            if self._spec.limit is not None and report.rows >= self._spec.limit:
                return

    def _entity(self, record: dict[str, Any], where: str, report: ReadReport) -> Iterator[Row]:
        """Each key of an entity's record is a relation, each item of a list one of its values."""
        key = self._fields[ENTITY_KEY]
        name = _text(record.get(key))
        if not name:
            report.malformed("no name", f"{where}: {record}")
            return
        for relation, found in record.items():
            if relation == key:
                continue
            for place, one in enumerate(found if isinstance(found, list) else [found]):
                if (text := _text(one)) is None:
                    report.notes.add("value neither text nor a list of texts", f"{name} {relation}")
                elif text:
                    yield row(name, relation, text, n=place)

    def _find_fields(self) -> Names:
        """Which key of the objects is which field, from the user and from the first objects."""
        keys: dict[str, None] = {}
        for number, (_, value) in enumerate(_values(self.path, ReadReport(self.name, 1.0)), 1):
            keys.update(dict.fromkeys(_record(value) or ()))
            if number >= SNIFFED_LINES:
                break
        fields: Names = {key: str(name) for key, name in self._spec.fields.items()}
        if unknown := set(fields) - set(FIELDS):
            raise SourceError(
                f"{self.path}: fields {sorted(unknown)} are none of {', '.join(sorted(FIELDS))}."
            )
        lower = {key.lower(): key for key in keys}
        for field, names in FIELDS.items():
            found = next((lower[name] for name in names if name in lower), None)
            if field not in fields and found is not None and found not in fields.values():
                fields[field] = found
        for need in (("s", "s_zh", "s_en"), ("p", "p_id", "p_zh", "p_en"), ("o", "o_zh", "o_en")):
            if not any(field in fields for field in need):
                name = next((lower[one] for one in ENTITY if one in lower), None)
                if name is not None and len(keys) > 1 and not self._spec.fields:
                    return {ENTITY_KEY: name}
                raise SourceError(
                    f"{self.path}: no field for the {need[0]} of a fact among "
                    f"{', '.join(keys) or 'no keys'}. Name it: --fields {need[0]}=…"
                )
        return fields


def _values(path: Path, report: ReadReport) -> Iterator[tuple[str, Any]]:
    """Every record with the place where it stands: of the lines, or of the one array of the file.

    Each counts as a row of the report. SourceError where the file is one JSON value without records.
    """
    with open_bytes(path) as stream:
        numbered = text_lines(stream, report)
        first = list(islice(numbered, 2))
        values = [_parsed(line) for _, line in first]
        whole = len(first) == 1 and isinstance(values[0], list) and _record(values[0]) is None
        if not whole and (any(_record(one) for one in values) or not _opens_json(first)):
            for number, line in chain(first, numbered):
                yield f"line {number}", _parsed(line)
            return
    with open_bytes(path) as stream:
        text = stream.read(LARGEST_DOCUMENT + 1)
    if len(text) > LARGEST_DOCUMENT:
        raise SourceError(f"{path}: one JSON value of over 512 MB. Write a record a line (.jsonl).")
    report.rows = 0
    for number, record in enumerate(_records(path, text), 1):
        report.rows += 1
        yield f"record {number}", record
    report.check()


def _opens_json(lines: list[tuple[int, str]]) -> bool:
    return bool(lines) and lines[0][1].lstrip().startswith(("[", "{"))


def _records(path: Path, text: bytes) -> list[Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SourceError(f"{path}: neither JSON nor JSON Lines ({error}).") from error
    lists = [value] if isinstance(value, list) else []
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list) and one] or [[value]]
    found = next((one for one in lists if all(_record(item) is not None for item in one)), None)
    if found is None:
        raise SourceError(f"{path}: no array of facts in it. Write objects with s, p and o.")
    return found


def _parsed(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _record(value: Any) -> dict[str, Any] | None:
    """An object, or three values that are subject, relation and object."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str | int | float):
        return dict(zip(TRIPLE, value, strict=True))
    return None


class _Fact:
    """One line, its values as texts."""

    def __init__(self, s: str, p: str, values: dict[str, list[str]]) -> None:
        self.s, self.p, self._values = s, p, values

    @classmethod
    def read(cls, record: dict[str, Any], fields: Names) -> _Fact | str:
        """The fact, or why there is none."""
        values: dict[str, list[str]] = {}
        for field, key in fields.items():
            found = record.get(key)
            texts = [_text(one) for one in (found if isinstance(found, list) else [found])]
            if any(text is None for text in texts):
                return f"field {key} is neither text nor a list of texts"
            values[field] = [text for text in texts if text]

        def first(*names: str) -> str:
            return next((values[name][0] for name in names if values.get(name)), "")

        s, p = first("s_id", "s", "s_zh", "s_en"), first("p_id", "p", "p_zh", "p_en")
        if not s or not p:
            return "no subject" if not s else "no relation"
        if not any(values.get(field) for field in ("o", "o_zh", "o_en")):
            return "no object"
        return cls(s, p, values)

    def _one(self, field: str) -> str | None:
        return next(iter(self._values.get(field, ())), None)

    def about_subject(self) -> Iterator[Row]:
        zh, en, popularity = self._one("s_zh"), self._one("s_en"), self._one("popularity")
        if zh is None and en is None:
            zh = self._one("s")
        if zh is not None:
            yield row(self.s, LABEL, "", zh=zh)
        if en is not None:
            yield row(self.s, LABEL, "", en=en)
        if popularity is not None:
            yield row(self.s, POPULARITY, popularity)

    def about_relation(self) -> Iterator[Row]:
        if (zh := self._one("p_zh")) is not None:
            yield row(self.p, LABEL, "", zh=zh)
        if (en := self._one("p_en")) is not None:
            yield row(self.p, LABEL, "", en=en)

    def objects(self) -> Iterator[Row]:
        """A row a value. Values of both languages are paired where there is one of each."""
        for place, text in enumerate(self._values.get("o", ())):
            yield row(self.s, self.p, text, n=place)
        if self._values.get("o"):
            return
        zh, en = self._values.get("o_zh", []), self._values.get("o_en", [])
        if len(zh) == len(en) == 1 and zh != en:
            yield row(self.s, self.p, zh[0], zh=zh[0], en=en[0])
            return
        for place, text in enumerate(dict.fromkeys([*zh, *en])):
            if text in zh and text in en:
                yield row(self.s, self.p, text, n=place)
            elif text in zh:
                yield row(self.s, self.p, text, zh=text, n=place)
            else:
                yield row(self.s, self.p, text, en=text, n=place)


def _text(value: Any) -> str | None:
    """A JSON value as text; "" for null; None for what is no value of a fact."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)
