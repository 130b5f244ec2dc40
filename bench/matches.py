"""How fast `matches` is, and how far it agrees with people: python bench/matches.py [--json] [--judged FILE].

Speed is measured on one core over answers as short as closed-book models give them, in both languages:
right, wrong, refused, hedged and denied, names, numbers and dates: again and again, as a model's samples
are judged; and once over answers to the embedded graph's questions, where every gold is new. After
``make compile`` both of the compiled code and of its source. ``--judged`` adds the agreement with
a JSON Lines file of judged answers (fields question, gold, answer, human_correct, model, improper): the
half of its questions on which rules and judge were developed, and the other half, apart. ``--kinds`` adds,
per language and kind, the agreement with answers that are right or wrong by construction, of golds and
wordings that the judge was not fitted on (support/matching_pairs.py).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from kg_builder.build import BuildSettings, built_questions
from kg_builder.files import read_jsonl, write_jsonl
from kg_builder.matching import IS_COMPILED, matches, score_file
from kg_builder.matching.compiled import SWITCH
from kg_builder.question import AnswerType, Gold

_Fact = tuple[str, str, str, tuple[str, ...], AnswerType]

# Subject, relation, question, names of the object, answer type.
_CHINESE: list[_Fact] = [
    ("岳云", "父亲", "岳云的父亲是谁?", ("岳飞", "岳鹏举"), "person"),
    ("红楼梦", "作者", "《红楼梦》的作者是谁?", ("曹雪芹",), "person"),
    ("围城", "作者", "《围城》是谁写的?", ("钱锺书", "钱钟书"), "person"),
    ("相对论", "提出者", "相对论是谁提出的?", ("阿尔伯特·爱因斯坦", "Albert Einstein"), "person"),
    ("法国", "首都", "法国的首都是哪里?", ("巴黎", "Paris"), "place"),
    ("浙江", "省会", "浙江的省会是哪座城市?", ("杭州市",), "place"),
    ("富兰克林", "出生日期", "富兰克林是什么时候出生的?", ("1706年1月17日",), "date"),
    ("孔子", "生年", "孔子生于哪一年?", ("公元前551年",), "date"),
    ("中华人民共和国", "成立时间", "中华人民共和国何时成立?", ("1949-10-01",), "date"),
    ("珠穆朗玛峰", "海拔", "珠穆朗玛峰有多高?", ("8848.86米",), "number"),
    ("水浒传", "好汉人数", "《水浒传》里有多少好汉?", ("108",), "number"),
    ("中国", "人口", "中国有多少人口?", ("14亿",), "number"),
    ("日本", "货币", "日本的货币是什么?", ("日元", "日圆"), "thing"),
    ("巴西", "官方语言", "巴西说什么语言?", ("葡萄牙语",), "language"),
    ("李白", "朝代", "李白是哪个朝代的人?", ("唐朝",), "term"),
    ("清华大学", "所在地", "清华大学在哪里?", ("北京市", "北京"), "place"),
]
_ENGLISH: list[_Fact] = [
    ("Hamlet", "author", "Who wrote Hamlet?", ("William Shakespeare",), "person"),
    ("X-rays", "discoverer", "Who discovered X-rays?", ("Wilhelm Conrad Röntgen",), "person"),
    ("Peru", "capital", "What is the capital of Peru?", ("Lima",), "place"),
    ("Apollo 11", "date", "When did Apollo 11 land on the Moon?", ("July 20, 1969",), "date"),
    ("the Titanic", "year", "In which year did the Titanic sink?", ("1912",), "date"),
    ("Everest", "height", "How high is Mount Everest?", ("8,849 metres",), "number"),
    ("a spider", "legs", "How many legs has a spider?", ("eight",), "number"),
    ("Brazil", "language", "What language is spoken in Brazil?", ("Portuguese",), "language"),
    ("Guernica", "painter", "Who painted Guernica?", ("Pablo Picasso", "Picasso"), "person"),
    ("Japan", "currency", "What is the currency of Japan?", ("Japanese yen", "yen"), "thing"),
]
_TEMPLATES = {
    "zh": ("{o}", "{s}的{r}是{o}。", "{s}的{r}是{o},这是众所周知的。", "是{o}", "答案:{o}"),
    "en": (
        "{o}",
        "It is {o}.",
        "The answer is {o}.",
        "{o}, as far as is known.",
        "That was {o}, of course.",
    ),
}
_OTHERWISE = {
    "zh": ("我不知道和“{s}的{r}”相关的信息。", "不是{o}", "可能是{o}或{x}", "我不确定。"),
    "en": (
        "I don't know the {r} of {s}.",
        "It is not {o}.",
        "It could be {o} or {x}.",
        "I'm not sure.",
    ),
}


_FORMS = {  # of the answers to the graph's questions
    "zh": ("{t}是{o}。", "{t}是{x}。", "我不知道和“{t}”相关的信息。", "可能是{o}或{x}"),
    "en": (
        "The {t} is {o}.",
        "It is {x}.",
        "I don't know about the {t}.",
        "It could be {o} or {x}.",
    ),
}


def pairs() -> list[tuple[str, Gold, str]]:
    """Answer, gold and question: every fact in every template, with its own object and another's."""
    made: list[tuple[str, Gold, str]] = []
    for language, facts in (("zh", _CHINESE), ("en", _ENGLISH)):
        others = itertools.cycle(fact[3][0] for fact in facts[1:] + facts[:1])
        for s, r, question, names, answer_type in facts:
            gold = Gold(objects=(names,), answer_type=answer_type)
            other = next(others)
            fill = {"s": s, "r": r, "x": other}
            for template in _TEMPLATES[language]:
                made.append((template.format(o=names[-1], **fill), gold, question))
                made.append((template.format(o=other, **fill), gold, question))
            for template in _OTHERWISE[language]:
                made.append((template.format(o=names[0], **fill), gold, question))
    return made


def graph_pairs(golds: int) -> list[tuple[str, Gold, str]]:
    """Four answers to each of so many questions of the embedded graph: right, wrong, refused, hedged."""
    made: list[tuple[str, Gold, str]] = []
    for language in ("zh", "en"):
        questions = built_questions(BuildSettings(languages=(language,)))
        chosen = questions[:: max(1, 2 * len(questions) // golds)]
        for question, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
            (right, *_), (wrong, *_) = question.gold.objects[0], other.gold.objects[0]
            for form in _FORMS[language]:
                answer = form.format(t=question.topic, o=right, x=wrong)
                made.append((answer, question.gold, question.text))
    return made


def speed_of_new_golds(golds: int) -> dict[str, Any]:
    """Pairs a second where nearly every gold is met for the first time, and prepared for four answers."""
    work = graph_pairs(golds)
    start = time.process_time()
    for answer, gold, question in work:
        matches(answer, gold, question=question)
    seconds = time.process_time() - start
    return {
        "pairs": len(work),
        "golds": len({id(gold) for _, gold, _ in work}),
        "pairs_per_second": round(len(work) / seconds),
    }


def speed(seconds: float) -> dict[str, Any]:
    """Pairs a second of processor time, the best of the rounds that fit into ``seconds``."""
    work = pairs()
    start = time.perf_counter()
    for answer, gold, question in work:
        matches(answer, gold, question=question)
    first = time.perf_counter() - start
    best = float("inf")
    rounds = 0
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or rounds < 3:
        start = time.process_time()
        for answer, gold, question in work:
            matches(answer, gold, question=question)
        best = min(best, time.process_time() - start)
        rounds += 1
    return {
        "pairs": len(work),
        "mean_characters": round(sum(len(answer) for answer, _, _ in work) / len(work), 1),
        "rounds": rounds,
        "pairs_per_second": round(len(work) / best),
        "first_round_ms": round(1000 * first, 1),  # loads tables, prepares every gold
    }


def from_source(options: argparse.Namespace) -> dict[str, Any]:
    """The same of the modules as they are written, where this process runs them compiled."""
    done = subprocess.run(
        [sys.executable, __file__, "--json", "--seconds", str(options.seconds),
         "--golds", str(options.golds)],
        env={**os.environ, SWITCH: "0"},
        stdout=subprocess.PIPE,
        check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return {"speed": found["speed"], "new_golds": found["new_golds"]}


def half(question: str) -> str:
    """The half of the questions that a question belongs to; stable, by hash."""
    return ("development", "report")[hashlib.sha256(question.encode()).digest()[0] & 1]


def agreement(judged: Path) -> dict[str, Any]:
    records: dict[str, list[dict[str, Any]]] = {"development": [], "report": []}
    for record in read_jsonl(judged):
        records[half(str(record["question"]))].append(record)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, part in records.items():
            path = Path(folder) / f"{name}.jsonl"
            write_jsonl(path, part)
            report = score_file(
                path, "answer", "gold", "human_correct", by="model", leave_out="improper"
            )
            assert report.agreement is not None
            found[name] = report.agreement.model_dump() | {
                "systems": {
                    system: one.agreement.model_dump()
                    for system, one in report.systems.items()
                    if one.agreement is not None
                }
            }
    return found


def kinds(most: int) -> list[dict[str, Any]]:
    """By language and kind, of answers made: how many, and the share judged as they should be."""
    from support.matching_pairs import SEED
    from support.matching_pairs import pairs as made_pairs

    found: list[dict[str, Any]] = []
    for language in ("zh", "en"):
        made = [pair for pair in made_pairs(language) if pair.part == "report"]
        counts: dict[tuple[bool, str], list[int]] = {}
        for pair in random.Random(SEED).sample(made, min(most, len(made))):
            verdict = matches(pair.answer, pair.gold, question=pair.question).verdict
            for kind in (pair.kind, "all"):
                group = counts.setdefault((pair.right, kind), [0, 0])
                group[0] += (verdict == "right") == pair.right
                group[1] += 1
        found += [
            {
                "language": language,
                "right": right,
                "kind": kind,
                "n": n,
                "agreed": interval(agreed, n),
            }
            for (right, kind), (agreed, n) in sorted(counts.items())
        ]
    return found


def interval(part: int, whole: int) -> tuple[float, float, float]:
    """A share with its 95% Wilson interval."""
    from training.intervals import wilson

    low, high = wilson(part, whole)
    return round(part / whole, 4), round(low, 4), round(high, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--judged", type=Path, help="JSON Lines file of answers judged by people")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure speed")
    parser.add_argument(
        "--golds", type=int, default=8000, help="golds of the graph to judge by once"
    )
    parser.add_argument(
        "--kinds", type=int, default=0, metavar="N", help="judge N made answers a language, by kind"
    )
    options = parser.parse_args()
    found: dict[str, Any] = {
        "cores": os.cpu_count(),
        "compiled": IS_COMPILED,
        "speed": speed(options.seconds),
        "new_golds": speed_of_new_golds(options.golds),
    }
    if IS_COMPILED:
        found["from_source"] = from_source(options)
    if options.judged:
        found["agreement"] = agreement(options.judged)
    if options.kinds:
        found["kinds"] = kinds(options.kinds)
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    ways = {"compiled" if IS_COMPILED else "from source": found}
    if IS_COMPILED:
        ways["from source"] = found["from_source"]
    else:
        print("(make compile makes it faster)")
    for way, row in ways.items():
        known, new = row["speed"], row["new_golds"]
        print(
            f"{way}: {known['pairs_per_second']:,} pairs/s over {known['pairs']} pairs, again and again"
        )
        print(
            f"{way}: {new['pairs_per_second']:,} pairs/s over {new['pairs']:,} pairs, once, every gold new"
        )
    for name, part in found.get("agreement", {}).items():
        for system, row in [("all", part), *part["systems"].items()]:
            print(
                f"{name:12} {system:8} n {row['n']:5}  accuracy {row['accuracy']:.3f}"
                f"  precision {row['precision']:.3f}  recall {row['recall']:.3f}"
                f"  passed {row['passed']:.3f}  ambiguous {row['ambiguous']}"
                f"  strict {row['strict_accuracy']:.3f}"
            )
    for row in found.get("kinds", []):
        share, low, high = row["agreed"]
        should = "right" if row["right"] else "not right"
        print(
            f"{row['language']} {should:9} {row['kind']:22} n {row['n']:5}"
            f"  judged so {share:.3f} [{low:.3f}, {high:.3f}]"
        )


if __name__ == "__main__":
    main()
