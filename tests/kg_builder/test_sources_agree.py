"""One small graph told in four formats gives the same questions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pyoxigraph as ox

from kg_builder.build import BuildSettings, build
from kg_builder.files import read_jsonl
from kg_builder.sources.spec import SourceSpec

LABELS = {
    "Q142": ("法国", "France"), "Q90": ("巴黎", "Paris"), "Q517": ("拿破仑·波拿巴", "Napoleon"),
    "Q40104": ("阿雅克肖", "Ajaccio"), "Q4916": ("欧元", "euro"),
    "Q1": ("李娜", "Li Na"), "Q2": ("李娜", "Li Na"),
}  # fmt: skip
DESCRIPTIONS = {"Q1": ("中国网球运动员", "Chinese tennis player"), "Q2": ("歌手", "singer")}
ITEMS = [("Q142", "P36", "Q90"), ("Q142", "P38", "Q4916"), ("Q517", "P19", "Q40104"),
         ("Q1", "P27", "Q142"), ("Q2", "P19", "Q90")]  # fmt: skip
DATES = [("Q517", "P569", "1769-08-15"), ("Q517", "P570", "1821-05-05"), ("Q2", "P569", "1963")]
SITELINKS = {identity: 10 * number for number, identity in enumerate(LABELS, 1)}


def as_dump() -> str:
    def claim(pid: str, kind: str, value: Any) -> dict[str, Any]:
        snak = {"snaktype": "value", "property": pid, "datavalue": {"type": kind, "value": value}}
        return {"rank": "normal", "mainsnak": snak}

    entities: dict[str, dict[str, Any]] = {
        identity: {
            "type": "item",
            "id": identity,
            "labels": {"zh": {"value": zh}, "en": {"value": en}},
            "descriptions": {
                code: {"value": text}
                for code, text in zip(("zh", "en"), DESCRIPTIONS.get(identity, ()), strict=False)
            },
            "claims": {},
            "sitelinks": {f"wiki{n}": {} for n in range(SITELINKS[identity])},
        }
        for identity, (zh, en) in LABELS.items()
    }
    for s, p, o in ITEMS:
        value = {"entity-type": "item", "id": o}
        entities[s]["claims"].setdefault(p, []).append(claim(p, "wikibase-entityid", value))
    for s, p, o in DATES:
        precision = 11 if len(o) > 4 else 9
        time = {"time": f"+{o if len(o) > 4 else o + '-00-00'}T00:00:00Z", "precision": precision}
        entities[s]["claims"].setdefault(p, []).append(claim(p, "time", time))
    return "[\n" + ",\n".join(json.dumps(one) for one in entities.values()) + "\n]\n"


def as_store() -> ox.Store:
    def item(name: str) -> ox.NamedNode:
        return ox.NamedNode("http://www.wikidata.org/entity/" + name)

    store = ox.Store()
    rdfs, schema = "http://www.w3.org/2000/01/rdf-schema#", "http://schema.org/"
    direct, xsd = "http://www.wikidata.org/prop/direct/", "http://www.w3.org/2001/XMLSchema#"
    for names, predicate in ((LABELS, rdfs + "label"), (DESCRIPTIONS, schema + "description")):
        for identity, texts in names.items():
            for code, text in zip(("zh", "en"), texts, strict=True):
                literal = ox.Literal(text, language=code)
                store.add(ox.Quad(item(identity), ox.NamedNode(predicate), literal))
    for identity, count in SITELINKS.items():
        sitelinks = ox.NamedNode("http://wikiba.se/ontology#sitelinks")
        store.add(ox.Quad(item(identity), sitelinks, ox.Literal(count)))
    for s, p, o in ITEMS:
        store.add(ox.Quad(item(s), ox.NamedNode(direct + p), item(o)))
    for s, p, o in DATES:
        kind, text = ("dateTime", o + "T00:00:00Z") if len(o) > 4 else ("gYear", o)
        literal = ox.Literal(text, datatype=ox.NamedNode(xsd + kind))
        store.add(ox.Quad(item(s), ox.NamedNode(direct + p), literal))
    return store


@contextmanager
def served(store: ox.Store) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            results = store.query(parse_qs(body)["query"][0])
            content = results.serialize(format=ox.QueryResultsFormat.JSON)  # type: ignore
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/sparql"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked(location: str, out: Path) -> dict[str, tuple[str, Any, str, float]]:
    spec = SourceSpec(location=location, name="wiki", page_size=7)
    build(BuildSettings(sources=(spec,), languages=("zh", "en")), out)
    return {
        q["id"]: (q["text"], q["gold"]["objects"], q["split"], q["popularity"])
        for q in read_jsonl(out / "questions.jsonl")
    }


def test_a_dump_rdf_and_an_endpoint_say_the_same(tmp_path: Path) -> None:
    store = as_store()
    (tmp_path / "dump.json").write_text(as_dump(), encoding="utf-8")
    store.dump(str(tmp_path / "kg.nt"), format=ox.RdfFormat.N_TRIPLES,
               from_graph=ox.DefaultGraph())  # fmt: skip
    store.dump(str(tmp_path / "kg.ttl"), format=ox.RdfFormat.TURTLE, from_graph=ox.DefaultGraph())
    wanted = asked(str(tmp_path / "dump.json"), tmp_path / "out1")
    texts = {text: objects for text, objects, _, _ in wanted.values()}
    assert texts["李娜（歌手）的出生日期是?"] == [["1963年", "1963"]]
    assert texts["When was Napoleon born?"] == [["August 15, 1769", "1769年8月15日"]]
    assert texts["法国的货币是?"] == [["欧元", "euro"]]
    assert len(wanted) == 2 * (len(ITEMS) + len(DATES))
    assert asked(str(tmp_path / "kg.nt"), tmp_path / "out2") == wanted
    assert asked(str(tmp_path / "kg.ttl"), tmp_path / "out3") == wanted
    with served(store) as url:
        assert asked(url, tmp_path / "out4") == wanted
