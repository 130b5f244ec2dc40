"""Detection: which reader a source needs, from its name and its first bytes."""

from __future__ import annotations

from pathlib import Path

from kg_builder.graph import embedded_paths
from kg_builder.relation import Catalogue
from kg_builder.sources.opened import open_bytes
from kg_builder.sources.report import SourceError
from kg_builder.sources.rows import Source
from kg_builder.sources.spec import Format, SourceSpec

EMBEDDED = "embedded"
ARCHIVES = (".gz", ".bz2", ".zst", ".xz")
RDF_SUFFIXES = (".nt", ".ttl", ".nq", ".trig", ".rdf", ".owl", ".n3", ".jsonld")
SNIFFED = 20_000  # bytes


def open_source(spec: SourceSpec, catalogue: Catalogue) -> Source:
    """The reader of a source. Raises SourceError where it is missing or nobody can read it."""
    kind = spec.format or detect(spec.location)
    if kind in ("embedded", "tables"):
        from kg_builder.sources.tables import Tables

        return Tables(table_paths(spec), catalogue, source_name(spec))
    if kind == "triples":
        from kg_builder.sources.triples import Triples

        return Triples(spec)
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


def detect(location: str) -> Format:
    """The format of a source: by its address, then its file name, then its first bytes."""
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
        entity = head.startswith(b"[") or b'"claims"' in head or b'"labels"' in head
        return "wikidata" if entity and b'"type"' in head else "jsonl"
    if head.startswith((b"@prefix", b"@base", b"PREFIX", b"<?xml", b"<http")):
        return "rdf"
    first = next((line for line in head.split(b"\n") if line.strip() and line[:1] != b"#"), b"")
    if b"name" in [cell.strip() for cell in first.split(b"\t")]:
        return "tables"
    return "triples"


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
