"""What real English text answers of the embedded graph's questions:
python bench/english_evidence.py SUMMARIES --json [--limit N] [--reader FOLDER] [--lexical].

SUMMARIES is JSON Lines with title, text and url: summaries of encyclopedia articles that know nothing of
the graph. They are indexed as `zhizhi index build` does it, the embedder trained on them alone, and asked
the English questions of the test split through the retrieval chain. Shares come with their counts and
95% Wilson intervals:

    subject_summary        questions whose subject has a summary of its own, by its title
    answerable_found       a name of a gold object stands in one of the passages found
    answerable_summary     the same of the subject's own summary, whether it was found or not
    answered               the chain gives an answer
    right_of_answered      answers that `matches` calls right; an ambiguous one does not count
    right_of_answerable    rightly answered, of the questions answerable in the passages found
    refused_unanswerable   refused, of the questions that no passage found can answer
    right                  rightly answered, of all

A name of at least three characters stands where its whole words do; any other object stands where a sentence
is a right answer to `matches`. What stands in a passage need not answer there, so both answerable shares are
upper bounds. Milliseconds are of the whole chain, search included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from tqdm import tqdm

from kg_builder.build import BuildSettings, build
from kg_builder.errors import UserError
from kg_builder.files import read_jsonl, write_jsonl
from kg_builder.matching import matches
from kg_builder.matching.mentions import mentions
from kg_builder.matching.normalise import fold, plain
from kg_builder.question import Gold, Question
from retrieval.canonical import key
from retrieval.chain import ChainSettings, RetrievalChain
from retrieval.documents import read_passages
from retrieval.index import Index
from retrieval.reading.extractive_reader import ExtractiveReader
from retrieval.sentences import sentences
from training.intervals import wilson
from zhizhi.indexing import NO_EMBEDDER, embedder
from zhizhi.recipe import EMBEDDED

FOUND = 5  # passages that are searched for and read
SHORTEST = 3  # characters of a name that is looked for by itself; shorter ones stand by chance


class Outcome(NamedTuple):
    """One question: where it is answerable, and what the chain makes of it."""

    question: Question
    has_summary: bool
    in_found: bool
    in_summary: bool
    answer: str | None
    reason: str | None
    verdict: str | None  # None where there is no answer
    seconds: float

    @property
    def right(self) -> bool:
        return self.verdict == "right"


class Summaries:
    """Texts by the names of what they tell about."""

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self._texts: dict[str, list[str]] = {}
        for record in records:
            title = str(record["title"])
            # Mercury (planet) is asked about as Mercury.
            for known in {key(title), key(title.partition(" (")[0])}:
                self._texts.setdefault(known, []).append(str(record["text"]))

    def about(self, subject: str) -> list[str]:
        return self._texts.get(key(subject), [])


def stands(gold: Gold, texts: Sequence[str]) -> bool:
    """Whether an object of ``gold`` stands in a text: a name as whole words, or a sentence that is right."""
    folded = [fold(one) for names in gold.objects for one in names]
    names = [one for one in folded if len(one.strip()) >= SHORTEST]
    for text in texts:
        written = plain(text)
        if any(mentions(one, written) for one in names):
            return True
        if any(matches(sentence.text, gold).verdict == "right" for sentence in sentences(text)):
            return True
    return False


def test_questions(limit: int | None) -> list[Question]:
    """The English questions of the embedded graph's test split; ``limit`` of them, drawn by seed."""
    with tempfile.TemporaryDirectory() as folder:
        build(BuildSettings(languages=("zh", "en")), Path(folder))
        held = [Question.model_validate(r) for r in read_jsonl(Path(folder) / "questions.jsonl")]
    asked = [q for q in held if q.split == "test" and q.language == "en"]
    random.Random(0).shuffle(asked)
    return asked[:limit]


async def ask(
    questions: Sequence[Question], index: Index, summaries: Summaries, chain: RetrievalChain
) -> list[Outcome]:
    outcomes = []
    for question in tqdm(questions, desc="asked", disable=not sys.stderr.isatty()):
        started = time.perf_counter()
        reading = await chain.aanswer(question.text, sources="index")
        spent = time.perf_counter() - started
        own = summaries.about(question.subject)
        found = [e.passage.text for e in index.search(question.text, FOUND)]
        outcomes.append(
            Outcome(
                question,
                has_summary=bool(own),
                in_found=stands(question.gold, found),
                in_summary=stands(question.gold, own),
                answer=reading.answer,
                reason=reading.reason,
                verdict=None
                if reading.answer is None
                else matches(reading.answer, question.gold, question=question.text).verdict,
                seconds=spent,
            )
        )
    return outcomes


def share(hits: Iterable[bool]) -> dict[str, Any]:
    """Count, n, share and 95% interval."""
    held = list(hits)
    count, n = sum(held), len(held)
    low, high = wilson(count, n)
    return {
        "count": count,
        "n": n,
        "share": round(count / n, 4) if n else None,
        "interval": [round(low, 4), round(high, 4)],
    }


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    answered = [o for o in outcomes if o.answer is not None]
    spent = sorted(1000 * o.seconds for o in outcomes)
    return {
        "questions": len(outcomes),
        "subject_summary": share(o.has_summary for o in outcomes),
        "answerable_found": share(o.in_found for o in outcomes),
        "answerable_summary": share(o.in_summary for o in outcomes),
        "answered": share(o.answer is not None for o in outcomes),
        "right_of_answered": share(o.right for o in answered),
        "right_of_answerable": share(o.right for o in outcomes if o.in_found),
        "refused_unanswerable": share(o.answer is None for o in outcomes if not o.in_found),
        "right": share(o.right for o in outcomes),
        "verdicts": dict(Counter(o.verdict for o in answered if o.verdict)),
        "reasons": dict(Counter(o.reason for o in outcomes if o.reason)),
        "ms_median": round(statistics.median(spent), 1) if spent else None,
        "ms_p95": round(spent[int(0.95 * (len(spent) - 1))], 1) if spent else None,
    }


def printed(found: dict[str, Any]) -> str:
    """One line a figure."""
    lines = []
    for name, value in found.items():
        if isinstance(value, dict) and "interval" in value:
            low, high = value["interval"]
            portion = "-" if value["share"] is None else f"{value['share']:.1%}"
            value = f"{portion} ({low:.1%}-{high:.1%})  {value['count']} of {value['n']}"
        lines.append(f"{name:22}{value}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("summaries", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--limit", type=int, help="questions, drawn by seed; all without it")
    parser.add_argument("--reader", help="folder or hub id; the default reader without it")
    parser.add_argument("--lexical", action="store_true", help="an index without vectors")
    parser.add_argument("--answers", type=Path, help="write every question with its outcome here")
    args = parser.parse_args()
    summaries = Summaries(read_jsonl(args.summaries))
    passages = list(read_passages([args.summaries]))
    questions = test_questions(args.limit)
    reader = ExtractiveReader.load(args.reader)
    with tempfile.TemporaryDirectory() as folder:
        chosen = embedder(NO_EMBEDDER if args.lexical else EMBEDDED, passages)
        index = Index.build(passages, Path(folder) / "summaries", chosen)
        chain = RetrievalChain(index, extractive=reader, settings=ChainSettings(k=FOUND))
        outcomes = asyncio.run(ask(questions, index, summaries, chain))
    found = {
        "passages": len(passages),
        "embedder": "none" if chosen is None else chosen.name,
        "reader": reader.spans.name,
        **summarise(outcomes),
    }
    if args.answers:
        write_jsonl(
            args.answers,
            (
                {**o._asdict(), "question": o.question.text, "gold": o.question.gold.text}
                for o in outcomes
            ),
        )
    print(json.dumps(found, ensure_ascii=False) if args.json else printed(found))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"{error}")
