"""WordingTable: what a question asks about whom, by the wordings of a relation catalogue."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kg_builder.question import AnswerType
from kg_builder.relation import OBJECT, SUBJECT, Relation
from retrieval.canonical import canonical

# How other names are introduced: not a relation of the catalogue, but told in words that a nickname's
# are told in too.
ALSO = "also"
ALSO_STATEMENTS = (
    "{s}又称{o}", "{s}又名{o}", "{s}也称{o}", "{s}亦称{o}", "{s}别称{o}", "{s}即{o}",
    "{s} is also known as {o}", "{s} is also called {o}", "{s}, also known as {o}",
)  # fmt: skip
# Everyday words for what the catalogue says formally; tried where no wording is near.
COLLOQUIAL = (
    (re.compile("爸爸|老爸|爹爹|老爹|阿爸|爹|父王|父皇"), "父亲"),
    (re.compile("妈妈|老妈|娘亲|阿妈|母后|娘$|娘(?=是)"), "母亲"),
    (re.compile("老婆|太太|媳妇|夫人|妻子|丈夫|老公"), "配偶"),
    (re.compile("咋"), "怎么"),
    (re.compile("啥"), "什么"),
    (re.compile("(?<=在)哪(?![里个座一年国省儿])|哪儿"), "哪里"),
    (re.compile("几几年"), "哪一年"),
    (re.compile(r"\b(?:dad|daddy)\b"), "father"),
    (re.compile(r"\b(?:mum|mom|mommy)\b"), "mother"),
    (re.compile(r"\b(?:wife|husband)\b"), "spouse"),
)
# What kind of answer an interrogative asks for. Only sure signs: 什么 and "which" ask for anything.
# Tried in order, the longer ones first.
INTERROGATIVES: tuple[tuple[AnswerType, re.Pattern[str]], ...] = (
    ("date", re.compile(r"哪一?年|何年|何时|几时|什么时候|什么年份|哪个年份|哪天|几月几|什么日期"
                        r"|\bwhen\b|what year|which year|what date|which date")),
    ("number", re.compile(r"多少|多高|多大|多长|多深|多宽|多远|多重|几[个位层座部集回岁]"
                          r"|\bhow (?:many|much|tall|high|long|old|large|big|far|deep|wide|heavy)\b")),
    ("place", re.compile(r"哪里|哪儿|何处|何地|什么地方|哪国|哪个(?:国家|城市|省|州|县|区|地方)|哪座城|哪省"
                         r"|\bwhere\b|(?:what|which) (?:city|country|province|state|place|town)")),
    ("person", re.compile(r"谁|何人|哪位|什么人|\bwho(?:m|se)?\b")),
)  # fmt: skip
# Types between which a sign does not decide: 多少 asks for codes too, "who" for companies.
TOLERATED: dict[AnswerType, frozenset[AnswerType]] = {
    "date": frozenset({"date"}),
    "number": frozenset({"number", "term", "date"}),
    "place": frozenset({"place", "organization", "term", "work"}),
    "person": frozenset({"person", "organization", "term"}),
}
# Politeness that says nothing about what is asked; canonical form, at either end of a question.
OPENERS = (
    "请问一下", "请问", "请告诉我", "告诉我", "你知道", "你知不知道", "我想知道", "想知道", "谁知道",
    "有谁知道", "能告诉我", "能不能告诉我", "你好,", "麻烦问一下", "问一下", "那么,", "那,",
    "please tell me ", "can you tell me ", "could you tell me ", "tell me ", "do you know ",
    "i want to know ", "i would like to know ",
)  # fmt: skip
CLOSERS = ("你知道吗", "知道吗", "吗", "呢", "呀", "啊", "please")
KIN = 0.95  # similarity of a question to one that asks for a kindred relation
# Least similarity to the nearest wording, and least distance to the next relation's. Each wording of
# the catalogue left out in turn, .60 reads 57% of the Chinese ones, 93.0% of those rightly (.50: 63%,
# 90.4%; .75: 45%, 97.1%); most of the rest are taken for a relation of another kind of subject, which
# no sentence about this one states. English wordings differ by single words: .85 lets few through.
NEAR_HAN, NEAR_LATIN, NEAR_MARGIN = 0.60, 0.85, 0.05
UNEXPLAINED = 0.45  # share of a question's weight that its nearest wording may lack
NEAR = 3  # characters beside the subject that statements are found by
ARTICLES = ("the ", "a ", "an ")
_END = " ?!。.,;:、~…"
_MARKS = _END.replace(".", "")
Pattern = tuple[str, str]  # what stands before and after {s}


class Asked(NamedTuple):
    """A reading of a question: ``similarity`` is 1 where the wording is one of the catalogue's."""

    relation: str
    subject: str  # canonical
    similarity: float


class Told(NamedTuple):
    """A statement found in a canonical sentence; the object's span is canonical too."""

    start: int
    end: int
    relations: frozenset[str]  # stated in these very words: 在 is said of a city and of a country


class Statement(NamedTuple):
    """What stands around {s} and {o}, in the order in which they come."""

    before: str
    between: str
    after: str
    subject_first: bool
    relations: frozenset[str] = frozenset()


def ask_keys(question: str) -> list[str]:
    """A question in canonical form without final punctuation, then with ever less politeness."""
    text = canonical(question).text.strip(_MARKS)
    found = [text]
    if text.endswith("."):  # a full stop, or the end of F.C.
        text = text.rstrip(_END)
        found.append(text)
    changed = True
    while changed:
        changed = False
        for opener in OPENERS:
            if text.startswith(opener) and len(text) > len(opener) + 1:
                text, changed = text[len(opener) :].lstrip(_END), True
                found.append(text)
        for closer in CLOSERS:
            if text.endswith(closer) and len(text) > len(closer) + 1:
                text, changed = text[: -len(closer)].rstrip(_END), True
                found.append(text)
    return found


def subject_key(name: str) -> str:
    """A canonical name without an article, so that "the United States" is United States."""
    text = canonical(name).text.strip(" ,;:、")
    for article in ARTICLES:
        if text.startswith(article) and len(text) > len(article):
            return text[len(article) :]
    return text


def asked_type(question: str) -> AnswerType | None:
    """The kind of answer that a canonical question surely asks for."""
    for kind, pattern in INTERROGATIVES:
        if pattern.search(question):
            return kind
    return None


def _formal(text: str) -> str:
    for pattern, formal in COLLOQUIAL:
        text = pattern.sub(formal, text)
    return text


class WordingTable:
    """The question and statement wordings of a catalogue, ready to be matched."""

    def __init__(self, relations: Iterable[Relation]) -> None:
        self.relations: dict[str, Relation] = {}
        self._patterns: dict[Pattern, list[str]] = defaultdict(list)
        statements: dict[Statement, set[str]] = defaultdict(set)
        for relation in relations:
            self.relations[relation.id] = relation
            for language in ("zh", "en"):
                for wording in relation.questions(language):
                    pattern = _pattern(wording)
                    if relation.id not in self._patterns[pattern]:
                        self._patterns[pattern].append(relation.id)
                for wording in relation.statements(language):
                    statements[_statement(wording)].add(relation.id)
        for wording in ALSO_STATEMENTS:
            statements[_statement(wording)].add(ALSO)
        # Found by what stands on the far side of the subject, which is short or nothing at all, and
        # by the characters next to it on the near side.
        self._after_subject: dict[Pattern, list[Statement]] = defaultdict(list)
        self._before_subject: dict[Pattern, list[Statement]] = defaultdict(list)
        for statement, sharers in statements.items():
            shared = statement._replace(relations=frozenset(sharers))
            if statement.subject_first:
                self._after_subject[statement.before, statement.between[:NEAR]].append(shared)
            else:
                near = statement.between[-NEAR:] if statement.between else ""
                self._before_subject[statement.after, near].append(shared)
        self._befores: dict[str, list[str]] = defaultdict(list)
        for before, after in self._patterns:
            self._befores[after].append(before)
        self._lengths = sorted({len(after) for after in self._befores}, reverse=True)
        self._near = _Near(self._patterns)
        # Relations that some wording asks for alike (a year of birth, a date of birth) are kin: what
        # is known of one answers a question for the other.
        self._kin: dict[str, set[str]] = defaultdict(set)
        for sharing in self._patterns.values():
            for relation_id in sharing:
                self._kin[relation_id] |= set(sharing) - {relation_id}

    def ask(self, question: str, names: Iterable[str] = ()) -> list[Asked]:
        """Readings of a question, surest first.

        Exact wordings give the subject by themselves. Where none fits, a name out of ``names``
        (canonical titles of the evidence) that stands in the question is taken for the subject, and
        the nearest wording for what is asked.
        """
        texts = ask_keys(question)
        # 那 opens a question politely, and is the first character of 那曲: every reading counts.
        exact = dict.fromkeys(reading for text in texts for reading in self._exact(text))
        if exact:
            asked = {reading.relation for reading in exact}
            kin = [
                Asked(other, reading.subject, KIN)
                for reading in exact
                for other in sorted(self._kin[reading.relation] - asked)
            ]
            return list(dict.fromkeys([*exact, *kin]))
        near: list[Asked] = []
        for name in names:
            start = texts[-1].find(name) if name else -1
            if start >= 0:
                rest = (texts[-1][:start].strip(), texts[-1][start + len(name) :].strip())
                near += [Asked(r, name, s) for r, s in self.nearest(rest)]
        return sorted(near, key=lambda asked: (-asked.similarity, -len(asked.subject)))

    def nearest(self, rest: Pattern, *, without: Pattern | None = None) -> list[tuple[str, float]]:
        """The relation that the words around a subject ask for, with its kin and the similarity.

        Nothing where no wording is near, where another relation's is as near, or where the
        interrogative asks for another kind of answer. ``without`` leaves one wording out, to measure.
        """
        formal = (_formal(rest[0]), _formal(rest[1]))
        if formal != rest and (exact := self._patterns.get(formal)):
            return [(relation, KIN) for relation in exact]
        rest = formal
        kind = asked_type(" ".join(rest))
        ranked = [
            (relation, similarity)
            for relation, similarity in self._near.best(rest, without=without)
            if kind is None or self.relations[relation].answer in TOLERATED[kind]
        ]
        if not ranked:
            return []
        first, similarity = ranked[0]
        kin = self._kin[first] | {first}
        least = NEAR_LATIN if "".join(rest).isascii() else NEAR_HAN
        if similarity < least:
            return []
        close = {r for r, s in ranked if s > similarity - NEAR_MARGIN and r not in kin}
        # The capital of a country and of a dynasty are no rivals: the subject decides. Two relations of
        # one kind of subject are.
        subject = self.relations[first].subject
        if any(self.relations[relation].subject == subject for relation in close):
            return []
        return [(relation, similarity) for relation in (first, *sorted((kin | close) - {first}))]

    def _exact(self, text: str) -> list[Asked]:
        found: dict[tuple[str, str], Asked] = {}
        for length in self._lengths:
            after = text[len(text) - length :]
            for before in self._befores.get(after, ()) if len(after) == length else ():
                subject = subject_key(text[len(before) : len(text) - length])
                if subject and text.startswith(before):
                    for relation in self._patterns[before, after]:
                        found[relation, subject] = Asked(relation, subject, 1.0)
        return list(found.values())

    def tell(self, sentence: str, subject: str) -> list[Told]:
        """What a canonical sentence, without final punctuation, states of the subject.

        Where several wordings fit, the one with the most fixed words means it: 「甲是乙中的名句」 names
        a source, though 「甲是乙的名句」, which names an author, would fit as well.
        """
        found: dict[Told, int] = {}
        for name in _variants(subject):
            place = sentence.find(name)
            while place >= 0:
                end = place + len(name)
                articles = [place - len(a) for a in ARTICLES if sentence[:place].endswith(a)]
                for start in (place, *articles):
                    for statement in self._around(sentence, start, end):
                        span = statement_span(statement, sentence, start, end)
                        if span is not None:
                            found[Told(*span, statement.relations)] = span[1] - span[0]
                place = sentence.find(name, place + 1)
        shortest = min(found.values(), default=0)
        return [told for told, length in found.items() if length == shortest]

    def _around(self, sentence: str, start: int, end: int) -> Iterator[Statement]:
        for length in range(NEAR + 1):
            yield from self._after_subject.get((sentence[:start], sentence[end : end + length]), ())
            near = sentence[max(0, start - length) : start]
            if len(near) == length:
                yield from self._before_subject.get((sentence[end:], near), ())

    def answer_type(self, relation: str) -> AnswerType:
        return self.relations[relation].answer if relation in self.relations else "term"


def statement_span(
    statement: Statement, sentence: str, start: int, end: int
) -> tuple[int, int] | None:
    """The span of {o} where the sentence is this statement about its ``[start:end]``."""
    if statement.subject_first:
        left, right = end + len(statement.between), len(sentence) - len(statement.after)
        fits = sentence.startswith(statement.between, end) and sentence.endswith(statement.after)
    else:
        left, right = len(statement.before), start - len(statement.between)
        fits = sentence.startswith(statement.before) and sentence[:start].endswith(
            statement.between
        )
    if not fits:
        return None
    while left < right and sentence[left] == " ":
        left += 1
    while left < right and sentence[right - 1] == " ":
        right -= 1
    return (left, right) if left < right else None


def sentence_key(sentence: str) -> str:
    """A sentence in canonical form without final punctuation; the stop of "D.C.." goes, one stays."""
    text = canonical(sentence).text.rstrip(_MARKS)
    return text.removesuffix(".").rstrip(_MARKS)


def _variants(name: str) -> tuple[str, ...]:
    """A name that ends in punctuation (F.C., 《怎么办?》) is written with it or without."""
    bare = name.strip(_END)
    return (name, bare) if bare and bare != name else (name,)


def _pattern(wording: str) -> Pattern:
    before, _, after = wording.partition(SUBJECT)
    mark = "\x00"
    text = canonical(f"{before}{mark}{after}").text.strip(_END)
    left, _, right = text.partition(mark)
    return left, right


def _statement(wording: str) -> Statement:
    subject_first = wording.index(SUBJECT) < wording.index(OBJECT)
    text = wording.replace(SUBJECT, "\x00").replace(OBJECT, "\x01")
    text = canonical(text).text.strip(_END)
    before, between, after = re.split("[\x00\x01]", text)
    return Statement(before, between, after, subject_first)


class _Near:
    """Nearest wording by the cosine of weighted character n-grams around the subject."""

    def __init__(self, patterns: dict[Pattern, list[str]]) -> None:
        self.grams = {pattern: Counter(_grams(pattern)) for pattern in patterns}
        self.relations = patterns
        frequency = Counter(gram for grams in self.grams.values() for gram in grams)
        total = len(self.grams) + 1
        self.idf = {gram: math.log(total / (count + 0.5)) for gram, count in frequency.items()}
        self.unseen = math.log(total / 0.5)

    def best(self, rest: Pattern, *, without: Pattern | None = None) -> list[tuple[str, float]]:
        """Relations by the similarity of their nearest wording, most similar first."""
        wanted = self._weigh(Counter(_grams(rest)))
        length = math.sqrt(sum(value * value for value in wanted.values())) or 1.0
        scores: dict[str, float] = {}
        for pattern, grams in self.grams.items():
            if pattern == without:
                continue
            weighed = self._weigh(grams)
            norm = math.sqrt(sum(value * value for value in weighed.values())) or 1.0
            shared = sum(value * weighed[gram] for gram, value in wanted.items() if gram in weighed)
            known = sum(value * value for gram, value in wanted.items() if gram in weighed)
            # What the wording leaves unexplained may change the question: 父亲的配偶 is no 配偶.
            unexplained = 1 - known / (length * length)
            score = shared / (length * norm) * (1 if unexplained <= UNEXPLAINED else 0.5)
            for relation in self.relations[pattern]:
                scores[relation] = max(score, scores.get(relation, 0.0))
        return sorted(scores.items(), key=lambda pair: -pair[1])

    def _weigh(self, grams: Counter[str]) -> dict[str, float]:
        return {gram: count * self.idf.get(gram, self.unseen) for gram, count in grams.items()}


def _grams(pattern: Pattern) -> list[str]:
    found: list[str] = []
    for side, text in zip("<>", pattern, strict=True):
        if text.isascii():
            found += [side + word for word in text.split()]
            found += text.split()
        else:
            found += list(text)
            found += [text[i : i + 2] for i in range(len(text) - 1)]
    return found
