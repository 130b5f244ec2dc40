"""Match and `matches`: whether an answer is right, and why."""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from kg_builder.matching.answer import Answer, mend
from kg_builder.matching.dates import Date, agreement
from kg_builder.matching.golds import Name, finer, prepare
from kg_builder.matching.lexicon import any_of, pack
from kg_builder.matching.mentions import mentions, respaced
from kg_builder.matching.normalise import fold, is_ideograph, plain
from kg_builder.matching.overlap import overlap
from kg_builder.matching.quantities import is_lone_number, likeness
from kg_builder.matching.stance import REACH, REFUSED, refusal, refuses, turns_in
from kg_builder.question import Gold

Verdict = Literal["right", "wrong", "ambiguous"]

# Why, from the best that can be said of an answer to the worst.
REASONS: dict[str, Verdict] = {
    "named": "right",  # a name of the gold stands in the answer
    "number": "right",  # the same quantity, however written
    "date": "right",  # the same time, as precisely or more so
    "rounded": "right",  # the same quantity, rounded
    "inflected": "right",  # the words of the name, inflected
    "short_name": "right",  # a person without middle names, by initials or a short form
    "reworded": "right",  # all the words of the name close together in another order
    "aside": "ambiguous",  # named, but only late in a long answer
    "listed": "ambiguous",  # one of several that the answer offers
    "hedged": "ambiguous",  # one of several candidates
    "family_name": "ambiguous",  # a family name that may be another's
    "coarser": "ambiguous",  # the year of a day, the province of a town
    "near": "ambiguous",  # about the same number
    "partial": "ambiguous",  # half of the name or more
    "related": "ambiguous",  # as part of another name: 岳飞的儿子, 北京大学
    "echo": "ambiguous",  # named only where the answer repeats the question
    "refused": "ambiguous",  # named by an answer that also says it does not know
    "incomplete": "wrong",  # not all of the objects that are needed
    "negated": "wrong",  # named and denied
    "declined": "wrong",  # the answer says that it does not know
    "absent": "wrong",
    "empty": "wrong",
}
_REASONS = tuple(REASONS)
_RANK = {reason: rank for rank, reason in enumerate(REASONS)}
# A name that first comes so many folded characters into an answer, or so many sentences and fewer
# characters, is no longer the answer but an aside.
_LATE, _LATE_SENTENCES, _EARLY = 200, 3, 100
_BY_WORDS = frozenset({"inflected", "short_name", "reworded", "family_name", "partial"})


class Match(NamedTuple):
    """The judgement of one answer. ``reason`` is one of REASONS; ``found`` is what decided."""

    verdict: Verdict
    reason: str
    found: str = ""


_Finding = tuple[int, str]  # rank of the reason, and what was found
_ABSENT: _Finding = (_RANK["absent"], "")
_RIGHT = max(rank for reason, rank in _RANK.items() if REASONS[reason] == "right")
_IS_ABSENT = Match("wrong", "absent")
_IS_EMPTY = Match("wrong", "empty")


def matches(answer: str, gold: Gold, *, question: str = "") -> Match:
    """Judge an answer against a gold.

    ``question`` makes the judgement finer: what the answer only repeats from it is no answer, and a
    question for a year or a person is satisfied by one. Never raises, whatever the text.
    """
    prepared = prepare(gold.objects, gold.need_all, gold.answer_type)
    flat = fold(answer)
    text = Answer(answer, flat, prepared, question)
    if not prepared.any_needle:
        return _judge(text, gold)
    for needle in prepared.needles:
        place = flat.find(needle)
        if place >= 0:
            if _plainly(text, place, needle):
                return Match("right", "named", needle.strip())
            return _judge(text, gold)
    for figure in prepared.figures:
        place = flat.find(figure)
        if place >= 0 and is_lone_number(answer, flat, figure) and _plainly(text, place, figure):
            return Match("right", "number", figure.strip())
    if prepared.numeric or flat == " " or _may_hold(text) or text.turns & REFUSED:
        return _judge(text, gold)
    return _IS_ABSENT


def _plainly(text: Answer, place: int, needle: str) -> bool:
    """Whether a name stands in the answer with nothing around it that needs a closer look."""
    answer, flat = text.raw, text.flat
    if len(needle) == len(flat):
        return True
    end = place + len(needle)
    if place > _EARLY or len(needle) < 4 or flat.startswith(("的 ", "s "), end):
        return False
    if not answer.isascii() and ("、" in answer or "·" in answer or "・" in answer):
        return False  # a list, or a name that may go on
    if "《" in answer or (
        text.gold.answer_type in ("person", "work") and is_ideograph(flat[end : end + 1] or "a")
    ):
        return False
    if answer.count(",") > 2 or "1." in answer or " / " in answer:
        return False
    around = flat[max(0, place - 2 * REACH) : end + 2 * REACH]
    if text.turns and (
        len(around) == len(flat) or text.turns & REFUSED or turns_in(around.split(), around)
    ):
        return False
    return not text.question or needle not in text.flat_question


def _may_hold(text: Answer) -> bool:
    """Whether an answer without any of the names may still hold one, in part or in other words."""
    for hint in text.gold.hints:
        if hint in text.flat:
            return True
    return bool(text.gold.squeezed) and text.squeezed


def _judge(text: Answer, gold: Gold) -> Match:
    signs = text.plain.strip() or text.raw.strip()  # a lone diacritic is nothing in plain text
    if signs and signs in text.gold.written and (not gold.need_all or len(gold.objects) == 1):
        return Match("right", "named", signs)
    if text.flat == " ":
        return _IS_EMPTY
    rank, found = _best(text)
    if rank > _RIGHT:
        mended = mend(text.raw)
        if mended is not text.raw:
            again = Answer(mended, fold(mended), text.gold, text.question)
            rank, found = min((rank, found), _best(again))
    if text.turns & REFUSED:
        rank = _refused(text, rank, found)
    reason = _REASONS[rank]
    return Match(REASONS[reason], reason, found.strip())


def _best(text: Answer) -> _Finding:
    """The best finding for any object of the gold, or the worst where all are needed."""
    found: list[_Finding] = []
    for names in text.gold.objects:
        best = _find(text, names[0])
        for name in names[1:]:
            if best[0] == 0:
                break
            best = min(best, _find(text, name))
        if best[0] <= _RIGHT and not text.gold.need_all:
            return best
        found.append(best)
    if not text.gold.need_all:
        return min(found)
    worst = max(found)
    if worst[0] >= _RANK["incomplete"] and min(found)[0] <= _RIGHT:
        return _RANK["incomplete"], min(found)[1]
    return worst


def _find(text: Answer, name: Name) -> _Finding:
    best, there = _ABSENT, False
    for needle in name.needles:
        if needle in text.flat:
            there = True
            best = min(best, _named(text, name, needle))
            if best[0] <= _RIGHT:
                return best
    if not there and name.spaced and text.squeezed:
        for needle in name.spaced:
            respelled = respaced(needle, text.plain)
            if respelled is not None:
                start, end = respelled
                best = min(best, _said(text, "named", text.plain[start:end], start, end))
    if name.dates:
        best = min(best, _dated(text, name))
    if name.quantities:
        best = min(best, _counted(text, name))
    if there or best != _ABSENT:
        return best
    parts = [part for part in name.parts if part in text.flat] if name.parts else []
    if parts:
        return _RANK["reworded" if len(parts) == len(name.parts) else "partial"], parts[0]
    for place in name.places:
        if place in text.flat:
            return _RANK["coarser"], place
    for hint in name.words.hints if name.words is not None else ():
        if hint in text.flat:
            return _overlapping(text, name)
    return _part_of(text, name)


def _said(text: Answer, reason: str, found: str, start: int, end: int) -> _Finding:
    """A reason to call the answer right, or what the words around it make of that."""
    stance = text.stance(start, end)
    if stance != "asserted":
        return _RANK[stance], found
    if _RANK[reason] > _RIGHT or text.gold.need_all:
        return _RANK[reason], found
    if text.itemizes(start) or text.enumerates(start, end):
        return _RANK["listed"], found
    before = len(fold(text.plain[:start])) if start > _EARLY // 2 else 0
    if before > _LATE or (before > _EARLY and text.sentences(start) >= _LATE_SENTENCES):
        return _RANK["aside"], found
    return _RANK[reason], found


def _named(text: Answer, name: Name, needle: str) -> _Finding:
    if len(needle) == len(text.flat):
        return _RANK["named"], needle
    echoed = text.question != "" and needle in text.flat_question and not text.is_choice
    best = _ABSENT
    places = mentions(needle, text.plain)
    for start, end in places:
        if any(a <= start and end <= b and b - a > end - start for a, b in text.covered):
            continue  # the 北京 of a 北京市 that was judged already
        if echoed and text.repeats(start, end):
            finding = _RANK["echo"], needle
        elif text.longer(start, end, name, needle):
            finding = _RANK["related"], needle
        else:
            finding = _said(text, "named", needle, start, end)
        best = min(best, finding)
    text.covered.extend(places)
    if not places and len(needle) > 3:  # folding sees more alike than the pattern does
        return _RANK["named"], needle
    return best


def _dated(text: Answer, name: Name) -> _Finding:
    ends = [_date(text, gold) for gold in name.dates]  # one date, or both ends of a range
    if max(ends)[0] == _ABSENT[0] and min(ends)[0] <= _RIGHT:
        return _RANK["partial"], min(ends)[1]
    return max(ends)


def _date(text: Answer, gold: Date) -> _Finding:
    best = _ABSENT
    for date in text.dates:
        agreed = agreement(gold, date)
        if agreed == "other":
            continue
        exact = finer(text.gold, gold) if agreed == "same" and len(text.gold.dates) > 1 else ()
        if exact and all(agreement(e, date) == "other" for e in exact):
            continue
        reason = "date" if agreed == "same" or _asks_year(text, gold, date) else "coarser"
        found = text.plain[date.start : date.end]
        best = min(best, _said(text, reason, found, date.start, date.end))
    return best


def _asks_year(text: Answer, gold: Date, date: Date) -> bool:
    return date.year == gold.year and date.span == 1 and asks(text.question, "year")


@functools.lru_cache(maxsize=1 << 14)
def asks(question: str, what: str) -> bool:
    """Whether a question asks for a "year" or a "person"."""
    words = [*pack("zh")["question"][what], *pack("en")["question"][what]]
    return bool(question) and re.search(any_of(words), plain(question)) is not None


def _counted(text: Answer, name: Name) -> _Finding:
    best = _ABSENT
    gold = name.quantities[0]
    for quantity in text.numbers:
        if quantity.bare:
            continue
        like = likeness(gold, quantity)
        if like == "other" or quantity not in text.quantities:
            continue
        alone = len(text.quantities) == 1 and len(text.words) < 4
        if not (alone or _counts(text, name)):
            continue
        reason = "number" if like == "same" else like
        found = text.plain[quantity.start : quantity.end]
        start = quantity.start - _noun_before(text, name, quantity.start)
        best = min(best, _said(text, reason, found, start, quantity.end))
    return best


def _noun_before(text: Answer, name: Name, place: int) -> int:
    """Characters of the gold's noun that stand right before its number: what denies it denies both."""
    noun = name.noun.strip() if name.noun.isascii() else name.noun.replace(" ", "")
    before = text.plain[:place]
    gap = len(before) - len(before.rstrip())
    return len(noun) + gap if noun and before.rstrip().endswith(noun) else 0


def _counts(text: Answer, name: Name) -> bool:
    """Whether what the gold counts is what the answer or the question speaks of."""
    if not name.noun or name.noun in text.flat or name.noun in text.flat_question:
        return True
    stems = text.question_stems.union(text.tokens(False).stems)
    return all(noun in stems or noun.removesuffix("s") in stems for noun in name.noun.split())


def _overlapping(text: Answer, name: Name) -> _Finding:
    assert name.words is not None
    person = text.gold.answer_type == "person" or asks(text.question, "person")
    found = overlap(name.words, text.tokens(name.words.proper), text.question_stems, person)
    reason: str = found.likeness
    if reason == "absent":
        return _ABSENT
    said = text.plain[found.start : found.end]
    if reason == "family_name" and any(
        f" {said} " in needle and needle in text.flat for needle in text.gold.needles
    ):
        return _ABSENT  # Marie Curie is another of the gold's objects
    return _said(text, reason, said, found.start, found.end)


def _part_of(text: Answer, name: Name) -> _Finding:
    """A Chinese answer that gives a part of a name: 胃经 for 足阳明胃经."""
    if not name.pairs:
        return _ABSENT
    there = [pair for pair in name.pairs if pair in text.flat and pair not in text.flat_question]
    if not there:
        return _ABSENT
    whole = len(there) == len(text.words) - 1  # the answer is nothing but the part
    if whole or 2 * len(there) >= len(name.pairs):
        place = max(0, text.plain.find(there[0].replace(" ", "")))
        return _said(text, "partial", there[0], place, place + 2)
    return _ABSENT


def _refused(text: Answer, rank: int, found: str) -> int:
    phrase = refusal(text.plain)
    if phrase is None:
        return rank
    if REASONS[_REASONS[rank]] == "wrong":
        return _RANK["declined"] if rank == _ABSENT[0] else rank
    needle = found.strip()
    place = text.plain.find(needle.replace(" ", "") if not needle.isascii() else needle)
    if place >= 0 and refuses(text.plain, phrase.start(), place):
        return _RANK["declined"]
    return max(rank, _RANK["refused"])
