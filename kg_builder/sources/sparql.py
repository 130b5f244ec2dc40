"""A SPARQL endpoint over HTTP: paged, retried, polite.

SparqlError    the endpoint refuses, fails again and again, or answers with something else
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pyarrow as pa
import pyoxigraph as ox

from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.rows import Row, in_batches
from kg_builder.sources.spec import SourceSpec
from kg_builder.sources.terms import ABOUT, term_rows

USER_AGENT = "zhizhi-kg-builder/1 (builds question sets from knowledge graphs; httpx)"
RESULTS = "application/sparql-results+json"
EVERYTHING = "SELECT ?s ?p ?o WHERE {{ {values}?s ?p ?o }}"
DIRECT = "http://www.wikidata.org/prop/direct/"
RETRIED = (429, 500, 502, 503, 504)
ATTEMPTS = 5
LONGEST_WAIT = 120.0  # seconds
TIMEOUT = httpx.Timeout(90.0, connect=15.0)
SMALLEST_PAGE = 50


class SparqlError(SourceError):
    """The endpoint refuses, fails again and again, or answers with something else."""


class SparqlEndpoint:
    """All statements of an endpoint, those of chosen properties, or those of a query.

    A query must SELECT ?s ?p ?o. Pages need an order to be stable, so the query is wrapped in one.
    """

    ids = True
    trusted = False

    def __init__(
        self,
        spec: SourceSpec,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = spec.name or (httpx.URL(spec.location).host or "sparql")
        self._spec = spec
        self._client = client
        self._sleep = sleep

    def batches(self, report: ReadReport) -> Iterator[pa.RecordBatch]:
        yield from in_batches(self._rows(report))

    def query(self) -> str:
        """The query that the pages are cut from."""
        if self._spec.query:
            return self._spec.query
        properties = [_iri(one) for one in self._spec.properties]
        values = ""
        if properties:
            listed = " ".join(f"<{iri}>" for iri in [*properties, *ABOUT])
            values = f"VALUES ?p {{ {listed} }} "
        return EVERYTHING.format(values=values)

    def _rows(self, report: ReadReport) -> Iterator[Row]:
        client = self._client or httpx.Client(timeout=TIMEOUT, follow_redirects=True)
        try:
            for solution in self._solutions(client, report):
                report.rows += 1
                s, p, o = solution
                if not isinstance(p, ox.NamedNode) or isinstance(s, ox.Literal) or o is None:
                    report.malformed("a result without ?s ?p ?o", f"{s} {p} {o}")
                    continue
                yield from term_rows(s, p, o, report)
                if self._spec.limit is not None and report.rows >= self._spec.limit:
                    return
        finally:
            if self._client is None:
                client.close()

    def _solutions(
        self, client: httpx.Client, report: ReadReport
    ) -> Iterator[tuple[ox.NamedNode | ox.Literal, ...]]:
        offset, size = 0, self._spec.page_size
        while True:
            page = (
                f"SELECT ?s ?p ?o WHERE {{ {{ {self.query()} }} }}"
                f" ORDER BY ?s ?p ?o LIMIT {size} OFFSET {offset}"
            )
            try:
                content = self._ask(client, page)
            except _TooMuchError:
                if size <= SMALLEST_PAGE:
                    raise
                size = max(SMALLEST_PAGE, size // 4)
                report.notes.add("page made smaller after failures", f"to {size} results")
                continue
            count = 0
            for solution in _solutions_of(content, self._spec.location):
                count += 1
                yield solution
            report.check()
            if count < size:
                return
            offset += count

    def _ask(self, client: httpx.Client, query: str) -> bytes:
        """The answer to one query; waits and tries again where the endpoint says to."""
        url, wait, last = self._spec.location, 1.0, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(wait)
            try:
                answer = client.post(
                    url,
                    data={"query": query},
                    headers={"Accept": RESULTS, "User-Agent": USER_AGENT},
                )
            except httpx.HTTPError as error:
                last, wait = f"{type(error).__name__}: {error}", wait * 2
                continue
            if answer.status_code in RETRIED:
                last = f"HTTP {answer.status_code}"
                wait = min(_retry_after(answer) or wait * 2, LONGEST_WAIT)
                continue
            if answer.is_error:
                raise SparqlError(
                    f"{url}: HTTP {answer.status_code}: {answer.text[:200]!r}. Check the address "
                    "and the query."
                )
            return answer.content
        raise _TooMuchError(f"{url}: {ATTEMPTS} attempts failed, the last with {last}. Try later.")


class _TooMuchError(SparqlError):
    """All attempts failed in a way that a smaller page may mend."""


def _solutions_of(content: bytes, url: str) -> Iterator[tuple[ox.NamedNode | ox.Literal, ...]]:
    try:
        found = ox.parse_query_results(content, format=ox.QueryResultsFormat.JSON)
        if not isinstance(found, ox.QuerySolutions):
            raise SparqlError(f"{url}: the query is no SELECT.")
        names = [variable.value for variable in found.variables]
        if missing := {"s", "p", "o"} - set(names):
            raise SparqlError(f"{url}: the query does not select ?{' ?'.join(sorted(missing))}.")
        for solution in found:
            yield solution["s"], solution["p"], solution["o"]
    except (SyntaxError, ValueError) as error:
        raise SparqlError(f"{url}: the answer is not SPARQL JSON ({error}).") from error


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _iri(name: str) -> str:
    """P36 is Wikidata's direct property; anything else is an IRI already."""
    return DIRECT + name if name[:1] == "P" and name[1:].isdigit() else name
