"""Learn the two small classifiers of the service anew: python -m service.learning --data FOLDER --graph FILE.

name_or_attribute.json   names and attributes of NLPCC 2016 KBQA, of a graph and of the relation catalogue
small_talk.json          the phrases of small_talk.toml against questions of the same sets, SQuAD and CMRC

A fifth of everything is held out to measure on, and learnt from with the rest at the end.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kg_builder.files import digest, read_jsonl
from kg_builder.literals import HAN
from service.name_or_attribute import ATTRIBUTE, NAME
from service.name_or_attribute import LEARNT as NAMES
from service.ngram_classifier import NgramClassifier
from service.question_frame import catalogue
from service.small_talk import LEARNT as TALK
from service.small_talk import LONGEST, SURE, no_small_talk, phrases
from training.domain import key

ATTRIBUTE_LENGTH = 8
OFTEN = 2  # an attribute that is told only once may be a slip of who told it
# How phrases are said that are written down only once; Chinese, then English.
AROUND_CHINESE = ("{}啊", "{}呀", "{}呢", "{}了", "请问{}", "那{}", "你{}", "知之{}")
AROUND_ENGLISH = ("{} please", "so {}", "{} zhizhi", "and {}", "{} then")
# Short things said to a question-answering service that are no small talk.
FOLLOW_UPS = ("那{}呢", "{}呢", "{}", "你们的{}是什么", "他的{}呢")
ENGLISH_FOLLOW_UPS = ("and its {}", "its {}", "and the {}", "what about his {}", "her {}", "{}")
TELLING = 10  # how often more those questions count that only sound like small talk
KNOWN = 4  # how often more the names of the graph count
EACH = 12_000  # questions of one kind


def names_and_attributes(data: Path, graph: Path) -> tuple[list[str], list[bool]]:
    """Chinese expressions, and whether each is an attribute."""
    facts = list(read_jsonl(data / "nlpcc2016-kbqa" / "train.jsonl"))
    counts = Counter(_bare(fact["p"]) for fact in facts)
    subjects = {_bare(q["subject"]) for q in read_jsonl(graph)}
    attributes = {
        text
        for text, times in counts.items()
        if times >= OFTEN and HAN.search(text) and len(text) <= ATTRIBUTE_LENGTH
    }
    attributes -= subjects
    attributes |= {n for r in catalogue() for n in (r.zh, *r.names) if HAN.search(n)}
    names = {_bare(fact["s"]) for fact in facts} | subjects
    names = {n for n in names - attributes if HAN.search(n) and len(n) <= 20}
    # What is well known is asked about most.
    texts = [*sorted(attributes), *sorted(names), *sorted(names & subjects) * KNOWN]
    return texts, [text in attributes for text in texts]


def talk_and_questions(data: Path, graph: Path) -> tuple[list[str], list[bool]]:
    """What is said to a service, and whether each is small talk."""
    rng = random.Random(16)
    talk = set()
    for phrase in phrases():
        around = AROUND_CHINESE if HAN.search(phrase) else AROUND_ENGLISH
        talk |= {phrase, *(key(wording.format(phrase)) for wording in around)}
    texts, _ = names_and_attributes(data, graph)
    sources: list[list[str]] = [
        [text for q in read_jsonl(graph) for text in (q["text"], *q["paraphrases"][:1])],
        [q["question"] for q in read_jsonl(data / "nlpcc2016-kbqa" / "train.jsonl")],
        _asked(data / "reading" / "cmrc2018-train.jsonl"),
        _asked(data / "reading" / "squad11-train.jsonl"),
        [q["question"] for q in read_jsonl(data / "evouna-nq" / "judged.jsonl")],
        [rng.choice(FOLLOW_UPS).format(text) for text in texts],
        [wording.format(r.en) for r in catalogue() for wording in ENGLISH_FOLLOW_UPS],
    ]
    questions: set[str] = set()
    for source in sources:
        questions |= {key(q) for q in rng.sample(source, min(EACH, len(source)))}
    asked = sorted(q for q in questions - talk if q and len(q) <= LONGEST)
    asked += [key(q) for q in no_small_talk()] * TELLING
    return [*sorted(talk), *asked], [True] * len(talk) + [False] * len(asked)


def learn(
    texts: Sequence[str], kinds: Sequence[bool], source: str, strength: float
) -> tuple[NgramClassifier, Callable[[bool], list[float]]]:
    """The classifier of everything; and, by kind, what one learnt from four fifths says of the others."""
    held = [int(digest(["held", text]), 16) % 5 == 0 for text in texts]
    rows = list(zip(texts, kinds, held, strict=True))
    most = [(t, k) for t, k, h in rows if not h]
    part = NgramClassifier.fit(
        [t for t, _ in most], [k for _, k in most], source, strength=strength
    )

    def of_kind(kind: bool) -> list[float]:
        return [part.probability(t) for t, k, h in rows if h and k is kind]

    whole = NgramClassifier.fit(texts, kinds, source, strength=strength)
    return whole, of_kind


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--graph", type=Path, required=True, help="questions.jsonl of a run")
    asked = parser.parse_args()
    report: dict[str, Any] = {}
    texts, kinds = names_and_attributes(asked.data, asked.graph)
    source = "NLPCC-ICCPOL 2016 KBQA (train), the embedded graph, the relation catalogue"
    found, held = learn(texts, kinds, source, strength=20.0)
    found.save(NAMES)
    attributes, names = held(True), held(False)
    report["name_or_attribute"] = {
        "attributes": len(attributes),
        "recognised": sum(p >= ATTRIBUTE for p in attributes) / len(attributes),
        "taken_for_names": sum(p <= NAME for p in attributes) / len(attributes),
        "names": len(names),
        "names_recognised": sum(p <= NAME for p in names) / len(names),
        "taken_for_attributes": sum(p >= ATTRIBUTE for p in names) / len(names),
    }
    texts, kinds = talk_and_questions(asked.data, asked.graph)
    source = (
        "service/small_talk.toml; questions of the embedded graph, NLPCC-ICCPOL 2016 KBQA (train), "
        "CMRC 2018 (train), SQuAD 1.1 (train), Natural Questions (EVOUNA)"
    )
    found, held = learn(texts, kinds, source, strength=30.0)
    found.save(TALK)
    talk, questions = held(True), held(False)
    report["small_talk"] = {
        "questions": len(questions),
        "taken_for_small_talk": sum(p >= SURE for p in questions),
        "phrases_recognised": sum(p >= SURE for p in talk) / len(talk),
    }
    print(json.dumps(report, indent=2))
    return 0


def _bare(text: str) -> str:
    """A name without blanks, marks and what is in brackets."""
    return re.sub(r"[（(].*", "", text.replace(" ", "").strip('《》“”"'))


def _asked(path: Path) -> list[str]:
    return [q["question"] for passage in read_jsonl(path) for q in passage["qas"]]


if __name__ == "__main__":
    raise SystemExit(main())
