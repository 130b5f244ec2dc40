"""Answer: a model's text with the readings that a gold asks for, each made once and only if needed."""

from __future__ import annotations

import functools
import re

from kg_builder.matching.dates import Date, agreement, dates, more_than_years
from kg_builder.matching.golds import Name, Prepared, needle_pattern
from kg_builder.matching.lexicon import any_of, pack
from kg_builder.matching.normalise import IDEOGRAPH, fold, is_ideograph, plain
from kg_builder.matching.overlap import Tokens, question_stems, tokens
from kg_builder.matching.quantities import Quantity, likeness, quantities
from kg_builder.matching.stance import Context, Stance, may_matter, stance

# Text copied from web pages loses spaces around links and gains the numbers of footnotes.
_DAMAGE = re.compile(r"[a-z][A-Z]|[a-z][12]\d{3}|\d{4}[A-Za-z]|[A-Za-z\"”)]\d|[12]\d{4}|\d\. \d")
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

    __slots__ = (
        "_clean", "_context", "_dates", "_plain", "_quantities", "_tokens", "covered", "flat", "gold",
        "question", "raw", "words",
    )  # fmt: skip

    def __init__(self, raw: str, flat: str, gold: Prepared, question: str) -> None:
        self.raw = raw
        self.flat = flat
        self.words = flat.split()
        self.gold = gold
        self.question = question
        self.covered: list[tuple[int, int]] = []  # mentions of names that have been judged
        self._clean: bool | None = None
        self._plain: str | None = None
        self._dates: list[Date] | None = None
        self._quantities: list[Quantity] | None = None
        self._tokens: dict[bool, Tokens] = {}
        self._context: Context | None = None

    @property
    def plain(self) -> str:
        if self._plain is None:
            self._plain = plain(self.raw)
        return self._plain

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
    def quantities(self) -> list[Quantity]:
        """The numbers that are not part of a date."""
        if self._quantities is None:
            found = quantities(self.plain)
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

    def mentions(self, needle: str) -> list[tuple[int, int]]:
        """Where a folded name stands in ``plain``."""
        return [found.span() for found in needle_pattern(needle).finditer(self.plain)]

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
        given = _GIVEN.search(text, max(0, start - 12), start)
        if given is not None and needle in name.family and given[1] not in plain(name.raw):
            return True
        return self.gold.answer_type == "place" and _heads().match(text, end) is not None

    def enumerates(self, start: int, end: int) -> bool:
        """Whether it is one of three or more that an answer lists where the gold is a single one."""
        if (
            "、" not in self.plain
            or len(self.gold.objects) > 1
            or self.gold.answer_type not in _SINGLE
        ):
            return False
        left = re.split("[,，。；;!?！？\n]", self.plain[:start])[-1]
        right = re.split("[,，。；;!?！？\n]", self.plain[end:])[0]
        items = re.split("[、和与及]", f"{left}＠{right}")
        others = [item for item in items if "＠" not in item and not self._is_gold(item)]
        beside = left.endswith(("、", "和", "与", "及")) or right.startswith(
            ("、", "和", "与", "及")
        )
        return beside and len(others) > 1

    def sentences(self, place: int) -> int:
        """How many sentences end before a place of ``plain``."""
        return len(_SENTENCE_END.findall(self.plain, 0, place))

    def itemizes(self, place: int) -> bool:
        """Whether a place lies in a list, an item a line, most of whose items are not the gold."""
        items = list(_ITEM.finditer(self.plain))
        if len(items) < 3 or place < items[0].start():
            return False
        ends = [item.start() for item in items[1:]] + [len(self.plain)]
        golds = sum(
            self._is_gold(self.plain[item.end() : end])
            for item, end in zip(items, ends, strict=True)
        )
        return 2 * golds < len(items)

    @property
    def clean(self) -> bool:
        """Nothing in it denies or hedges: whatever it names, it asserts."""
        if self._clean is None:
            self._clean = not may_matter(self.words)
        return self._clean

    def stance(self, start: int, end: int) -> Stance:
        if self.clean and self.plain[end : end + 1] not in ("的", "'"):
            return "asserted"
        if self._context is None:
            strict = self.gold.answer_type not in ("term", "thing") or self.gold.proper
            self._context = Context(self._is_gold, plain(self.question), strict)
        return stance(self.plain, start, end, self._context)

    def _is_gold(self, fragment: str) -> bool:
        """Whether another candidate of the answer is right as well: 24 hours or one day."""
        flat = fold(fragment)
        if any(needle in flat for needle in self.gold.needles):
            return True
        if not self.gold.numeric:
            return False
        text = plain(fragment)
        others, times = quantities(text), dates(text)
        return any(
            any(
                likeness(q, other) in ("same", "rounded")
                for q in name.quantities
                for other in others
            )
            or any(agreement(date, time) == "same" for date in name.dates for time in times)
            for names in self.gold.objects
            for name in names
        )


# Types of which a question has one right answer, so that a list of them is a guess.
_SINGLE = frozenset({"person", "place", "date", "number", "organization"})
_SENTENCE_END = re.compile(r"[^\W_]{2}[\"')\]]?[.!?](?=\s)|[。！？\n]")
_ITEM = re.compile(r"(?:^|\s)(?:\d{1,2}[.)、]|[-*•·])\s+(?=\S)")
_AROUND = 40  # characters of context in which an echo is looked for
_ECHO = 3  # characters of context that make one
_GIVEN = re.compile(rf"([{IDEOGRAPH}]+)[·.=-]$")


@functools.cache
def _heads() -> re.Pattern[str]:
    return re.compile(any_of(pack("zh")["names"]["heads"]))


def _run(words: list[str]) -> str:
    return f" {' '.join(words)} "


@functools.lru_cache(maxsize=1 << 14)
def folded_question(question: str) -> str:
    return fold(question)


def _within(quantity: Quantity, date: Date) -> bool:
    inside = date.start <= quantity.start < date.end
    return inside and (date.month is not None or date.span > 1)
