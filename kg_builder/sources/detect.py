"""Detection: which reader a source needs, from its name and its first bytes."""

from __future__ import annotations

from pathlib import Path

from kg_builder.graph import embedded_paths
from kg_builder.relation import Catalogue
from kg_builder.sources.layout import table_shape
from kg_builder.sources.opened import open_bytes
from kg_builder.sources.report import SourceError
from kg_builder.sources.rows import Source
from kg_builder.sources.spec import Format, SourceSpec
from kg_builder.sources.tables import FIXED_COLUMNS

EMBEDDED = "embedded"
ARCHIVES = (".gz", ".bz2", ".zst", ".xz")
RDF_SUFFIXES = (".nt", ".ttl", ".nq", ".trig", ".rdf", ".owl", ".n3", ".jsonld")
SNIFFED = 20_000  # bytes


def open_source(spec: SourceSpec, catalogue: Catalogue) -> Source:
    """The reader of a source. Raises SourceError where it is missing or nobody can read it."""
    kind = spec.format or detect(spec.location, spec, catalogue)
    if kind in ("embedded", "tables"):
        from kg_builder.sources.tables import Tables

        return Tables(table_paths(spec), catalogue, source_name(spec))
    if kind == "triples":
        from kg_builder.sources.triples import Triples

        return Triples(spec, catalogue)
    if kind == "wide":
        from kg_builder.sources.wide import WideTable

        return WideTable(spec, catalogue)
    if kind == "neo4j":
        from kg_builder.sources.neo4j import Neo4jExport

        return Neo4jExport(spec)
    if kind == "jsonl":
        from kg_builder.sources.jsonlines import JsonLines

        return JsonLines(spec)
    if kind == "rdf":
        from kg_builder.sources.rdf import Rdf

        return Rdf(spec)
    if kind == "wikidata":
        from kg_builder.sources.wikidata import WikidataDump

        return WikidataDump(spec, catalogue)
    from kg_builder.sources.sparql import SparqlEndpoint

    return SparqlEndpoint(spec)


def detect(
    location: str, spec: SourceSpec | None = None, catalogue: Catalogue | None = None
) -> Format:
    """The format of a source: by its address, then its file name, then its first bytes.

    ``spec`` and ``catalogue`` help to tell a wide table from triples: columns that the user named, and
    relations that headers may name. SourceError where the file is missing or empty.
    """
    if location == EMBEDDED:
        return "embedded"
    if location.startswith(("http://", "https://")):
        return "sparql"
    path = Path(location)
    if path.is_dir():
        return "tables"
    name = path.name.lower()
    for suffix in ARCHIVES:
        name = name.removesuffix(suffix)
    if name.endswith(RDF_SUFFIXES):
        return "rdf"
    with open_bytes(path) as stream:
        head = stream.read(SNIFFED).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        raise SourceError(f"{location}: the file is empty.")
    if head.startswith((b"{", b"[")):
        entity = b'"claims"' in head or b'"labels"' in head
        return "wikidata" if entity and b'"type"' in head else "jsonl"
    if head.startswith((b"@prefix", b"@base", b"PREFIX", b"<?xml", b"<http")):
        return "rdf"
    text = head.decode("utf-8", "ignore")
    first = next((line for line in text.split("\n") if line.strip() and line[:1] != "#"), "")
    header = [cell.strip() for cell in first.split("\t")]
    if "name" in header and any(one in header for one in FIXED_COLUMNS[1:]):
        return "tables"
    return table_shape(text, spec or SourceSpec(location=location), catalogue)


def table_paths(spec: SourceSpec) -> list[Path]:
    """The files of a source of wide tables: the embedded ones, those of a folder, or one file."""
    if spec.location == EMBEDDED:
        return embedded_paths()
    path = Path(spec.location)
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.tsv"))
    if not found:
        raise SourceError(f"{path}: no .tsv file in this folder.")
    return found


def source_paths(spec: SourceSpec) -> list[Path]:
    """The files that a source reads; none for an address."""
    if (spec.format or "") == "sparql" or spec.location.startswith(("http://", "https://")):
        return []
    if spec.location == EMBEDDED or Path(spec.location).is_dir():
        return table_paths(spec)
    return [Path(spec.location)]


def source_name(spec: SourceSpec) -> str:
    return spec.name or Path(spec.location).name.split(".")[0] or spec.location
