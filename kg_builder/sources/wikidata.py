"""The Wikidata JSON dump: one entity a line between [ and ], streamed from .gz or .bz2.

Format: https://doc.wikimedia.org/Wikibase/master/php/docs_topics_json.html. Of each item: labels,
aliases and descriptions in zh and en, the number of sitelinks, and the best-ranked claims of the
chosen properties (those of the catalogue where none are named).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from kg_builder.relation import Catalogue
from kg_builder.sources.opened import open_bytes, text_lines
from kg_builder.sources.report import ReadReport
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY, Row, in_batches, row
from kg_builder.sources.spec import SourceSpec

# Language codes in order of preference.
CODES = {
    "zh": ("zh-hans", "zh-cn", "zh", "zh-sg", "zh-my"),
    "en": ("en", "en-us", "en-gb", "en-ca"),
}
TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")
END_TIME, INSTANCE_OF = "P582", "P31"
# Items that are about pages, not about things.
PAGES = {"Q4167410", "Q4167836", "Q11266439", "Q13406463"}
# Units that occur most, in both languages. A quantity in another unit is left out, and noted.
UNITS = {
    "Q11573": ("米", "metres"),
    "Q828224": ("公里", "kilometres"),
    "Q174728": ("厘米", "centimetres"),
    "Q174789": ("毫米", "millimetres"),
    "Q712226": ("平方公里", "square kilometres"),
    "Q25343": ("平方米", "square metres"),
    "Q35852": ("公顷", "hectares"),
    "Q11570": ("千克", "kilograms"),
    "Q41803": ("克", "grams"),
    "Q191118": ("吨", "tonnes"),
    "Q7727": ("分钟", "minutes"),
    "Q11574": ("秒", "seconds"),
    "Q25235": ("小时", "hours"),
    "Q573": ("天", "days"),
    "Q577": ("年", "years"),
    "Q25267": ("摄氏度", "degrees Celsius"),
    "Q180892": ("太阳质量", "solar masses"),
    "Q531": ("光年", "light-years"),
    "Q1811": ("天文单位", "astronomical units"),
    "Q4917": ("美元", "US dollars"),
}


class WikidataDump:
    """A dump, whole or in part."""

    ids = True
    trusted = False

    def __init__(self, spec: SourceSpec, catalogue: Catalogue) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or "wikidata"
        self._spec = spec
        self._properties = frozenset(spec.properties) or frozenset(
            pid for relation in catalogue for pid in relation.wikidata
        )

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        yield from in_batches(self._rows(report))

    def _rows(self, report: ReadReport) -> Iterator[Row]:
        with open_bytes(self.path) as stream:
            # An item may be larger than any other line that is worth reading.
            for number, line in text_lines(stream, report, max_line=64 << 20):
                text = line.strip().rstrip(",")
                if text in ("[", "]"):
                    report.rows -= 1
                    continue
                try:
                    entity = orjson.loads(text)
                except orjson.JSONDecodeError:
                    report.malformed("not a JSON object", f"line {number}: {line[:120]}")
                    continue
                if not isinstance(entity, dict) or not isinstance(entity.get("id"), str):
                    report.malformed("an entity without an id", f"line {number}: {line[:120]}")
                    continue
                try:
                    yield from list(entity_rows(entity, self._properties, report))
                except (KeyError, TypeError, AttributeError, ValueError) as error:
                    report.malformed(
                        "an entity that is not in the documented form",
                        f"line {number}, {entity['id']}: {error!r}",
                    )
                if self._spec.limit is not None and report.rows >= self._spec.limit:
                    return


def entity_rows(
    entity: dict[str, Any], properties: frozenset[str], report: ReadReport
) -> Iterator[Row]:
    """The rows of one item or property."""
    identity = entity["id"]
    claims = entity.get("claims") or {}
    classes = {_entity_id(claim["mainsnak"]) for claim in claims.get(INSTANCE_OF, ())}
    if classes & PAGES:
        report.notes.add("item about a page left out", identity)
        return
    labels, aliases = entity.get("labels") or {}, entity.get("aliases") or {}
    yield from _names(identity, labels, aliases)
    descriptions = entity.get("descriptions") or {}
    if (zh := _first(descriptions, "zh")) is not None:
        yield row(identity, DESCRIPTION, "", zh=zh)
    if (en := _first(descriptions, "en")) is not None:
        yield row(identity, DESCRIPTION, "", en=en)
    if entity.get("type") != "item":
        return
    yield row(identity, POPULARITY, str(len(entity.get("sitelinks") or {})))
    for pid in sorted(properties & claims.keys()):
        for claim in _best(claims[pid], report):
            yield from _claim_rows(identity, pid, claim["mainsnak"], report)


def _names(identity: str, labels: dict[str, Any], aliases: dict[str, Any]) -> Iterator[Row]:
    zh, en = _first(labels, "zh"), _first(labels, "en")
    chinese = [labels[c]["value"] for c in (*CODES["zh"], *TRADITIONAL) if c in labels]
    if zh is None and chinese:
        zh = chinese[0]
    if zh is not None:
        yield row(identity, LABEL, "", zh=zh)
    if en is not None:
        yield row(identity, LABEL, "", en=en)
    other_zh = [one["value"] for code in CODES["zh"] for one in aliases.get(code, ())]
    other_en = [one["value"] for code in CODES["en"] for one in aliases.get(code, ())]
    for place, name in enumerate(dict.fromkeys([*chinese, *other_zh])):
        if name != zh:
            yield row(identity, ALIAS, "", zh=name, n=place)
    for place, name in enumerate(dict.fromkeys(other_en)):
        if name != en:
            yield row(identity, ALIAS, "", en=name, n=place)


def _first(texts: dict[str, Any], language: str) -> str | None:
    return next((str(texts[code]["value"]) for code in CODES[language] if code in texts), None)


def _best(claims: list[dict[str, Any]], report: ReadReport) -> list[dict[str, Any]]:
    """Preferred claims, or else normal ones; never deprecated ones or such as are over."""
    current = []
    for claim in claims:
        if claim.get("rank") == "deprecated":
            report.notes.add("deprecated claim left out", claim.get("id", ""))
        elif END_TIME in (claim.get("qualifiers") or {}):
            report.notes.add("claim that is over left out", claim.get("id", ""))
        else:
            current.append(claim)
    return [one for one in current if one.get("rank") == "preferred"] or current


def _claim_rows(identity: str, pid: str, snak: dict[str, Any], report: ReadReport) -> Iterator[Row]:
    if snak.get("snaktype") != "value":
        report.notes.add("claim of an unknown or no value left out", f"{identity} {pid}")
        return
    kind, value = snak["datavalue"]["type"], snak["datavalue"]["value"]
    if kind == "wikibase-entityid":
        if target := _entity_id(snak):
            yield row(identity, pid, target, ref=True)
    elif kind == "time":
        if date := iso_date(value["time"], int(value["precision"])):
            yield row(identity, pid, date)
        else:
            report.notes.add("date less precise than a century left out", f"{identity} {pid}")
    elif kind == "quantity":
        yield from _quantity(identity, pid, value, report)
    elif kind == "monolingualtext" and value["language"] in (*CODES["zh"], *CODES["en"]):
        text = value["text"]
        if value["language"].startswith("zh"):
            yield row(identity, pid, text, zh=text)
        else:
            yield row(identity, pid, text, en=text)
    elif kind == "string":
        yield row(identity, pid, value)
    else:
        report.notes.add(f"value of type {kind} left out", f"{identity} {pid}")


def _entity_id(snak: dict[str, Any]) -> str | None:
    if snak.get("snaktype") != "value":
        return None
    value = snak["datavalue"]["value"]
    if not isinstance(value, dict):
        return None
    return value.get("id") or (f"Q{value['numeric-id']}" if "numeric-id" in value else None)


def iso_date(time: str, precision: int) -> str | None:
    """+1706-01-17T00:00:00Z as 1706-01-17, cut to its precision.

    The dump counts years BC from 1, unlike ISO 8601: -0193 is 193 BC, ISO's -0192. Precision: 11
    day, 10 month, 9 year, 7 century.
    """
    sign, digits = time[:1], time[1:].split("T")[0]
    year_text, month, day = digits.rsplit("-", 2)
    year = int(year_text)
    if precision == 7:
        century = (year + 99) // 100
        return f"{'公元前' if sign == '-' else ''}{century}世纪"
    if precision < 9:
        return None
    shown = f"-{year - 1:04}" if sign == "-" else f"{year:04}"
    if precision == 9 or month == "00":
        return shown
    return f"{shown}-{month}" if precision == 10 or day == "00" else f"{shown}-{month}-{day}"


def _quantity(identity: str, pid: str, value: dict[str, Any], report: ReadReport) -> Iterator[Row]:
    amount = str(value["amount"]).removeprefix("+")
    unit = str(value.get("unit", "1")).rsplit("/", 1)[-1]
    if unit == "1":
        yield row(identity, pid, amount)
    elif unit in UNITS:
        zh, en = UNITS[unit]
        yield row(identity, pid, amount + zh, zh=amount + zh, en=f"{amount} {en}")
    else:
        report.notes.add("quantity in an unusual unit left out", f"{identity} {pid} {unit}")
