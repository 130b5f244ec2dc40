"""Answer: a model's text with the readings that a gold asks for, each made once and only if needed."""

from __future__ import annotations

import functools
import re

from kg_builder.matching.dates import Date, agreement, dates, more_than_years
from kg_builder.matching.golds import Name, Prepared
from kg_builder.matching.lexicon import any_of, pack, words
from kg_builder.matching.normalise import IDEOGRAPH, fold, is_ideograph, plain
from kg_builder.matching.overlap import Tokens, question_stems, tokens
from kg_builder.matching.quantities import Quantity, likeness, quantities
from kg_builder.matching.stance import (
    OFFERED,
    REFUSED,
    Context,
    Stance,
    may_own,
    stance,
    turns_in,
)

# Text copied from web pages loses spaces around links and gains the numbers of footnotes.
# Every branch begins with a capital or a digit, which most characters of an answer are not.
_DAMAGE = re.compile(
    r"[A-Z\d](?:(?<=[a-z][A-Z])|(?<=[A-Za-z\"”)]\d)|(?<=\d)(?:\d{3}[A-Za-z]|\. \d)|(?<=[12])\d{4})"
)
_FOOTNOTE = re.compile(
    r"(?<=[A-Za-z\"”)])\d{1,3}(?=[\s.,;:]|$)|(?<=(?<!\d)[12]\d{3})\d{1,2}(?=[.,;]?(?:\s|$))"
)
_GLUED = re.compile(r"(?<=[a-z])(?=[A-Z][a-z]|[12]\d{3}(?!\d))|(?<=\d{4})(?=[A-Za-z]{2,}\b)")
_APART = re.compile(r"(?<=\d)\. (?=\d)")


def mend(text: str) -> str:
    """Take apart what was glued together: "byMickey Rourke1." is "by Mickey Rourke."."""
    if not _DAMAGE.search(text):
        return text
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
    _context: Context | None = None

    def __init__(self, raw: str, flat: str, gold: Prepared, question: str) -> None:
        self.raw = raw
        self.flat = flat
        self.gold = gold
        self.question = question
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

    def longer(self, start: int, end: int, name: Name, needle: str) -> bool:
        """Whether what stands there is part of another name: 埃尔莎·爱因斯坦, 马丁·路德, 北京大学."""
        text = self.plain
        if text[end : end + 1] == "·" and text[end + 1 : end + 2].isalnum():
            return True
        given = needle in name.family and _GIVEN.search(text, max(0, start - 24), start)
        if given:
            whole = plain(name.raw)
            if not any(part in whole for part in _DOTS.split(given[0]) if part):
                return True
        if _in_title(text, start, end):
            return True
        kind = self.gold.answer_type
        if kind == "organization" and len(needle) < len(
            fold(name.raw)
        ):  # Apple Records is not Apple Inc.
            after = _NEXT_WORD.match(self.raw, end) if len(self.raw) == len(text) else None
            return after is not None and after[1].casefold() not in words(
                "en", "names", "companies"
            )
        if kind == "place":
            return _heads().match(text, end) is not None or self._directed(start, name)
        return kind in ("person", "work") and _longer_name(text, start, end, kind)

    def _directed(self, start: int, name: Name) -> bool:
        """New Mexico is not Mexico, Northern Ireland not Ireland; northern Spain is in Spain."""
        if not self.plain[:start].endswith(" ") or len(self.raw) != len(self.plain):
            return False
        before = _directions().search(self.plain, max(0, start - 16), start)
        if before is None:
            return False
        said = self.raw[before.start() : before.end()]
        return said[:1].isupper() and not any(
            before[1] in names.plain for every in self.gold.objects for names in every
        )

    @property
    def _names_most(self) -> bool:
        """Whether a gold of several objects has most of them named: then a list is what it asks for."""
        objects = self.gold.objects
        if len(objects) < 2:
            return False
        named = sum(
            any(n in self.flat for name in names for n in name.needles) for names in objects
        )
        return 2 * named > len(objects)

    def enumerates(self, start: int, end: int) -> bool:
        """Whether it is one of several items that the answer strings together, most of them not the gold.

        Three are several where one right answer is sure (a person, a place, a date …), five elsewhere.
        """
        text = self.plain
        either = text.count(",") > 1 and " or " in text
        if ("、" not in text and not either and text.count(",") < _MANY - 2) or self._names_most:
            return False
        left = _COMMAS.split(_STOP.split(text[max(0, start - _ROW) : start])[-1])
        right = _COMMAS.split(_STOP.split(text[end : end + _ROW])[0])
        items = _chain(right[0], right[1:]) + _chain(left[-1], left[-2::-1])
        if len(left) > 1 and len(left[-1].split()) < _ITEM_END and left[0] not in items:
            items.append(left[0])  # the first item, behind whatever leads up to the list
        sure = self._single and ("、" in text or either)
        golds = 1 + sum(map(self._is_gold, items))
        return len(items) + 1 >= (3 if sure else _MANY) and 3 * golds <= len(items) + 1

    @property
    def _single(self) -> bool:
        return len(self.gold.objects) == 1 and self.gold.answer_type in _SINGLE

    def sentences(self, place: int) -> int:
        """How many sentences end before a place of ``plain``."""
        return len(_SENTENCE_END.findall(self.plain, 0, place))

    def itemizes(self, place: int) -> bool:
        """Whether a place lies in a list, an item a line, most of whose items are not the gold."""
        if len(self.plain.split(None, _ITEM_BLANKS)) <= _ITEM_BLANKS:
            return False
        items = list(_ITEM.finditer(self.plain))
        if len(items) < 3 or place < items[0].start() or self._names_most:
            return False
        ends = [item.start() for item in items[1:]] + [len(self.plain)]
        golds = sum(
            self._is_gold(self.plain[item.end() : end])
            for item, end in zip(items, ends, strict=True)
        )
        return 2 * golds < len(items)

    def stance(self, start: int, end: int) -> Stance:
        if not self.turns & ~REFUSED and not may_own(self.plain, end):
            return "asserted"
        if self._context is None:
            strict = self.gold.answer_type not in ("term", "thing") or self.gold.proper
            question = plain_question(self.question)
            self._context = Context(self._is_gold, question, self.turns, strict)
        return stance(self.plain, start, end, self._context)

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


# Types of which a question has one right answer, so that a list of them is a guess.
_SINGLE = frozenset({"person", "place", "date", "number", "organization"})
_MANY = 5  # items that make a list of anything
_ROW = 160  # characters in which a list is looked for
_LONG_ITEM, _ITEM_END = 5, 3  # words that are no longer an item, or the rest of one
_STOP = re.compile(r"[.;:()!?。；：！？\n]")
_COMMAS = re.compile(r"[、,，]|\b(?:and|or)\b|和|与|及")
_SENTENCE_END = re.compile(r"[^\W_]{2}[\"')\]]?[.!?](?=\s)|[。！？\n]")
_ITEM_BLANKS = 5  # of three items at least: behind every mark, and before two of them
_ITEM = re.compile(r"(?:^|\s)(?:\d{1,2}[.)、]|[-*•·])\s+(?=\S)")
_AROUND = 40  # characters of context in which an echo is looked for
_ECHO = 3  # characters of context that make one
_GIVEN = re.compile(rf"(?:[{IDEOGRAPH}]+[·.=-])+$")
_NEXT_WORD = re.compile(r"\s([A-Z][A-Za-z]+)")
_DOTS = re.compile(r"[·.=-]")
# What stands in title marks names a work only if nothing else does: 《红楼梦魇》 is not 《红楼梦》.
_TITLE_OPEN, _TITLE_CLOSE = re.compile(r"《([^《》]*)$"), re.compile(r"([^《》]*)》")
_SUBTITLE = re.compile(r"^(?:$|[\s·:：—(（之第上中下])")
_LONE_LETTERS = re.compile(rf"[{IDEOGRAPH}]*")
_LEADS = ("", "是", "为", "叫", ":", "：", "即")


@functools.cache
def _directions() -> re.Pattern[str]:
    return re.compile(rf"\b({any_of(pack('en')['names']['directions'])})\s$")


def _in_title(text: str, start: int, end: int) -> bool:
    """Whether what stands there is a part of a longer title."""
    if "《" not in text:
        return False
    opened, closed = _TITLE_OPEN.search(text, 0, start), _TITLE_CLOSE.match(text, end)
    if opened is None or closed is None:
        return False
    return bool(opened[1].strip()) or not _SUBTITLE.match(closed[1])


def _longer_name(text: str, start: int, end: int, kind: str) -> bool:
    """Whether the characters behind a Chinese name make another one of it: 秦始皇陵, 李白凤."""
    found = _LONE_LETTERS.match(text, end)
    rest = found.group() if found else ""
    if not rest or not is_ideograph(text[end - 1]):
        return False
    names = pack("zh")["names"]
    if kind == "person" and rest in names["relics"]:
        return True
    led = text[start - 1 : start] in _LEADS
    if not led or len(rest) > 1 or rest in names["following"]:
        return False
    return kind == "work" or end - start == 2


@functools.cache
def _heads() -> re.Pattern[str]:
    return re.compile(any_of(pack("zh")["names"]["heads"]))


@functools.lru_cache(maxsize=1 << 14)
def plain_question(question: str) -> str:
    return plain(question)


def _run(words: list[str]) -> str:
    return f" {' '.join(words)} "


@functools.lru_cache(maxsize=1 << 14)
def folded_question(question: str) -> str:
    return fold(question)


def _chain(rest: str, others: list[str]) -> list[str]:
    """The items that follow on one whose ``rest`` is given, up to the first that is none."""
    items: list[str] = []
    if len(rest.split()) >= _ITEM_END:
        return items
    for item in others:
        if len(item.split()) >= _LONG_ITEM or any(c.isdigit() for c in item):
            break
        if item.strip():
            items.append(item)
    return items


def _within(quantity: Quantity, date: Date) -> bool:
    inside = date.start <= quantity.start < date.end
    return inside and (date.month is not None or date.span > 1)
