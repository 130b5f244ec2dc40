"""Match and `matches`: whether an answer is right, and why.

What an answer has of a gold is found by rules, and what stands around it is put into numbers; how likely
people are to call such an answer right was learnt from their judgements (judge.py).
"""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from kg_builder.matching.answer import Answer, mend
from kg_builder.matching.dates import Date, agreement
from kg_builder.matching.features import Evidence, features, is_bare, is_settled, is_sure
from kg_builder.matching.golds import Name, finer, prepare
from kg_builder.matching.judge import judge
from kg_builder.matching.lexicon import any_of, pack
from kg_builder.matching.mentions import mentions, respaced
from kg_builder.matching.normalise import fold, is_ideograph, plain
from kg_builder.matching.overlap import overlap
from kg_builder.matching.quantities import is_lone_number, likeness
from kg_builder.matching.stance import OFFERED, REACH, REFUSED, refusal, refuses, turns_in
from kg_builder.matching.surroundings import FREE, INSIDE, WHOLE, Names, around, is_kind
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
    "doubtful": "ambiguous",  # as likely wrong as right
    "refused": "ambiguous",  # named by an answer that also says it does not know
    "incomplete": "wrong",  # not all of the objects that are needed
    "negated": "wrong",  # named and denied
    "declined": "wrong",  # the answer says that it does not know
    "absent": "wrong",
    "empty": "wrong",
}
_REASONS = tuple(REASONS)
_RANK = {reason: rank for rank, reason in enumerate(REASONS)}
_RIGHT = _RANK["reworded"]
_EARLY, _LATE = 100, 200  # characters before a name that make an aside of it
_MANY = 4  # others in a row that make it a list of guesses
_MOST_MENTIONS = 6  # of one name that are looked at
_SIGNS = "、·・《（(-"  # signs of a list, or of a name that may go on
# How much what stands on a side makes another name of it: an edge, a word, a noun, a name, joined, inside.
_DOUBTS_LEFT = (0, 0, 0, 1, 4, 5)
_DOUBTS_RIGHT = (0, 0, 2, 3, 4, 5)
_ANOTHER = 3  # from this doubt on it is rather another name,
_SURELY = 4  # and from this one on no likelihood helps
_BY_RULE = frozenset({"named", "number", "date", "rounded"})
_NUMERIC = frozenset({"number", "date", "rounded", "coarser", "near"})


class Match(NamedTuple):
    """The judgement of one answer.

    ``reason`` is one of REASONS; ``found`` is what decided; ``probability`` is how likely people are to
    call the answer right.
    """

    verdict: Verdict
    reason: str
    found: str = ""
    probability: float = 0.0


_ABSENT = Evidence(_RANK["absent"], 0, -1, -1, "absent", "asserted", "", WHOLE)


def matches(answer: str, gold: Gold, *, question: str = "", names: Names | None = None) -> Match:
    """Judge an answer against a gold.

    ``question`` makes the judgement finer: what the answer only repeats from it is no answer, and a
    question for a year or a person is satisfied by one. ``names`` are the names that the caller knows: in
    an answer the longer one is meant, 印度尼西亚 and not 印度. Never raises, whatever the text.
    """
    prepared = prepare(gold.objects, gold.need_all, gold.answer_type)
    flat = fold(answer)
    text = Answer(answer, flat, prepared, question, names)
    if not prepared.any_needle:
        return _judge(text)
    for needle in prepared.needles:
        place = flat.find(needle)
        if place >= 0:
            if _plainly(text, place, needle):
                return Match(
                    "right", "named", needle.strip(), judge(text.is_chinese).rates["plain"]
                )
            return _judge(text)
    for figure in prepared.figures:
        place = flat.find(figure)
        if place >= 0 and is_lone_number(answer, flat, figure) and _plainly(text, place, figure):
            return Match("right", "number", figure.strip(), judge(text.is_chinese).rates["plain"])
    return _judge(text)


def _plainly(text: Answer, place: int, needle: str) -> bool:
    """Whether a name stands in the answer with nothing around it that needs a closer look."""
    answer, flat = text.raw, text.flat
    if len(needle) == len(flat):
        return True
    end = place + len(needle)
    if place > _EARLY or len(needle) < 4 or flat.startswith(("的 ", "s "), end):
        return False
    if not answer.isascii():
        if any(sign in answer for sign in _SIGNS):
            return False
        before, after = flat[place - 1 : place], flat[end : end + 1]
        if (before and is_ideograph(before) and before not in FREE) or (
            after and is_ideograph(after) and after not in FREE
        ):
            return False
    if "," in answer or "1." in answer or " / " in answer or " and " in flat:
        return False
    around_it = flat[max(0, place - 2 * REACH) : end + 2 * REACH]
    if text.turns and (
        len(around_it) == len(flat)
        or text.turns & REFUSED
        or turns_in(around_it.split(), around_it)
    ):
        return False
    return not text.question or needle not in text.flat_question


def _judge(text: Answer) -> Match:
    gold = text.gold
    signs = text.plain.strip() or text.raw.strip()  # a lone diacritic is nothing in plain text
    if signs and signs in gold.written and (not gold.need_all or len(gold.objects) == 1):
        return Match("right", "named", signs, judge(text.is_chinese).rates["plain"])
    if text.flat == " ":
        return Match("wrong", "empty")
    return _verdict(*evidence(text))


def evidence(text: Answer) -> tuple[Answer, Evidence]:
    """What an answer has of its gold, and the answer: mended, where that makes more of it."""
    found = _best(text)
    if found.rank > _RIGHT:
        mended = mend(text.raw)
        if mended is not text.raw:
            again = Answer(mended, fold(mended), text.gold, text.question, text.names)
            better = _best(again)
            if better < found:
                return again, better
    return text, found


def _verdict(text: Answer, found: Evidence) -> Match:
    model = judge(text.is_chinese)
    said = (text.plain[found.start : found.end] if found.start >= 0 else found.needle).strip()
    reason = reason_of(text, found)
    if alone := decided(text, found, reason):
        reason = alone if alone == "hedged" else reason
        return Match(REASONS[reason], reason, said, model.rates[alone])
    values = features(text, found)
    probability = model.probability(values)
    limit = model.right
    if is_settled(values):
        limit = 0.0 if is_sure(values) else model.settled
    if reason == "refused":
        return Match("ambiguous", reason, said, probability)
    if reason == "absent":
        reason = "doubtful" if probability >= model.open else reason
    elif found.rank <= _RIGHT and (probability < limit or found.doubt >= _SURELY):
        reason = _why_not(text, found)
    return Match(REASONS[reason], reason, said, probability)


def reason_of(text: Answer, found: Evidence) -> str:
    """The reason that the rules give, however likely the answer."""
    return (_refused(text, found) if text.turns & REFUSED else "") or _REASONS[found.rank]


def decided(text: Answer, found: Evidence, reason: str) -> str:
    """What the rules alone decide: "plain", "hedged", or the ``reason`` of a wrong answer; "" if nothing."""
    if REASONS[reason] == "wrong":
        open_words = reason == "absent" and not text.is_chinese and text.question != ""
        return "" if open_words and not (text.gold.numeric or text.gold.proper) else reason
    if found.rank > _RIGHT or not 0 <= found.start <= _EARLY:
        return ""
    if text.turns & OFFERED and text.offers(found.start, found.end):
        return "hedged"
    if found.doubt or found.kind not in _BY_RULE:
        return ""
    return "plain" if is_bare(text, found) or _one_of_kinds(text, found) else ""


def _one_of_kinds(text: Answer, found: Evidence) -> bool:
    """Whether a Chinese answer lists a few kinds of thing, of which several may hold: 作家、诗人、翻译家."""
    if not text.is_chinese or found.kind != "named" or text.turns or text.gold.need_all:
        return False
    row, golds, _ = text.row(found.start, found.end)
    return 0 < row - golds < _MANY and is_kind(text.plain[found.start : found.end])


def _why_not(text: Answer, found: Evidence) -> str:
    """What speaks most against an answer that has a name of the gold."""
    row, golds, offered = text.row(found.start, found.end) if found.start >= 0 else (0, 0, False)
    if found.doubt >= _ANOTHER:
        return "related"
    if offered:
        return "hedged"
    if row > golds or text.lines()[0]:
        return "listed"
    return "aside" if found.start > _LATE else "doubtful"


def _refused(text: Answer, found: Evidence) -> str:
    """The reason where an answer says that it does not know; "" where that does not matter."""
    phrase = refusal(text.plain)
    if phrase is None:
        return ""
    if REASONS[_REASONS[found.rank]] == "wrong":
        return "declined" if found.rank == _ABSENT.rank else ""
    if found.start >= 0 and refuses(text.plain, phrase.start(), found.start):
        return "declined"
    return "refused" if found.rank <= _RANK["refused"] else ""


def _best(text: Answer) -> Evidence:
    """The best evidence for any object of the gold, or the worst where all are needed."""
    found: list[Evidence] = []
    for names in text.gold.objects:
        best = min(_find(text, name) for name in names)
        if best.rank <= _RIGHT and best.doubt == 0 and not text.gold.need_all:
            return best
        found.append(best)
    if not text.gold.need_all:
        return min(found)
    worst = max(found)
    if worst.rank >= _RANK["incomplete"] and min(found).rank <= _RIGHT:
        return min(found)._replace(rank=_RANK["incomplete"], incomplete=True)
    return worst


def _find(text: Answer, name: Name) -> Evidence:
    best, there = _ABSENT, False
    for needle in name.needles:
        if needle in text.flat:
            there = True
            best = min(best, _named(text, name, needle))
            if best.rank <= _RIGHT and best.doubt == 0:
                return best
    if not there and name.spaced and text.squeezed:
        for needle in name.spaced:
            respelled = respaced(needle, text.plain)
            if respelled is not None:
                best = min(best, _said(text, "named", *respelled, needle))
    if name.dates:
        best = min(best, _dated(text, name))
    if name.quantities:
        best = min(best, _counted(text, name))
    if there or best != _ABSENT:
        return best
    parts = [part for part in name.parts if part in text.flat] if name.parts else []
    if parts:
        kind = "reworded" if len(parts) == len(name.parts) else "partial"
        return _ABSENT._replace(rank=_RANK[kind], kind=kind, needle=parts[0])
    for place in name.places:
        if place in text.flat:
            return _ABSENT._replace(rank=_RANK["coarser"], kind="coarser", needle=place)
    for hint in name.words.hints if name.words is not None else ():
        if hint in text.flat:
            return _overlapping(text, name)
    return _part_of(text, name)


def _said(
    text: Answer, kind: str, start: int, end: int, needle: str = "", name: str = ""
) -> Evidence:
    """Evidence of one kind, with the stance of the answer towards it and what stands beside it."""
    stance: str = text.stance(start, end)
    if (
        needle
        and stance == "asserted"
        and needle in text.flat_question
        and not text.is_choice
        and text.repeats(start, end)
    ):
        stance = "echo"
    beside = WHOLE  # a number is what it is, whatever stands beside it
    if kind not in _NUMERIC and end - start > 1:
        beside = around(text.plain, text.raw, start, end, name)
    if needle and text.names is not None:
        longer = text.names.longer(text.plain, start, end)
        if longer and fold(longer) not in text.gold.needles:
            beside = beside._replace(right=INSIDE)
    doubt = max(_DOUBTS_LEFT[beside.left], _DOUBTS_RIGHT[beside.right], 2 * beside.title - 2)
    rank = _RANK[kind if stance == "asserted" else stance]
    return Evidence(rank, doubt, start, end, kind, stance, needle, beside)


def _named(text: Answer, name: Name, needle: str) -> Evidence:
    if len(needle) == len(text.flat):
        return Evidence(_RANK["named"], 0, 0, len(text.plain), "named", "asserted", needle, WHOLE)
    places = mentions(needle, text.plain)
    if not places and len(needle) > 3:  # folding sees more alike than the pattern does
        return Evidence(_RANK["named"], 0, -1, -1, "named", "asserted", needle, WHOLE)
    best = _ABSENT
    for start, end in places[:_MOST_MENTIONS]:
        if any(a <= start and end <= b and b - a > end - start for a, b in text.covered):
            continue  # the 北京 of a 北京市 that was judged already
        best = min(best, _said(text, "named", start, end, needle, name.plain))
    text.covered.extend(places)
    return best


def _dated(text: Answer, name: Name) -> Evidence:
    ends = [_date(text, gold) for gold in name.dates]  # one date, or both ends of a range
    if max(ends).rank == _ABSENT.rank and min(ends).rank <= _RIGHT:
        return min(ends)._replace(rank=_RANK["partial"], kind="partial")
    return max(ends)


def _date(text: Answer, gold: Date) -> Evidence:
    best = _ABSENT
    for date in text.dates:
        agreed = agreement(gold, date)
        if agreed == "other":
            continue
        exact = finer(text.gold, gold) if agreed == "same" and len(text.gold.dates) > 1 else ()
        if exact and all(agreement(e, date) == "other" for e in exact):
            continue
        kind = "date" if agreed == "same" or _asks_year(text, gold, date) else "coarser"
        best = min(best, _said(text, kind, date.start, date.end))
    return best


def _asks_year(text: Answer, gold: Date, date: Date) -> bool:
    return date.year == gold.year and date.span == 1 and asks(text.question, "year")


@functools.lru_cache(maxsize=1 << 14)
def asks(question: str, what: str) -> bool:
    """Whether a question asks for a "year" or a "person"."""
    return bool(question) and _asking(what).search(plain(question)) is not None


@functools.cache
def _asking(what: str) -> re.Pattern[str]:
    return re.compile(any_of([*pack("zh")["question"][what], *pack("en")["question"][what]]))


def _counted(text: Answer, name: Name) -> Evidence:
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
        kind = "number" if like == "same" else like
        start = quantity.start - _noun_before(text, name, quantity.start)
        best = min(best, _said(text, kind, start, quantity.end))
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


def _overlapping(text: Answer, name: Name) -> Evidence:
    assert name.words is not None
    person = text.gold.answer_type == "person" or asks(text.question, "person")
    found = overlap(name.words, text.tokens(name.words.proper), text.question_stems, person)
    if found.likeness == "absent":
        return _ABSENT
    said = text.plain[found.start : found.end]
    if found.likeness == "family_name" and any(
        f" {said} " in needle and needle in text.flat for needle in text.gold.needles
    ):
        return _ABSENT  # Marie Curie is another of the gold's objects
    return _said(text, found.likeness, found.start, found.end)


def _part_of(text: Answer, name: Name) -> Evidence:
    """A Chinese answer that gives a part of a name: 胃经 for 足阳明胃经."""
    if not name.pairs:
        return _ABSENT
    there = [pair for pair in name.pairs if pair in text.flat and pair not in text.flat_question]
    if not there:
        return _ABSENT
    whole = len(there) == len(text.words) - 1  # the answer is nothing but the part
    if whole or 2 * len(there) >= len(name.pairs):
        place = max(0, text.plain.find(there[0].replace(" ", "")))
        return _said(text, "partial", place, place + 2)
    return _ABSENT
