"""Answer: a model's text with the readings that a gold asks for, each made once and only if needed."""

from __future__ import annotations

import functools
import re

from kg_builder.matching.dates import Date, agreement, dates, more_than_years
from kg_builder.matching.golds import Prepared
from kg_builder.matching.normalise import fold, is_ideograph, plain
from kg_builder.matching.overlap import Tokens, question_stems, tokens
from kg_builder.matching.quantities import Quantity, likeness, quantities
from kg_builder.matching.stance import (
    OFFERED,
    REFUSED,
    Stance,
    may_own,
    stance,
    turns_in,
)
from kg_builder.matching.stems import stem
from kg_builder.matching.surroundings import Names

# Text copied from web pages loses spaces around links and gains the numbers of footnotes.
# Every branch begins with a capital or a digit, which most characters of an answer are not.
_DAMAGE = re.compile(
    r"[A-Z\d](?:(?<=[a-z][A-Z])|(?<=[A-Za-z\"”)]\d)|(?<=\d)(?:\d{3}[A-Za-z]|\. \d)|(?<=[12])\d{4})"
)
_FOOTNOTE = re.compile(
    r"(?<=[A-Za-z\"”)])\d{1,3}(?=[\s.,;:]|$)|(?<=(?<!\d)[12]\d{3})\d{1,2}(?=[.,;]?(?:\s|$))"
)
_GLUED = re.compile(r"(?<=[a-z])(?=[A-Z][a-z]|[12]\d{3}(?!\d))|(?<=\d{4})(?=[A-Za-z]{2,}\b)")
_SHORT = 2  # blanks; in fewer words nothing was glued together
_APART = re.compile(r"(?<=\d)\. (?=\d)")


def mend(text: str) -> str:
    """Take apart what was glued together: "byMickey Rourke1." is "by Mickey Rourke."."""
    if text.count(" ") < _SHORT or not _DAMAGE.search(text):
        return text  # H2O2 has no footnote
    mended = _APART.sub(".", _GLUED.sub(" ", _FOOTNOTE.sub("", text)))
    return text if mended == text else mended


class Answer:
    """One answer, held against one gold."""

    _words: list[str] | None = None
    _turns: int | None = None
    _plain: str | None = None
    _dates: list[Date] | None = None
    _numbers: list[Quantity] | None = None
    _quantities: list[Quantity] | None = None

    def __init__(
        self, raw: str, flat: str, gold: Prepared, question: str, names: Names | None = None
    ) -> None:
        self.raw = raw
        self.flat = flat
        self.gold = gold
        self.question = question
        self.names = names
        self.covered: list[tuple[int, int]] = []  # mentions of names that have been judged
        self._tokens: dict[bool, Tokens] = {}

    @property
    def plain(self) -> str:
        if self._plain is None:
            self._plain = plain(self.raw)
        return self._plain

    @property
    def words(self) -> list[str]:
        if self._words is None:
            self._words = self.flat.split()
        return self._words

    @property
    def turns(self) -> int:
        """What may turn the meaning of what it names, as bits (stance.turns_in)."""
        if self._turns is None:
            self._turns = turns_in(self.words, self.flat) | (OFFERED if " / " in self.raw else 0)
        return self._turns

    @property
    def squeezed(self) -> bool:
        """Whether a name of the gold would stand here, were it not for spaces."""
        letters = self.flat.replace(" ", "")
        return any(name in letters for name in self.gold.squeezed)

    @property
    def dates(self) -> list[Date]:
        if self._dates is None:
            self._dates = dates(self.plain)
        return self._dates

    @property
    def numbers(self) -> list[Quantity]:
        if self._numbers is None:
            self._numbers = quantities(self.plain)
        return self._numbers

    @property
    def quantities(self) -> list[Quantity]:
        """The numbers that are not part of a date."""
        if self._quantities is None:
            found = self.numbers
            if found and more_than_years(self.plain):
                found = [q for q in found if not any(_within(q, date) for date in self.dates)]
            self._quantities = found
        return self._quantities

    def tokens(self, proper: bool) -> Tokens:
        if proper not in self._tokens:
            self._tokens[proper] = tokens(self.plain, proper)
        return self._tokens[proper]

    @property
    def question_stems(self) -> frozenset[str]:
        return question_stems(self.question)

    @property
    def flat_question(self) -> str:
        return folded_question(self.question)

    @property
    def question_words(self) -> frozenset[str]:
        return question_words(self.question)

    @property
    def first_sentence_stems(self) -> frozenset[str]:
        end = _SENTENCE_END.search(self.plain)
        return frozenset(map(stem, fold(self.plain[: end.end()] if end else self.plain).split()))

    @property
    def is_chinese(self) -> bool:
        return not self.raw.isascii() and any(map(is_ideograph, self.raw))

    @property
    def is_choice(self) -> bool:
        """Whether the question offers its answers: A or B?"""
        return " or " in self.flat_question or "还 是" in self.flat_question

    def repeats(self, start: int, end: int) -> bool:
        """Whether what stands at ``start``–``end`` of ``plain`` is there because the question has it.

        It is where the words around it are those of the question as well, and not only little ones.
        """
        question = self.flat_question
        before = fold(self.plain[max(0, start - _AROUND) : start]).split()[-_ECHO:]
        after = fold(self.plain[end : end + _AROUND]).split()[:_ECHO]
        mention = fold(self.plain[start:end]).strip()
        left = next(
            (n for n in range(len(before), 0, -1) if _run([*before[-n:], mention]) in question), 0
        )
        right = next(
            (n for n in range(len(after), 0, -1) if _run([mention, *after[:n]]) in question), 0
        )
        return left + right >= (_ECHO if is_ideograph(mention[:1] or "a") else 2)

    def row(self, start: int, end: int) -> tuple[int, int, bool]:
        """The row of items in which something stands: how many others there are, how many of them are the
        gold, and whether an "or" offers them. What the question has is no candidate.
        """
        text = self.plain
        left_text = _STOP.split(text[max(0, start - _ROW) : start])[-1]
        right_text = _STOP.split(text[end : end + _ROW])[0]
        left, right = _COMMAS.split(left_text), _COMMAS.split(right_text)
        items = _chain(right[0], right[1:]) + _chain(left[-1], left[-2::-1])
        if len(left) > 1 and len(left[-1].split()) < _ITEM_END and left[0] not in items:
            items.append(left[0])  # the first item, behind whatever leads up to the list
        said = fold(text[start:end]).split()
        most = _LONG_ITEM if text.isascii() else len(said) + _LONG_ITEM
        numeric = any(
            c.isdigit() for c in text[start:end]
        )  # beside a number only others are candidates
        items = [
            item
            for item in items
            if len(fold(item).split()) <= most
            and not self._is_asked(item)
            and not (numeric and not any(c.isdigit() for c in item))
        ]
        golds = sum(map(self._is_gold, items))
        offered = _OR.search(left_text[-24:]) or _OR.search(right_text[:24])
        return len(items), golds, offered is not None and len(items) > golds

    def offers(self, start: int, end: int) -> bool:
        """Whether a name or a number is offered as one of several; of common nouns either may be right."""
        common = not (self.is_chinese or self.gold.proper or self.gold.numeric)
        return not common and self.row(start, end)[2]

    def _is_asked(self, item: str) -> bool:
        words = fold(item)
        return words == " " or words in self.flat_question

    def lines(self) -> tuple[int, int]:
        """The items of a list, an item a line: how many, and how many of them are the gold."""
        if len(self.plain.split(None, _ITEM_BLANKS)) <= _ITEM_BLANKS:
            return 0, 0
        items = list(_ITEM.finditer(self.plain))
        if len(items) < 3:
            return 0, 0
        ends = [item.start() for item in items[1:]] + [len(self.plain)]
        return len(items), sum(
            self._is_gold(self.plain[item.end() : end])
            for item, end in zip(items, ends, strict=True)
        )

    def sentences(self, place: int) -> int:
        """How many sentences end before a place of ``plain``."""
        return len(_SENTENCE_END.findall(self.plain, 0, place))

    def stance(self, start: int, end: int) -> Stance:
        if not self.turns & ~REFUSED and not may_own(self.plain, end):
            return "asserted"
        return stance(self.plain, start, end, plain_question(self.question), self.turns)

    def _is_gold(self, fragment: str) -> bool:
        """Whether another candidate, a part of ``plain``, is right as well: 24 hours or one day."""
        flat = fold(fragment)
        for needle in self.gold.needles:
            if needle in flat:
                return True
        if not self.gold.numeric:
            return False
        wanted, days = self.gold.quantities, self.gold.every_date
        for quantity in quantities(fragment) if wanted else ():
            if not quantity.bare and any(
                likeness(q, quantity) in ("same", "rounded") for q in wanted
            ):
                return True
        times = dates(fragment) if days else []
        return any(agreement(date, time) == "same" for date in days for time in times)


_ROW = 160  # characters in which a list is looked for
_LONG_ITEM, _ITEM_END = 5, 3  # words that are no longer an item, or the rest of one
_STOP = re.compile(r"\.(?=\s|$)|[:()!?。：！？\n]")
_COMMAS = re.compile(r"[、,，;/]|\b(?:and|or)\b|和|与|及|或者?|还是")
_OR = re.compile(r"\b(?:or|between|maybe|perhaps)\b|或|\s/\s|还是")
_SENTENCE_END = re.compile(r"[^\W_]{2}[\"')\]]?[.!?](?=\s)|[。！？\n]")
_ITEM_BLANKS = 5  # of three items at least: behind every mark, and before two of them
_ITEM = re.compile(r"(?:^|\s)(?:\d{1,2}[.)、]|[-*•·])\s+(?=\S)")
_AROUND = 40  # characters of context in which an echo is looked for
_ECHO = 3  # characters of context that make one


@functools.lru_cache(maxsize=1 << 14)
def plain_question(question: str) -> str:
    return plain(question)


@functools.lru_cache(maxsize=1 << 14)
def question_words(question: str) -> frozenset[str]:
    return frozenset(fold(question).split())


def _run(words: list[str]) -> str:
    return f" {' '.join(words)} "


@functools.lru_cache(maxsize=1 << 14)
def folded_question(question: str) -> str:
    return fold(question)


def _chain(rest: str, others: list[str]) -> list[str]:
    """The items that follow on one whose ``rest`` is given, up to the first that is none."""
    items: list[str] = []
    if len(fold(rest).split()) >= (_ITEM_END if rest.isascii() else 2):
        return items
    for item in others:
        if len(fold(item).split()) > 3 * _LONG_ITEM:
            break
        if item.strip():
            items.append(item)
    return items


def _within(quantity: Quantity, date: Date) -> bool:
    inside = date.start <= quantity.start < date.end
    return inside and (date.month is not None or date.span > 1)
