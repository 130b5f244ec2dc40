"""Pairs of answer and gold that are right or wrong by construction, to fit and to measure `matches` on.

Names, types and siblings come from the embedded graph; of every kind of answer there are several wordings.
Golds are parted by a hash into "fit" and "report", and some wordings are kept for the report alone.
"""

from __future__ import annotations

import functools
import hashlib
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kg_builder.build import BuildSettings, built_questions
from kg_builder.files import read_jsonl
from kg_builder.matching.normalise import fold
from kg_builder.question import AnswerType, Gold

SEED = 18


class Pair(NamedTuple):
    answer: str
    gold: Gold
    question: str
    right: bool
    kind: str
    language: str
    part: str  # fit or report


class Thing(NamedTuple):
    """A question of the graph with the names of its object, and other objects of the same relation."""

    question: str
    topic: str
    names: tuple[str, ...]
    kind: AnswerType
    others: list[str]


@functools.cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def part_of(text: str) -> str:
    """The part that a gold belongs to; stable, by hash."""
    return ("fit", "report")[hashlib.sha256(text.encode()).digest()[0] & 1]


def _wordings(rows: list[str], part: str) -> list[str]:
    fitted = max(1, len(rows) - len(rows) // 3)
    return rows[:fitted] if part == "fit" else rows[fitted:] or rows


@functools.cache
def things(language: str) -> list[Thing]:
    """One a question of the embedded graph; of every relation the same number at most."""
    found = built_questions(BuildSettings(languages=(language,)))
    by_relation: dict[str, list[str]] = {}
    for question in found:
        by_relation.setdefault(question.relation, []).append(question.gold.objects[0][0])
    rng = random.Random(SEED)
    rng.shuffle(found := list(found))
    taken: dict[str, int] = {}
    made = []
    for question in found:
        if len(question.gold.objects) > 1 or taken.get(question.relation, 0) >= 40:
            continue
        names = question.gold.objects[0]
        known = {fold(name) for name in names}
        pool = [
            other
            for other in dict.fromkeys(by_relation[question.relation])
            if not any(one in fold(other) or fold(other) in one for one in known)
        ]
        if len(pool) < 3:
            continue
        taken[question.relation] = taken.get(question.relation, 0) + 1
        made.append(
            Thing(
                question.text, question.topic, names, question.gold.answer_type, rng.sample(pool, 3)
            )
        )
    return made


def pairs(language: str, each: int = 2) -> Iterator[Pair]:
    """So many wordings of every kind for every thing of one language."""
    rng = random.Random(SEED)
    for thing in things(language):
        part = part_of(thing.names[0])
        gold = Gold(objects=(thing.names,), answer_type=thing.kind)
        if rng.random() < 0.5:  # as in files of golds without a type
            gold = Gold(objects=(thing.names,))
        for right, table in ((True, "right"), (False, "wrong")):
            for kind, rows in _table()[table][language].items():
                if kind == "somebody else" and thing.kind != "person":
                    continue
                rows = _wordings(rows, part)
                for wording in rng.sample(rows, min(each + (kind == "sentence"), len(rows))):
                    yield _pair(thing, gold, wording, right, kind, language, part, rng)
        yield from _bounded(thing, gold, language, part, rng, each)
    yield from _codes(language)
    yield from _together(language)
    yield from _turned(language, rng)


def _pair(
    thing: Thing, gold: Gold, wording: str, right: bool, kind: str, language: str, part: str,
    rng: random.Random,
) -> Pair:  # fmt: skip
    name = rng.choice(thing.names) if language == "zh" else thing.names[0]
    x, y, z = thing.others
    said = wording.replace("《{o}》", "{o}") if "《" in name else wording
    answer = said.format(o=name, x=x, y=y, z=z, t=thing.topic)
    return Pair(
        answer, gold, thing.question if rng.random() < 0.8 else "", right, kind, language, part
    )


def _bounded(
    thing: Thing, gold: Gold, language: str, part: str, rng: random.Random, each: int
) -> Iterator[Pair]:
    """Longer names that hold the gold, and the gold beside words that leave it alone."""
    longer = _table()["longer"][language].get(thing.kind, ())
    name = thing.names[0].strip("《》")
    if longer and len(name) > 1:
        rows = _wordings(longer, part)
        for wording in rng.sample(rows, min(each + 1, len(rows))):
            said = wording.format(o=name)
            said = rng.choice(
                ("{}", "{}", "是{}", "答案是{}。") if language == "zh" else ("{}", "It is {}.")
            ).format(said)
            yield Pair(said, gold, thing.question, False, "longer name", language, part)
    if language == "zh" and thing.kind in _table()["same"] and len(name) > 1:
        rows = _wordings(_table()["same"][thing.kind], part)
        for wording in rng.sample(rows, min(each, len(rows))):
            if wording == "{o}市" and not thing.question.count("市") + thing.question.count("城"):
                continue
            yield Pair(
                wording.format(o=name), gold, thing.question, True, "same name", language, part
            )


def _codes(language: str) -> Iterator[Pair]:
    """Formulas, signs, ordinals, years and numbers, and their neighbours."""
    zh = language == "zh"
    frames = ("{}", "是{}", "答案是{}。") if zh else ("{}", "It is {}.", "The answer is {}.")

    def made(right: bool, gold: str, answer: str, kind: AnswerType) -> Pair:
        frame = frames[len(answer + gold) % 3]
        question = {"number": ("多少?", "How many?"), "date": ("哪年?", "When?")}.get(
            kind, ("化学式?", "What is the formula?")
        )[not zh]
        return Pair(
            frame.format(answer), Gold(objects=((gold,),), answer_type=kind), question, right,
            "codes and numbers", language, part_of(gold),
        )  # fmt: skip

    for formula in _table()["formulas"]:
        yield made(True, formula, formula, "term")
        yield made(True, formula, formula.lower(), "term")
        for other in _table()["formulas"]:
            if other != formula and (formula in other or other in formula):
                yield made(False, formula, other, "term")
    for n in range(1, 13):
        yield made(True, f"UTC+{n}", f"UTC+{n}", "term")
        yield made(False, f"UTC+{n}", f"UTC−{n}", "term")
        yield made(False, f"UTC-{n}", f"UTC+{n}", "term")
        if zh:
            ordinal = "一二三四五六七八九十"[n % 10]
            yield made(True, f"第{ordinal}", f"第{ordinal}名", "term")
            yield made(False, f"第{ordinal}", f"倒数第{ordinal}", "term")
    for year in range(1810, 2030):
        mark = "年" if zh else ""
        yield made(True, f"{year}{mark}", f"{year}{mark}", "date")
        yield made(False, f"{year}{mark}", f"{year + 1}{mark}", "date")
        decade = year // 10 * 10
        yield made(False, f"{decade}{mark}", f"{decade}年代" if zh else f"the {decade}s", "date")
        many = "{}年、{}年、{}年都有可能" if zh else "{}, {} or {}"
        yield made(False, f"{year}{mark}", many.format(year - 1, year, year + 1), "date")
        other = "{}年或{}年" if zh else "{} or {}"
        yield made(False, f"{year}{mark}", other.format(year, year + 2), "date")
    for n in range(2, 60, 3):
        yield made(True, str(n), f"{n}个" if zh else str(n), "number")
        yield made(False, str(n), f"{n + 1}个" if zh else str(n + 1), "number")
        yield made(
            False, str(n), f"{n}、{n + 1}或{n + 2}" if zh else f"{n}, {n + 1} or {n + 2}", "number"
        )
        yield made(False, str(n), f"{n}到{n + 3}" if zh else f"{n} to {n + 3}", "number")
        yield made(
            False,
            str(n),
            f"可能是{n},也可能是{n + 1}" if zh else f"maybe {n}, maybe {n + 1}",
            "number",
        )
        if zh:
            yield made(True, str(n), f"下辖{n}个区,分别是黄浦区、徐汇区、长宁区、静安区", "number")
            yield made(True, str(n), f"共有{n}个,包括甲、乙、丙、丁、戊", "number")


def _together(language: str) -> Iterator[Pair]:
    """Golds of several objects: all needed, or any of them."""
    for thing in things(language)[::4]:
        a, b, c = thing.others
        part = part_of(a)
        every = Gold(objects=((a,), (b,)), need_all=True, answer_type=thing.kind)
        any_of_them = Gold(objects=((a,), (b,), (c,)), answer_type=thing.kind)
        other = thing.names[0]
        join = "、".join if language == "zh" else ", ".join
        both = f"{a}和{b}" if language == "zh" else f"{a} and {b}"
        for answer, gold, right in (
            (both, every, True), (join((b, a)), every, True), (a, every, False), (b, every, False),
            (join((a, b, other)), every, False), (join((a, other)), every, False),
            (join((other, a, thing.topic, b)), every, False),
            (join((a, b, c)), any_of_them, True), (join((c, a)), any_of_them, True), (b, any_of_them, True),
            (other, any_of_them, False),
        ):  # fmt: skip
            kind = "all needed" if gold.need_all else "any of several"
            yield Pair(answer, gold, thing.question, right, kind, language, part)


def _turned(language: str, rng: random.Random) -> Iterator[Pair]:
    for thing in things(language):
        name, other = thing.names[0], thing.others[0]
        parts, others = name.split(), other.split()
        if thing.kind != "person" or (language == "en" and (len(parts) != 2 or len(others) != 2)):
            continue
        if (language == "en" and not (parts[0].isalpha() and parts[1].isalpha())) or parts[
            -1
        ] == others[-1]:
            continue
        fill = {"o": name, "x": other, "l": parts[-1], "f": parts[0], "g": others[0]}
        part = part_of(name)
        for row in rng.sample(_table()["turned"][language], 4):
            gold, question, answer, right = (
                row["gold"],
                row["question"],
                row["answer"],
                row["right"],
            )
            names = (gold.format(**fill),)
            if "{l} engine" in question:
                names = (name, parts[-1])
            yield Pair(
                answer.format(**fill), Gold(objects=(names,)), question.format(**fill), right,
                "repeats the question" if question else "turned gold", language, part,
            )  # fmt: skip


def natural(path: Path, language: str, most: int) -> Iterator[Pair]:
    """Sentences of a reading data set in which people marked the answer; right, as they stand."""
    rng = random.Random(SEED)
    records = list(read_jsonl(path))
    rng.shuffle(records)
    marks = "。！？" if language == "zh" else ". "
    given = 0
    for record in records:
        for asked in rng.sample(record["qas"], min(2, len(record["qas"]))):
            answer, start = asked["answers"][0], asked["starts"][0]
            start = start if isinstance(start, int) else start[0]
            text = record["text"]
            first = max(text.rfind(mark, 0, start) for mark in marks) + 1
            last = min(
                (i for i in (text.find(m, start + len(answer)) for m in marks) if i > 0),
                default=len(text),
            )
            sentence = text[first : last + 1].strip()
            if not 4 < len(sentence) < 220 or len(answer) > 40:
                continue
            gold = Gold(objects=((answer,),))
            yield Pair(
                sentence,
                gold,
                asked["question"],
                True,
                "sentence of a text",
                language,
                part_of(answer),
            )
            given += 1
            if given >= most:
                return


def nested(path: Path, most: int) -> Iterator[Pair]:
    """Names of a question set's subjects that hold a shorter name of another thing: 印度尼西亚 and 印度."""
    import rjieba

    same = ("省", "市", "县", "区", "镇", "乡", "村", "州", "族", "公司", "先生", "人")
    records = list(read_jsonl(path))
    subjects = sorted({str(record["s"]) for record in records})
    names = {str(record[key]) for record in records for key in ("s", "o")}
    short = {
        name
        for name in names
        if 2 <= len(name) <= 6
        and [t[:2] in ("ns", "nr", "nt") for _, t in rjieba.tag(name)] == [True]
    }
    rng = random.Random(SEED)
    rng.shuffle(subjects)
    given = 0
    for subject in subjects:
        if not 3 <= len(subject) <= 12 or not fold(subject).replace(" ", "").isalpha():
            continue
        for i in range(len(subject)):
            for j in range(i + 2, min(i + 7, len(subject) + 1)):
                inner, rest = subject[i:j], (subject[:i], subject[j:])
                if inner == subject or inner not in short or rest[1] in same or rest[0] in short:
                    continue
                answer = rng.choice(("{}", "{}", "是{}", "{}。", "答案是{}")).format(subject)
                question = rng.choice(("", "是谁?", "在哪里?"))
                gold = Gold(objects=((inner,),))
                yield Pair(
                    answer, gold, question, False, "name within a name", "zh", part_of(inner)
                )
                yield Pair(
                    rng.choice(("{}", "是{}。", "答案是{}", "即{}", "在{},不在别处")).format(inner),
                    gold, question, True, "sentence", "zh", part_of(inner),
                )  # fmt: skip
                given += 1
                if given >= most:
                    return
