"""Terms: RDF statements as rows, for RDF files and SPARQL endpoints alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import unquote

import pyoxigraph as ox

from kg_builder.literals import HAN
from kg_builder.sources.report import ReadReport
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY, Row, row

Subject: TypeAlias = "ox.NamedNode | ox.BlankNode | ox.Triple"
Term: TypeAlias = "ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple"

RDFS = "http://www.w3.org/2000/01/rdf-schema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
XSD = "http://www.w3.org/2001/XMLSchema#"
# Properties that tell about the subject itself.
ABOUT = {
    RDFS + "label": LABEL,
    SKOS + "prefLabel": LABEL,
    "http://schema.org/name": LABEL,
    "https://schema.org/name": LABEL,
    "http://xmlns.com/foaf/0.1/name": ALIAS,
    "http://xmlns.com/foaf/0.1/nick": ALIAS,
    "http://dbpedia.org/ontology/alias": ALIAS,
    SKOS + "altLabel": ALIAS,
    "http://schema.org/alternateName": ALIAS,
    "http://schema.org/description": DESCRIPTION,
    "https://schema.org/description": DESCRIPTION,
    "http://wikiba.se/ontology#sitelinks": POPULARITY,
}
# Statements about the schema, and links between graphs: nothing to ask.
SCHEMA_PREFIXES = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://www.w3.org/2002/07/owl#",
    RDFS,
    SKOS,
)
# DBpedia's ontology gives quantities in the units of the SI, and without them.
DBPEDIA = "http://dbpedia.org/ontology/"
UNITS = {
    **dict.fromkeys(("areaTotal", "areaLand", "areaWater", "floorArea", "area"),
                    ("平方米", " square metres")),
    **dict.fromkeys(("elevation", "length", "height", "width", "depth", "maximumDepth", "prominence"),
                    ("米", " metres")),
    "runtime": ("秒", " seconds"),
}  # fmt: skip
# A prefix that says nothing once the graph is known to be Wikidata's.
ENTITY_PREFIX = "http://www.wikidata.org/entity/"
CHINESE = ("zh", "zh-hans", "zh-cn", "zh-sg")
TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")
ENGLISH = ("en", "en-gb", "en-us", "en-ca")
TEXT_TYPES = (XSD + "string", "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString")
VALUE_TYPES = tuple(
    XSD + name
    for name in ("date", "dateTime", "gYear", "gYearMonth", "integer", "decimal", "double", "float",
                 "int", "long", "short", "nonNegativeInteger", "positiveInteger", "year")
)  # fmt: skip


_EXPONENT = re.compile(r"-?[0-9]+(\.[0-9]+)?[Ee][+-]?[0-9]{1,2}")
# What an IRI ends in where it names nothing: Q42, m.02mjmr, 1234, a hash.
_OPAQUE = re.compile(r"[A-Za-z]?[._-]?[0-9][0-9a-z_.-]*|[0-9a-f-]{16,}", re.IGNORECASE)


def term_rows(s: Subject, p: ox.NamedNode, o: Term, report: ReadReport) -> Iterator[Row]:
    """The row of a statement, or none; what is left out is noted in the report."""
    if not isinstance(s, ox.NamedNode) or isinstance(o, ox.BlankNode | ox.Triple):
        report.notes.add("blank node or quoted statement left out", f"{s} {p} {o}")
        return
    subject, about = shortened(s.value), ABOUT.get(p.value)
    if about is not None:
        if isinstance(o, ox.Literal):
            yield from _about(subject, about, o, report)
        return
    if p.value.startswith(SCHEMA_PREFIXES):
        report.notes.add("statement about the schema left out", f"{s} {p} {o}")
        return
    if isinstance(o, ox.NamedNode):
        yield row(subject, p.value, shortened(o.value), ref=True)
        return
    assert isinstance(o, ox.Literal)
    language = (o.language or "").lower()
    if language in CHINESE:
        yield row(subject, p.value, o.value, zh=o.value)
    elif language in ENGLISH:
        yield row(subject, p.value, o.value, en=o.value)
    elif language:
        report.notes.add("text in another language left out", f"{s} {p} {o}")
    elif o.datatype.value in VALUE_TYPES:
        value = _plain(o.value)
        unit = UNITS.get(p.value.removeprefix(DBPEDIA)) if p.value.startswith(DBPEDIA) else None
        if unit is None:
            yield row(subject, p.value, value)
        else:
            yield row(subject, p.value, value + unit[0], zh=value + unit[0], en=value + unit[1])
    elif o.datatype.value in TEXT_TYPES:
        yield row(subject, p.value, o.value)
    else:
        report.notes.add(f"value of type {o.datatype.value} left out", f"{s} {p} {o}")


def shortened(iri: str) -> str:
    return iri.removeprefix(ENTITY_PREFIX)


def readable_tail(iri: str) -> str | None:
    """The name that the end of an IRI spells (percent-encoded, with _ for blanks); None where it is a code.

    >>> readable_tail("http://zh.dbpedia.org/resource/%E8%8B%8F%E8%BD%BC")
    '苏轼'
    """
    if not iri.startswith(("http://", "https://", "urn:")):
        return None
    tail = unquote(iri.rstrip("/#").rsplit("/", 1)[-1].rsplit("#", 1)[-1]).replace("_", " ").strip()
    return None if not tail or _OPAQUE.fullmatch(tail) else tail


def _about(subject: str, about: str, o: ox.Literal, report: ReadReport) -> Iterator[Row]:
    if about == POPULARITY:
        yield row(subject, POPULARITY, o.value)
        return
    language = (o.language or "").lower()
    if not language:
        language = "zh" if HAN.search(o.value) else "en"
    if language in TRADITIONAL and about == LABEL:
        about = ALIAS  # a name all the same, but not the one to show
    if language in (*CHINESE, *TRADITIONAL):
        yield row(subject, about, "", zh=o.value)
    elif language in ENGLISH:
        yield row(subject, about, "", en=o.value)
    else:
        report.notes.add("name in another language left out", f"{subject} {o}")


def _plain(value: str) -> str:
    """1706-01-17T00:00:00Z is a day; 12.0 and +12 are 12, and 1.2E1 is as well."""
    value = value.split("T00:00:00")[0].removeprefix("+")
    if _EXPONENT.fullmatch(value):
        value = format(Decimal(value), "f")
    whole, _, rest = value.partition(".")
    return whole if rest and not rest.strip("0") and whole.lstrip("-").isdigit() else value
