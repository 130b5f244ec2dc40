"""JSON Lines: one fact a line, in any of the shapes that people use.

{"s": …, "p": …, "o": …}                      names only; also subject/relation/object and the like
{"qid": …, "pid": …, "s_zh": …, "o_en": […]}  ids, names in both languages, sitelinks
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from kg_builder.sources.opened import open_bytes, text_lines
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import LABEL, POPULARITY, Row, in_batches, row
from kg_builder.sources.spec import SourceSpec
from kg_builder.sources.triples import HEADERS

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
        with open_bytes(self.path) as stream:
            for number, line in text_lines(stream, report):
                record = _record(line)
                if record is None:
                    report.malformed("not a JSON object", f"line {number}: {line}")
                    continue
                fact = _Fact.read(record, self._fields)
                if isinstance(fact, str):
                    report.malformed(fact, f"line {number}: {line}")
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

    def _find_fields(self) -> Names:
        """Which key of the objects is which field, from the user and from the first objects."""
        keys: dict[str, None] = {}
        with open_bytes(self.path) as stream:
            for number, line in text_lines(stream, ReadReport(self.name, 1.0)):
                keys.update(dict.fromkeys(_record(line) or ()))
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
                raise SourceError(
                    f"{self.path}: no field for the {need[0]} of a fact among {', '.join(keys)}. "
                    f"Name it (fields = {{{need[0]} = …}})."
                )
        return fields


def _record(line: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


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
