from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import httpx
import pyoxigraph as ox
import pytest

from kg_builder.sources.report import ReadReport
from kg_builder.sources.rows import LABEL
from kg_builder.sources.sparql import RESULTS, USER_AGENT, SparqlEndpoint, SparqlError
from kg_builder.sources.spec import SourceSpec

COUNTRIES = 37


def store() -> ox.Store:
    found = ox.Store()
    label = ox.NamedNode("http://www.w3.org/2000/01/rdf-schema#label")
    capital = ox.NamedNode("http://www.wikidata.org/prop/direct/P36")
    other = ox.NamedNode("http://x/other")
    for number in range(COUNTRIES):
        country, city = ox.NamedNode(f"http://x/c{number}"), ox.NamedNode(f"http://x/t{number}")
        found.add(ox.Quad(country, label, ox.Literal(f"国{number}", language="zh")))
        found.add(ox.Quad(country, capital, city))
        found.add(ox.Quad(country, other, ox.Literal("1")))
    return found


@contextmanager
def endpoint(failures: list[int]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A SPARQL 1.1 server on loopback. It first answers with the statuses in ``failures``."""
    graph, seen = store(), []  # type: ignore[var-annotated]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = parse_qs(body)["query"][0]
            seen.append({"query": query, **dict(self.headers.items())})
            status, content = (failures.pop(0), b"busy") if failures else (200, b"")
            if status == 200:
                try:
                    results = graph.query(query)
                    content = results.serialize(format=ox.QueryResultsFormat.JSON)  # type: ignore
                except SyntaxError as error:
                    status, content = 400, str(error).encode()
            self.send_response(status)
            self.send_header("Content-Type", RESULTS)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/sparql", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read(url: str, **spec: Any) -> tuple[list[dict[str, Any]], ReadReport, list[float]]:
    waited: list[float] = []
    source = SparqlEndpoint(SourceSpec(location=url, **spec), sleep=waited.append)
    report = ReadReport(source.name, 1.0)
    rows = [one for batch in source.batches(report) for one in batch.to_pylist()]
    return rows, report, waited


def test_everything_comes_page_by_page() -> None:
    with endpoint([]) as (url, seen):
        rows, report, _ = read(url, page_size=10)
    assert report.rows == len(rows) == 3 * COUNTRIES
    assert len({(r["s"], r["p"], r["o"], r["zh"]) for r in rows}) == 3 * COUNTRIES
    assert len(seen) == 3 * COUNTRIES // 10 + 1
    assert seen[0]["User-Agent"] == USER_AGENT
    assert seen[0]["Accept"] == RESULTS


def test_chosen_properties_come_with_the_names() -> None:
    with endpoint([]) as (url, _):
        rows, _, _ = read(url, properties=("P36",))
    assert {r["p"].rsplit("/")[-1] for r in rows} == {LABEL, "P36"}


def test_a_query_of_the_users_own() -> None:
    query = 'SELECT ?s ?p ?o WHERE { ?s ?p ?o . FILTER(?o = "1") } LIMIT 5'
    with endpoint([]) as (url, _):
        rows, _, _ = read(url, query=query, page_size=2)
    assert len(rows) == 5


def test_a_busy_endpoint_is_given_time() -> None:
    with endpoint([429, 503]) as (url, _):
        rows, _, waited = read(url)
    assert len(rows) == 3 * COUNTRIES
    assert waited == [7.0, 7.0]


def test_an_endpoint_that_fails_on_large_pages_gets_smaller_ones() -> None:
    with endpoint([504] * 5) as (url, seen):
        rows, report, _ = read(url, page_size=1000)
    assert len(rows) == 3 * COUNTRIES
    assert "LIMIT 250" in seen[-1]["query"]
    assert report.notes.total == 1


@pytest.mark.parametrize(
    ("failures", "query", "message"),
    [
        ([500] * 5, "", "5 attempts failed"),
        ([403], "", "HTTP 403"),
        ([], "SELECT nonsense", "HTTP 400"),
        ([], "SELECT ?a WHERE { ?a ?b ?c }", "s"),
    ],
)
def test_what_cannot_be_mended_is_said(failures: list[int], query: str, message: str) -> None:
    with endpoint(failures) as (url, _):
        if query.startswith("SELECT ?a"):
            rows, report, _ = read(url, query=query, page_size=50)
            assert rows == []
            assert report.bad.total > 0
            return
        with pytest.raises(SparqlError, match=message):
            read(url, query=query, page_size=50)


def test_nobody_there() -> None:
    with pytest.raises(SparqlError, match="ConnectError"):
        read("http://127.0.0.1:9/sparql", page_size=50)


def test_an_answer_that_is_no_sparql() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    source = SparqlEndpoint(
        SourceSpec(location="http://x/"), httpx.Client(transport=transport), sleep=lambda _: None
    )
    with pytest.raises(SparqlError, match="not SPARQL JSON"):
        list(source.batches(ReadReport("x")))
