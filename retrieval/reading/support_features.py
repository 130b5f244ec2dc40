"""Support features: how a claim, the question behind it, and a quotation compare, as named numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kg_builder.matching.lexicon import any_of
from kg_builder.matching.normalise import fold, plain
from kg_builder.matching.numbers import other_script
from kg_builder.matching.stance import stance, turns_in
from kg_builder.question import Language
from retrieval.reading.reading_pack import reading_pack
from retrieval.reading.support_lexicon import SupportLexicon
from retrieval.reading.text_analysis import (
    TextAnalysis,
    Unit,
    analyse,
    same_date,
    same_number,
    unmatched_numbers,
)
from retrieval.segmentation import is_han
from retrieval.sentences import sentences

_OF_BRIEF = (
    "bare",
    "shape",
    "answer_far",
    "asked_outside_clause",
    "asked_missing_soft",
    "asked_missing_in_quote",
    "subject_missing",
    "subject_nowhere",
    "relation_nowhere",
    "new_missing_soft",
    "new_names_missing",
    "new_words_missing",
    "echo_missing",
    "modifier_clash",
    "other_subject",
)
_ASKS = re.compile(r"[?？][\"”」』）)]*\s*$")
_SERIES = re.compile(r"([\u4e00-\u9fff]{2})(\d+|[一二三四五六七八九十]+)(号|代|型|世)")
_MODEL = re.compile(r"[ -](\d{1,3}|[ivx]+)(?![\w%:,.]*\w)")
_ASKING = ("哪", "几", "多少")
_SINGLE = 0.3  # worth of a lone Chinese character, which is often a word cut wrongly
_NOUNS = ("n", "x", "j", "eng")  # parts of speech of which a rare word is taken for a name
_FAR = 40  # characters from which on an answer counts as far from the words asked for
_HEAD = 12  # characters within which a sentence names its subject
_MOST = 3.0  # a count in a feature is capped here


class Quotation(NamedTuple):
    """One or two sentences of a passage with what speaks of the same subject: title, sentence before."""

    text: str
    before: str
    title: str
    passage: str = ""  # all of it


class Comparison(NamedTuple):
    """The features of a claim beside a quotation, and whether a number of it is contradicted."""

    features: dict[str, float]
    contradicted: bool


class Claimed:
    """A claim with the question that resolves what it leaves out, ready to be compared."""

    def __init__(
        self, claim: str, question: str, language: Language, lexicon: SupportLexicon
    ) -> None:
        self.language, self.lexicon = language, lexicon
        self.text, self.question = claim, question
        self.said = analyse(claim, language)
        self.asked = _without_asking(analyse(question, language))
        self.words = asked_words(self.asked, language)
        self.asked_keys = {unit.key for unit in self.words}
        self.new = [unit for unit in self.said.units if not self._is_asked(unit.key)]
        self.echoed = [unit for unit in self.said.units if self._is_asked(unit.key)]
        self.names = [unit for unit in self.words if self._is_name(unit)]
        self.relation = [unit for unit in self.words if not self._is_name(unit)]
        shape = lexicon.answer_shape(
            cues(question, self.asked, language), shapes(self.new, self.said)
        )
        self.shape = -shape
        self.denies = denials(self.said, language)
        self.doubts = denials(self.asked, language)
        self.kept = {
            *qualifiers(self.said.flat, language),
            *qualifiers(self.asked.flat, language),
        }
        self._whole: tuple[tuple[str, str], _Cover] | None = None
        self.weights = {
            unit.key: lexicon.weight(unit.key) * (_SINGLE if _is_single(unit) else 1.0)
            for unit in (*self.said.units, *self.words)
        }

    def is_empty(self) -> bool:
        """Whether the claim says nothing that could be true or false."""
        return not (self.said.units or self.said.numbers or self.said.dates)

    def overlap(self, quotation: Quotation) -> float:
        """A cheap measure of how much of claim and question a quotation has."""
        quote = analyse(quotation.text, self.language)
        found = sum(self.weights[u.key] for u in self.new if quote.holds(u.key))
        found += sum(self.weights[u.key] for u in self.words if quote.holds(u.key)) / 2
        found += sum(any(same_number(q, o) for o in quote.numbers) for q in self.said.numbers)
        return found + sum(any(same_date(d, o) for o in quote.dates) for d in self.said.dates)

    def compare(self, quotation: Quotation) -> Comparison:
        """Every feature is 0 where nothing is amiss or nothing is known, and grows with what is."""
        language, said, asked = self.language, self.said, self.asked
        quote = analyse(quotation.text, language)
        around = _merged(
            analyse(quotation.title, language), analyse(quotation.before, language), quote
        )
        if contradicted(said, asked, quote, around):
            return Comparison({}, True)
        places = _places(self.new, said, asked, quote)
        home = self._home(quotation, quote, places)
        if any(_numbered_clash(one, home) for one in (said, asked)):
            return Comparison({}, True)
        cover = _Cover(self.lexicon, self.weights, quote)
        wide = _Cover(self.lexicon, self.weights, around)
        whole = self._passage(quotation)
        features: dict[str, float] = {}

        # What the claim adds to the question has to stand in the quotation itself.
        features["new_missing"] = cover.missing(self.new)
        features["new_missing_soft"] = cover.missing(self.new, soft=True)
        new_names = [u for u in self.new if self._is_name(u)]
        new_words = [u for u in self.new if not self._is_name(u)]
        features["new_names_missing"] = cover.lacking(new_names)
        features["new_words_missing"] = cover.lacking(new_words, soft=True)
        features["nothing_new"] = float(not self.new and not said.numbers and not said.dates)

        # What the question and the claim share may stand around it: the title names the subject.
        features["echo_missing"] = wide.missing(self.echoed)
        features["asked_missing"] = wide.missing(self.words)
        features["asked_missing_soft"] = wide.missing(self.words, soft=True)
        features["asked_missing_in_quote"] = _Cover(self.lexicon, self.weights, home).missing(
            self.words, soft=True
        )
        features["subject_missing"] = wide.lacking(self.names)
        features["asked_relation_missing"] = wide.lacking(self.relation, soft=True)
        features["echo_nowhere"] = whole.missing(self.echoed)
        features["asked_nowhere"] = whole.missing(self.words, soft=True)
        features["subject_nowhere"] = whole.lacking(self.names)
        features["relation_nowhere"] = whole.lacking(self.relation, soft=True)
        features["asked_numbers_missing"] = min(_MOST, float(sum(unmatched_numbers(asked, around))))
        clashes = _modifier_clashes(self.words, home) + _modifier_clashes(said.units, home)
        features["modifier_clash"] = min(_MOST, float(clashes))

        features["other_subject"] = float(self._other_subject(home, quotation.title))

        # How the answer stands in the quotation.
        beside = [unit for unit in quote.units if self._is_asked(unit.key)]
        features["answer_far"] = _distance(places, beside)
        features["asked_outside_clause"] = _outside(places, beside, quote, self.lexicon)
        features["shape"] = self.shape
        features["swapped"] = float(self._swapped(quote))

        # Denials, guesses and questions.
        spans = sorted({quote.clause(place) for place in places}) or [(0, len(quote.flat))]
        clauses = " ".join(quote.flat[start:end] for start, end in spans)
        denied = denials(quote, language, spans)
        expected = len(self.denies) if self.echoed or len(self.new) > 2 else len(self.doubts)
        features["denied_by_claim"] = float(len(self.denies) > len(self.doubts) and not denied)
        features["denied_in_quote"] = float(not self.denies and not self.doubts and bool(denied))
        features["less_denied"] = float(len(denied) > expected)
        features["more_denied"] = float(len(self.denies) > len(denials(quote, language)))
        features["stance"] = float(not self.denies and _stance(self.new, said, quote, asked))
        features["asks"] = float(_ASKS.search(quotation.text) is not None)
        features["qualifier_dropped"] = float(
            not self.kept.issuperset(qualifiers(clauses, language))
        )

        # What kind of claim it is: the same lack means more where little else is said.
        features["bare"] = float(not self.echoed)
        features["short"] = float(len(self.new) < 2)
        brief = 1 / (1 + len(self.new) / 4)
        for name in _OF_BRIEF:
            features[f"brief_{name}"] = brief * features[name]
        return Comparison(features, False)

    def _passage(self, quotation: Quotation) -> _Cover:
        """What title and passage have together; the last one is kept, as all quotations share it."""
        key = (quotation.title, quotation.passage)
        if self._whole is None or self._whole[0] != key:
            texts = [quotation.title, *(piece.text for piece in sentences(quotation.passage))]
            merged = _merged(*(analyse(text, self.language) for text in texts))
            self._whole = key, _Cover(self.lexicon, self.weights, merged)
        return self._whole[1]

    def _home(
        self, quotation: Quotation, quote: TextAnalysis, places: Sequence[int]
    ) -> TextAnalysis:
        """The sentences of a quotation that have something of what the claim adds; all where none has."""
        pieces = [analyse(piece.text, self.language) for piece in sentences(quotation.text)]
        if len(pieces) < 2:
            return quote
        having = [piece for piece in pieces if _places(self.new, self.said, self.asked, piece)]
        return _merged(*having) if places and having else quote

    def _other_subject(self, home: TextAnalysis, title: str) -> bool:
        """Whether the sentence begins with a name of which neither claim, question nor title speaks."""
        if not self.names or any(home.holds(unit.key) for unit in self.names):
            return False
        first = next((unit for unit in home.units if unit.name or unit.opens), None)
        known = (self.said, self.asked, analyse(title, self.language))
        return (
            first is not None
            and first.start < _HEAD
            and not any(text.holds(first.key) for text in known)
        )

    def _is_asked(self, key: str) -> bool:
        return key in self.asked_keys or (len(key) > 1 and is_han(key) and key in self.asked.han)

    def _is_name(self, unit: Unit) -> bool:
        rare = unit.opens or unit.tag.startswith(_NOUNS)
        return unit.name or (rare and self.lexicon.is_rare(unit.key))

    def _swapped(self, quote: TextAnalysis) -> bool:
        """Whether two names around the same word have changed places: 甲击败乙, 乙击败甲."""
        names = [unit for unit in self.said.units if self._is_name(unit)]
        order = {unit.key: unit.start for unit in reversed(quote.units)}
        for first, second in itertools.pairwise(names):
            a, b = order.get(first.key), order.get(second.key)
            if a is None or b is None or a < b or first.key == second.key:
                continue
            middle = [u.key for u in self.said.units if first.end <= u.start < second.start]
            if any(key in order and b < order[key] < a for key in middle):
                return True
        return False


def contradicted(
    said: TextAnalysis, asked: TextAnalysis, quote: TextAnalysis, around: TextAnalysis
) -> bool:
    """Whether a number or date of the claim is nowhere in the quotation.

    One that the question has already may stand in the title or the sentence before.
    """
    for number in said.numbers:
        known = any(same_number(number, other) for other in asked.numbers)
        source = around if known else quote
        if any(same_number(number, other) for other in source.numbers):
            continue
        if any(date.year is not None and number.value == abs(date.year) for date in source.dates):
            continue
        if not known and not number.ordinal:
            return True
    for date in said.dates:
        known = any(same_date(date, other) for other in asked.dates)
        source = around if known else quote
        if any(same_date(date, other) for other in source.dates):
            continue
        if date.month is None and any(q.value == date.year for q in source.numbers):
            continue
        if not known:
            return True
    return False


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def asked_words(asked: TextAnalysis, language: Language) -> list[Unit]:
    """The content of a question, without the words that ask."""
    interrogatives = reading_pack(language).interrogatives
    return [unit for unit in asked.units if unit.key not in interrogatives]


def _without_asking(asked: TextAnalysis) -> TextAnalysis:
    """A question without the numbers that belong to what it asks: the 一年 of 哪一年."""
    numbers = tuple(q for q in asked.numbers if not asked.flat[: q.start].endswith(_ASKING))
    return asked._replace(numbers=numbers)


def _is_single(unit: Unit) -> bool:
    return len(unit.key) == 1 and is_han(unit.key) and not unit.name


def cues(question: str, asked: TextAnalysis, language: Language) -> list[str]:
    """What tells the kind of answer: the question word with the word behind it, then each alone."""
    flat = plain(question)
    found = _interrogative_pattern(language).search(flat)
    if found is None:
        return []
    word = found.group()
    after = next((unit.key for unit in asked.units if unit.start >= found.end()), "")
    near = after if after and flat[found.end() :].lstrip().startswith(after[:2]) else ""
    return [f"{word} {near}", word] if near else [word]


def shapes(new: Sequence[Unit], said: TextAnalysis) -> list[str]:
    """The kinds of what a claim adds: number with its dimension, date, parts of speech."""
    found = [f"number {q.dimension}".strip() for q in said.numbers]
    found += ["date" for _ in said.dates]
    for unit in new:
        if is_han(unit.key):
            found.append(unit.tag[:2])
        else:
            found.append("name" if unit.name else "word")
    return list(dict.fromkeys(found))


class _Cover:
    """Which words a text has, literally or by what was learnt of other words for them."""

    def __init__(
        self, lexicon: SupportLexicon, weights: dict[str, float], text: TextAnalysis
    ) -> None:
        self.lexicon, self.weights, self.text = lexicon, weights, text
        self._degrees: dict[tuple[str, bool], float] = {}

    def degree(self, key: str, soft: bool) -> float:
        """1 where the text has the word; softly also a part where it has another for it."""
        found = self._degrees.get((key, soft))
        if found is None:
            found = self._degrees[key, soft] = self._degree(key, soft)
        return found

    def _degree(self, key: str, soft: bool) -> float:
        if self.text.holds(key):
            return 1.0
        found = 0.0
        if is_han(key):
            if len(key) > 2:
                pairs = [key[i : i + 2] for i in range(len(key) - 1)]
                found = sum(pair in self.text.han for pair in pairs) / len(pairs)
            if soft:
                found = max(found, max((_alike(key, o) for o in self.text.keys), default=0.0))
        elif soft and len(key) > 4:
            found = 0.7 * any(other.startswith(key[:5]) for other in self.text.keys)
        return found

    def missing(self, units: Sequence[Unit], soft: bool = False) -> float:
        """The share of the units that is missing, by how telling each is."""
        total = sum(self.weights[unit.key] for unit in units)
        if not total:
            return 0.0
        lost = sum(self.weights[u.key] * (1 - self.degree(u.key, soft)) for u in units)
        return lost / total

    def lacking(self, units: Sequence[Unit], soft: bool = False) -> float:
        """How many of the units are missing, by how telling each is, capped."""
        lost = sum(self.weights[u.key] for u in units if self.degree(u.key, soft) < 0.5)
        return min(lost, _MOST)


def _alike(a: str, b: str) -> float:
    """The share of characters that two Chinese words have in common: one half for 成立 and 创立."""
    return 2 * sum(c in b for c in a) / (len(a) + len(b)) if a[0] in b or a[-1] in b else 0.0


def _merged(*texts: TextAnalysis) -> TextAnalysis:
    """Several texts as one; the places of words and numbers remain those within each."""
    return TextAnalysis(
        "。".join(text.flat for text in texts),
        tuple(unit for text in texts for unit in text.units),
        tuple(number for text in texts for number in text.numbers),
        tuple(date for text in texts for date in text.dates),
        frozenset[str]().union(*(text.keys for text in texts)),
        " ".join(text.han for text in texts),
    )


def _modifier_clashes(units: Sequence[Unit], text: TextAnalysis) -> int:
    """Pairs of neighbouring words of which the text has the second, but never the first: 企业账户."""
    clashes = 0
    for left, right in itertools.pairwise(units):
        if right.start - left.end > 1 or left.end > right.start:
            continue
        if text.holds(right.key) and not text.holds(left.key):
            clashes += 1
    return clashes


def _numbered_clash(claimed: TextAnalysis, source: TextAnalysis) -> bool:
    """Whether a numbered name (天璇二号, the Zephyr 2) stands in the source only with other numbers."""
    there = _numbered(source)
    return any(
        name in there and numbers.isdisjoint(there[name])
        for name, numbers in _numbered(claimed).items()
    )


def _numbered(text: TextAnalysis) -> dict[str, set[str]]:
    """The numbers that names of a series have: those before 号 or 代, and those behind a Latin name."""
    found: dict[str, set[str]] = {}
    for name, number, kind in _SERIES.findall(text.flat):
        found.setdefault(name + kind, set()).add(other_script(number) or number)
        found[name + kind].add(number)
    for unit in text.units:
        if (unit.name or unit.opens) and not is_han(unit.key):
            model = _MODEL.match(text.flat, unit.end)
            if model:
                found.setdefault(unit.key, set()).add(model[1])
    return found


# ── places ───────────────────────────────────────────────────────────────────────────────────────


def _places(
    new: Sequence[Unit], said: TextAnalysis, asked: TextAnalysis, quote: TextAnalysis
) -> list[int]:
    """Where the quotation has what the claim adds."""
    keys = {unit.key for unit in new}
    places = [unit.start for unit in quote.units if unit.key in keys]
    for key in keys - {unit.key for unit in quote.units}:
        place = quote.flat.find(key) if is_han(key) and len(key) > 1 else -1
        if place >= 0:
            places.append(place)
    numbers = [q for q in said.numbers if not any(same_number(q, o) for o in asked.numbers)]
    days = [d for d in said.dates if not any(same_date(d, o) for o in asked.dates)]
    places += [q.start for q in quote.numbers if any(same_number(own, q) for own in numbers)]
    places += [d.start for d in quote.dates if any(same_date(own, d) for own in days)]
    return sorted(places)


def _distance(places: Sequence[int], beside: Sequence[Unit]) -> float:
    """How far on average the asked words stand from the nearest added one, 0 to 1."""
    if not places:
        return 1.0
    if not beside:
        return 0.5
    nearest: dict[str, int] = {}
    for unit in beside:
        gap = min(abs(unit.start - place) for place in places)
        nearest[unit.key] = min(gap, nearest.get(unit.key, _FAR), _FAR)
    return sum(nearest.values()) / len(nearest) / _FAR


def _outside(
    places: Sequence[int], beside: Sequence[Unit], quote: TextAnalysis, lexicon: SupportLexicon
) -> float:
    """The share of the asked words of the quotation that stand in none of the answer's clauses."""
    spans = {quote.clause(place) for place in places}
    weights: dict[str, float] = {}
    near: set[str] = set()
    for unit in beside:
        weights[unit.key] = lexicon.weight(unit.key)
        if any(start <= unit.start < end for start, end in spans):
            near.add(unit.key)
    total = sum(weights.values())
    return sum(w for key, w in weights.items() if key not in near) / total if total else 0.0


# ── denials ──────────────────────────────────────────────────────────────────────────────────────


def _stance(
    new: Sequence[Unit], said: TextAnalysis, quote: TextAnalysis, asked: TextAnalysis
) -> bool:
    """Whether the quotation denies or only guesses what the claim adds, and the claim does not."""
    turns = turns_in(fold(quote.flat).split(), fold(quote.flat))
    if not turns:
        return False
    for unit in new:
        place = quote.flat.find(unit.key)
        end = place + len(unit.key)
        if place >= 0 and stance(quote.flat, place, end, asked.flat, turns) == "negated":
            own = said.flat.find(unit.key)
            mine = turns_in(fold(said.flat).split(), fold(said.flat))
            if own < 0 or not mine:
                return True
    return False


def denials(
    text: TextAnalysis, language: Language, spans: Sequence[tuple[int, int]] | None = None
) -> list[str]:
    """The words of a text, or of some spans of it, that deny; not those which only look so."""
    if language == "en":
        parts = [text.flat[start:end] for start, end in spans] if spans is not None else [text.flat]
        return [word for part in parts for word in _found(reading_pack("en").negations, part, "en")]
    pack = reading_pack(language)
    return [
        unit.key
        for unit in text.units
        if any(word in unit.key for word in pack.negations)
        and not unit.name
        and unit.key not in pack.harmless
        and (spans is None or any(start <= unit.start < end for start, end in spans))
    ]


def qualifiers(text: str, language: Language) -> list[str]:
    """The words of plain text that restrict what is said."""
    return _found(reading_pack(language).qualifiers, text, language)


def _found(entries: tuple[str, ...], text: str, language: Language) -> list[str]:
    harmless = _pattern(reading_pack(language).harmless)
    return _pattern(entries).findall(harmless.sub("＿", text))


@lru_cache
def _pattern(entries: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words; "n't" at the end of another, other Latin words whole."""
    whole = any_of([entry for entry in entries if entry != "n't"])
    return re.compile(rf"{whole}|n't(?![a-z])" if "n't" in entries else whole)


@lru_cache
def _interrogative_pattern(language: Language) -> re.Pattern[str]:
    entries = sorted(reading_pack(language).interrogatives - {"一", "name", "type", "kind"})
    return re.compile(any_of(entries))
