"""RDF files: N-Triples, N-Quads, Turtle, TriG, RDF/XML, JSON-LD, through pyoxigraph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyoxigraph as ox

from kg_builder.sources.opened import line_chunks, open_bytes
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import ALIAS, DESCRIPTION, LABEL, POPULARITY, Row, in_batches
from kg_builder.sources.spec import SourceSpec
from kg_builder.sources.terms import term_rows

ARCHIVES = (".gz", ".bz2", ".zst", ".xz")
FORMATS = {
    "nt": ox.RdfFormat.N_TRIPLES,
    "nq": ox.RdfFormat.N_QUADS,
    "ttl": ox.RdfFormat.TURTLE,
    "n3": ox.RdfFormat.N3,
    "trig": ox.RdfFormat.TRIG,
    "rdf": ox.RdfFormat.RDF_XML,
    "owl": ox.RdfFormat.RDF_XML,
    "jsonld": ox.RdfFormat.JSON_LD,
}
LINE_FORMATS = (ox.RdfFormat.N_TRIPLES, ox.RdfFormat.N_QUADS)
ABOUT_ROWS = (LABEL, ALIAS, DESCRIPTION, POPULARITY)


class Rdf:
    """An RDF file, compressed or not. ``spec.properties`` limits the predicates (IRIs or tails)."""

    ids = True
    trusted = False

    def __init__(self, spec: SourceSpec) -> None:
        self.path = Path(spec.location)
        self.name = spec.name or self.path.name.split(".")[0]
        self._spec = spec

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        yield from in_batches(self._rows(report))

    def _format(self) -> ox.RdfFormat:
        name = self.path.name.lower()
        for suffix in ARCHIVES:
            name = name.removesuffix(suffix)
        found = FORMATS.get(name.rpartition(".")[2])
        if found is not None:
            return found
        with open_bytes(self.path) as stream:
            head = stream.read(2_000).lstrip()
        if head.startswith(b"<?xml"):
            return ox.RdfFormat.RDF_XML
        return ox.RdfFormat.TURTLE  # N-Triples is Turtle too

    def _rows(self, report: ReadReport) -> Iterator[Row]:
        kind = self._format()
        wanted = self._spec.properties
        quads = self._lines(kind, report) if kind in LINE_FORMATS else self._whole(kind, report)
        for quad in quads:
            report.rows += 1
            for one in term_rows(quad.subject, quad.predicate, quad.object, report):
                if not wanted or one[1] in ABOUT_ROWS or _is_wanted(one[1], wanted):
                    yield one
            if self._spec.limit is not None and report.rows >= self._spec.limit:
                return

    def _lines(self, kind: ox.RdfFormat, report: ReadReport) -> Iterator[ox.Quad]:
        """A broken line breaks nothing but itself."""
        with open_bytes(self.path) as stream:
            for chunk in line_chunks(stream, report):
                try:
                    yield from list(ox.parse(chunk, format=kind))
                except (SyntaxError, ValueError):
                    for line in chunk.split(b"\n"):
                        yield from self._line(line, kind, report)
                report.check()

    def _line(self, line: bytes, kind: ox.RdfFormat, report: ReadReport) -> list[ox.Quad]:
        try:
            return list(ox.parse(line, format=kind))
        except (SyntaxError, ValueError) as error:
            report.rows += 1
            report.malformed("not a statement", f"{line[:120].decode('utf-8', 'replace')}: {error}")
            return []

    def _whole(self, kind: ox.RdfFormat, report: ReadReport) -> Iterator[ox.Quad]:
        """In these formats nothing can be made of what follows a fault."""
        with open_bytes(self.path) as stream:
            try:
                yield from ox.parse(stream, format=kind, base_iri="kg:/")
            except (SyntaxError, ValueError) as error:
                if not report.rows:
                    raise SourceError(f"{self.path}: not {kind.name} ({error}).") from error
                report.rows += 1
                report.malformed("not a statement: what follows it is missing", str(error))


def _is_wanted(predicate: str, wanted: tuple[str, ...]) -> bool:
    tail = predicate.rsplit("/", 1)[-1].rsplit("#", 1)[-1]
    return predicate in wanted or tail in wanted
