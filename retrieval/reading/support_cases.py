"""Support cases: true and false claims about real passages, for fitting and measuring the support check.

A true claim restates a question with its reference answer, or the sentence that holds the answer, in
other words. A false one differs from a true one in a single respect, which its kind names. The claims
are made by rules, so some true ones are clumsy and a few false ones happen to be true.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kg_builder.matching.numbers import chinese_value
from kg_builder.question import Language
from retrieval.documents import language_of
from retrieval.reading.dataset import ReadingPassage, ReadingQuestion
from retrieval.segmentation import fold, words
from retrieval.sentences import sentences

FOLDER = Path(__file__).parents[1] / "language"
Part = Literal["fit", "report"]


def _spaced(line: str) -> list[str]:
    return line.split()


_FULL_STOP = re.compile(r"[.。\s]+$")
_BRACKETS = re.compile(r"\s?[(（][^()（）]*[)）]")
_ENTITY_TAGS = ("nr", "ns", "nt", "nz")
_CAPITALS = re.compile(r"[A-Z][\w'-]+(?: (?:of |the |de |van )?[A-Z][\w'-]+)*")
_ARTICLE_HEAD = re.compile(r"^(?:The|A|An|In|On|At|By|It|He|She|They|This|These|However|After|As) ")
_NOT_ENTITIES = frozenset(
    _spaced(
        "The A An In On At By It He She They This These That Those However After As For When While But"
        " And What Which Who Where How Why If His Her Its Their There Some Many Most One"
    )
)


class Case(NamedTuple):
    """A claim, whether the passage supports it, and how it was made."""

    kind: str
    true: bool
    claim: str
    question: str
    title: str
    text: str


@lru_cache(maxsize=4096)
def _bag(text: str) -> frozenset[str]:
    return frozenset(words(text))


@cache
def _wordings(language: Language) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"claims.{language}.toml").read_text(encoding="utf-8"))


def cases(sources: Sequence[ReadingPassage], part: Part, seed: int = 13) -> Iterator[Case]:
    """Cases about the passages, a few a question; equal arguments give equal cases."""
    chosen = random.Random(seed)
    titles = sorted({source.title for source in sources})
    for source in sources:
        for one in source.questions:
            yield from cases_of(source, one, titles, part, chosen)


def cases_of(
    source: ReadingPassage,
    asked: ReadingQuestion,
    titles: Sequence[str],
    part: Part,
    rng: random.Random,
) -> list[Case]:
    """The cases of one question; ``titles`` are those of other passages."""
    answer = min(asked.answers, key=len)
    if answer not in source.text:
        return []
    return list(_Maker(source, asked, answer, titles, part, rng).cases())


def balanced(found: Iterable[Case], limit: int) -> list[Case]:
    """The first ``limit`` cases of every kind."""
    kept: dict[str, list[Case]] = {}
    for case in found:
        group = kept.setdefault(case.kind, [])
        if len(group) < limit:
            group.append(case)
    return [case for group in kept.values() for case in group]


class _Maker:
    """All cases of one question."""

    def __init__(
        self,
        source: ReadingPassage,
        asked: ReadingQuestion,
        answer: str,
        titles: Sequence[str],
        part: Part,
        chosen: random.Random,
    ) -> None:
        self.source, self.asked, self.answer = source, asked, answer
        self.titles, self.part, self.random = titles, part, chosen
        self.language: Language = language_of(source.text)
        self.wordings = _wordings(self.language)

    def cases(self) -> Iterator[Case]:
        restated = self._restated(self.answer)
        source = self._source_sentence()
        yield self._case("answer alone", True, self._bare(self.answer))
        if restated:
            yield self._case("answer in the question", True, self._connected(restated))
        if source:
            for kind, change in self._true_changes():
                changed = change(source)
                if changed and changed != source:
                    yield self._case(kind, True, self._connected(changed))
        yield from self._siblings(restated, source)
        yield from self._wrong_numbers(restated, source)
        for kind, others in (("other entity", self._entities), ("other answer", self._others)):
            other = self._pick(others())
            if other:
                yield self._with_other(kind, other)
        yield from self._subjects(restated)
        yield from self._negations(restated, source)
        yield from self._relations(restated, source)

    # ── wordings ─────────────────────────────────────────────────────────────────────────────────

    def _case(self, kind: str, true: bool, claim: str, question: str | None = None) -> Case:
        claim = claim if self.language == "zh" else claim[:1].upper() + claim[1:]
        asked = self.asked.text if question is None else question
        return Case(kind, true, claim, asked, self.source.title, self.source.text)

    def _pick(self, options: Sequence[str]) -> str:
        return self.random.choice(options) if options else ""

    def _half(self, entries: Sequence[Any]) -> Sequence[Any]:
        return entries[0::2] if self.part == "fit" else entries[1::2]

    def _bare(self, answer: str) -> str:
        form: str = self.random.choice(self._half(self.wordings["answer_forms"]))
        return form.format(a=_FULL_STOP.sub("", answer))

    def _connected(self, claim: str) -> str:
        """The claim as it is, or behind a connective, one time in three."""
        stop = "。" if self.language == "zh" else "."
        bare = _FULL_STOP.sub("", claim)
        if self.random.random() < 1 / 3:
            form: str = self.random.choice(self._half(self.wordings["connectives"]))
            if self.language == "en" and _ARTICLE_HEAD.match(bare):
                bare = bare[0].lower() + bare[1:]
            bare = form.format(c=bare)
        return bare + stop

    def _restated(self, answer: str, question: str | None = None) -> str:
        """The question with the answer in place of the question phrase; empty where that fails."""
        asked = re.sub(self.wordings["question_ends"], "", question or self.asked.text)
        asked = re.sub(self.wordings["affirmations"], "", asked)
        answer = _FULL_STOP.sub("", answer)
        if self.language == "en":
            return _english_statement(asked, answer, self.wordings["question_phrases"])
        best: re.Match[str] | None = None
        for phrase in self.wordings["question_phrases"]:
            found = re.search(phrase, asked)
            if found and (best is None or len(found.group()) > len(best.group())):
                best = found
        if best is None:
            return ""
        lead = (
            best.group()[0] if best.group()[0] in "是在于" and best.group()[0] != answer[0] else ""
        )
        before, after = asked[: best.start()], asked[best.end() :]
        if after and answer.endswith(after):
            after = ""
        return f"{before}{lead}{answer}{after}"

    def _source_sentence(self) -> str:
        """The sentence of the passage with the answer that shares most with the question."""
        asked = _bag(self.asked.text)
        holding = [s.text for s in sentences(self.source.text) if self.answer in s.text]
        holding = [text for text in holding if len(text) < 400]
        return max(holding, key=lambda text: len(asked & _bag(text)), default="")

    # ── true ─────────────────────────────────────────────────────────────────────────────────────

    def _true_changes(self) -> list[tuple[str, Callable[[str], str]]]:
        return [
            ("number formats", self._reformatted),
            ("modifiers dropped", self._shortened),
            ("clauses reordered", self._reordered),
            ("pronoun", self._pronoun),
            ("synonyms", self._synonyms),
        ]

    def _reformatted(self, text: str) -> str:
        return _chinese_formats(text) if self.language == "zh" else _english_formats(text)

    def _clauses(self, text: str) -> list[str]:
        bare = _FULL_STOP.sub("", text)
        return re.split(r"[，；]" if self.language == "zh" else r"[,;] ", bare)

    def _shortened(self, text: str) -> str:
        """Without what stands in brackets, and one clause that has not the answer left out."""
        clauses = self._clauses(_BRACKETS.sub("", text))
        spare = [n for n, clause in enumerate(clauses) if n and self.answer not in clause]
        if spare and len(clauses) > 2:
            del clauses[self.random.choice(spare)]
        joined = ("，" if self.language == "zh" else ", ").join(clauses)
        return joined if self.answer in joined else ""

    def _reordered(self, text: str) -> str:
        clauses = self._clauses(text)
        if len(clauses) < 2:
            return ""
        joined = ("，" if self.language == "zh" else ", ").join([*clauses[1:], clauses[0]])
        return joined if self.answer in joined else ""

    def _pronoun(self, text: str) -> str:
        """A pronoun for the title at the head of the sentence."""
        title = re.sub(r"\s*[(（].*", "", self.source.title)
        if not text.startswith(title) or self.answer in title:
            return ""
        rest = text[len(title) :]
        return self._pick(self._half(self.wordings["pronouns"])) + rest

    def _synonyms(self, text: str) -> str:
        changed = text
        for old, new in self._half(self.wordings["synonyms"]):
            if old in self.answer:
                continue
            pattern = old if self.language == "zh" else rf"\b{old}\b"
            changed = re.sub(pattern, new, changed, count=1)
        return changed if self.answer in changed else ""

    def _clause(self, source: str) -> str:
        """The clause of the sentence that has the answer, with the one before."""
        clauses = self._clauses(source)
        place = next((n for n, clause in enumerate(clauses) if self.answer in clause), -1)
        joint = "，" if self.language == "zh" else ", "
        return joint.join(clauses[max(0, place - 1) : place + 1]) if place >= 0 else source

    # ── false ────────────────────────────────────────────────────────────────────────────────────

    def _with_other(self, kind: str, other: str) -> Case:
        restated = self._restated(other) if self.random.random() < 0.5 else ""
        return self._case(kind, False, self._connected(restated) if restated else self._bare(other))

    def _wrong_numbers(self, restated: str, source: str) -> Iterator[Case]:
        other = self._other_number(self.answer)
        if other:
            forms = [self._bare(other)]
            forms += [self._connected(restated.replace(self.answer, other))] if restated else []
            forms += [self._connected(source.replace(self.answer, other))] if source else []
            yield self._case("other number", False, self.random.choice(forms))

    def _other_number(self, text: str) -> str:
        """The text with another number: one of the passage in half of the cases, where it has some."""
        found = list(re.finditer(r"\d+(?:[.,]\d+)*", text))
        if not found and self.language == "zh":
            found = list(
                re.finditer(r"[一二三四五六七八九十百千]+(?=[个名人年月日天位次座部家岁种])", text)
            )
        if not found:
            return ""
        place = self.random.choice(found)
        written = place.group()
        kin = [
            other
            for other in re.findall(r"(?<![\d.,])\d+(?:[.,]\d+)*(?![\d.,])", self.source.text)
            if len(other) == len(written) and other != written and other not in self.asked.text
        ]
        new = self._pick(kin) if self.random.random() < 0.5 else ""
        if not new:
            digits = [n for n, c in enumerate(written) if c.isdigit() or c in "二三四五六七八九"]
            if not digits:
                return ""
            at = self.random.choice(digits)
            pool = "123456789" if written[at].isdigit() else "二三四五六七八九"
            swapped = self.random.choice([c for c in pool if c != written[at]])
            new = written[:at] + swapped + written[at + 1 :]
        changed = text[: place.start()] + new + text[place.end() :]
        return (
            ""
            if any(changed in gold or gold in changed for gold in self.asked.answers)
            else changed
        )

    def _entities(self) -> list[str]:
        """Names of the passage that are no answer and that neither title nor question has."""
        if not _is_name(self.answer, self.language):
            return []
        known = fold(self.source.title + " " + self.asked.text)
        return [
            name
            for name in sorted(_names(self.source.text, self.language))
            if fold(name) not in known and self._is_other(name)
        ]

    def _siblings(self, restated: str, source: str) -> Iterator[Case]:
        """The answer of a sentence that is put into the passage: the same one about another subject."""
        title = re.sub(r"\s*[(（].*", "", self.source.title)
        if title not in source or title not in self.asked.text or title in self.answer:
            return
        other = (
            self._other_number(self.answer)
            or self._pick(self._entities())
            or self._pick(self._others())
        )
        if not other or len(other) > 40:
            return
        if self.random.random() < 0.5:
            kind = self.random.choice(
                ("二号", "三号", "新") if self.language == "zh" else (" II", " 3", " Junior")
            )
            rival = title + kind
        else:
            rival = re.sub(r"\s*[(（].*", "", self.random.choice(list(self.titles)))
        if rival in self.source.text or title in rival.replace(title, "", 1):
            return
        sibling = source.replace(title, rival).replace(self.answer, other)
        space = "" if self.language == "zh" else " "
        text = self.source.text.replace(source, source + space + sibling, 1)
        claim = (
            restated.replace(self.answer, other) if restated and self.random.random() < 0.7 else ""
        )
        made = self._connected(claim) if claim else self._bare(other)
        yield self._case("answer of a sibling", False, made)._replace(text=text)
        true = self._connected(restated) if restated else self._bare(self.answer)
        yield self._case("beside a sibling", True, true)._replace(text=text)

    def _others(self) -> list[str]:
        asked = _bag(self.asked.text)
        found = []
        for one in self.source.questions:
            theirs = _bag(one.text)
            other = min(one.answers, key=len)
            alike = len(asked & theirs) / max(len(asked | theirs), 1)
            if alike < 0.6 and self._is_other(other) and fold(other) not in fold(self.asked.text):
                found.append(other)
        return found

    def _is_other(self, name: str) -> bool:
        folded = fold(name)
        return not any(fold(gold) in folded or folded in fold(gold) for gold in self.asked.answers)

    def _subjects(self, restated: str) -> Iterator[Case]:
        """The subject of the question, of the claim, or of both, replaced by another's."""
        question = self.asked.text
        title = re.sub(r"\s*[(（].*", "", self.source.title)
        names = [title] if title in question else []
        names = names or [n for n in sorted(_names(question, self.language)) if len(n) > 1]
        names = [n for n in names if n not in self.answer]
        if not names:
            return
        name = max(names, key=len)
        other = self._pick(
            [
                t
                for t in self.random.sample(self.titles, min(20, len(self.titles)))
                if t not in self.source.text
            ]
        )
        other = re.sub(r"\s*[(（].*", "", other)
        if not other or other == name:
            return
        asked = question.replace(name, other)
        if self.random.random() < 0.5:
            yield self._case("other subject asked", False, self._bare(self.answer), asked)
        elif restated:
            yield self._case(
                "other subject asked",
                False,
                self._connected(self._restated(self.answer, asked)),
                asked,
            )
        if restated and name in restated:
            yield self._case(
                "other subject said", False, self._connected(restated.replace(name, other))
            )
        numbered = re.sub(r"\d+|[一二三四五六七八九]", _next_number, name)
        if numbered != name:
            asked = question.replace(name, numbered)
            yield self._case("other of a series", False, self._bare(self.answer), asked)
        elif name == title:
            series = ("二号", "三号") if self.language == "zh" else (" II", " 3")
            asked = question.replace(name, name + self.random.choice(series))
            yield self._case("other of a series", False, self._bare(self.answer), asked)

    def _negations(self, restated: str, source: str) -> Iterator[Case]:
        for claim in self.random.sample([restated, self._clause(source)], 2):
            for old, new in self.random.sample(
                self.wordings["denials"], len(self.wordings["denials"])
            ):
                changed = self._replaced(claim, old, new)
                if changed:
                    yield self._case("negation inserted", False, self._connected(changed))
                    break
            else:
                continue
            break
        if source:
            for old, new in self.wordings["undenied"]:
                if old in self.answer:
                    continue
                changed = self._replaced(source, old, new)
                if changed:
                    yield self._case("negation removed", False, self._connected(changed))
                    break

    def _relations(self, restated: str, source: str) -> Iterator[Case]:
        question = self.asked.text
        for group in self.random.sample(
            self.wordings["relations"], len(self.wordings["relations"])
        ):
            for word in group:
                other = self._pick([one for one in group if one != word and word not in one])
                if not other or word in self.answer:
                    continue
                asked = self._replaced(question, word, other)
                if asked:
                    again = self._restated(self.answer, asked)
                    claim = self._connected(again) if again and self.random.random() < 0.5 else ""
                    kind = "other relation asked"
                    yield self._case(kind, False, claim or self._bare(self.answer), asked)
                    return
        for claim in (restated, self._clause(source)):
            for group in self.random.sample(
                self.wordings["relations"], len(self.wordings["relations"])
            ):
                for word in group:
                    other = self._pick([one for one in group if one != word and word not in one])
                    changed = self._replaced(claim, word, other) if other else ""
                    if changed and word not in self.answer:
                        yield self._case("other relation said", False, self._connected(changed))
                        return

    def _replaced(self, text: str, old: str, new: str) -> str:
        """The text with one word in place of another outside the answer; empty where it has not."""
        left, found, right = text.partition(self.answer)
        pattern = re.escape(old) if self.language == "zh" else rf"\b{re.escape(old)}\b"
        changed = re.sub(pattern, new, left, count=1)
        if changed == left:
            right = re.sub(pattern, new, right, count=1)
        again = " ".join((changed + found + right).split(" "))
        return again if again != text else ""


# ── helpers ──────────────────────────────────────────────────────────────────────────────────────


def _next_number(found: re.Match[str]) -> str:
    digits = "一二三四五六七八九"
    written = found.group()
    if written.isascii():
        return str(int(written) + 1)
    return digits[(digits.index(written) + 1) % 9]


def _is_name(text: str, language: Language) -> bool:
    if language == "en":
        parts = [part for part in text.split() if part[0].isalpha()]
        return bool(parts) and sum(part[0].isupper() for part in parts) > len(parts) / 2
    return any(name in text for name in _names(text, language)) and len(text) < 12


@lru_cache(maxsize=4096)
def _names(text: str, language: Language) -> frozenset[str]:
    """The names of a text: capitalised runs, what Chinese segmentation tags as a name, titles in 《》."""
    if language == "en":
        found = {
            _ARTICLE_HEAD.sub("", m.group())
            for m in _CAPITALS.finditer(text)
            if m.group()[0].isupper()
        }
        return frozenset(n for n in found if n not in _NOT_ENTITIES and len(n) > 2)
    import rjieba

    names = set(re.findall(r"《([^《》]{2,20})》", text))
    run = ""
    for word, tag in [*rjieba.tag(text), ("", "x")]:
        if tag.startswith(_ENTITY_TAGS):
            run += word
            continue
        if len(run) > 1:
            names.add(run)
        run = ""
    return frozenset(names)


def _english_statement(asked: str, answer: str, phrases: Sequence[str]) -> str:
    """A declarative sentence from an English question; the verb forms of "did" stay uninflected."""
    found: re.Match[str] | None = None
    for phrase in phrases:
        place = re.search(rf"\b{phrase}\b", asked, re.I)
        if place and (found is None or len(place.group()) > len(found.group())):
            found = place
    if found is None:
        return ""
    before, after = asked[: found.start()].strip(), asked[found.end() :].strip()
    if before:
        return f"{before} {answer} {after}".strip()
    noun_aux = re.match(
        r"((?:[\w'-]+ ){0,4}?)(is|was|are|were|did|does|do|can|could|has|have|had|will|would) (.+)",
        after,
    )
    if not noun_aux:
        return f"{answer} {after}"
    noun, aux, rest = noun_aux[1].strip(), noun_aux[2], noun_aux[3]
    words_of = rest.split()
    if aux in ("is", "was", "are", "were"):
        if noun or found.group().lower().startswith(("who", "what")):
            last = words_of[-1]
            if last.endswith(("ed", "en", "ing")) or last in (
                "born",
                "made",
                "built",
                "known",
                "held",
            ):
                return f"{' '.join(words_of[:-1])} {aux} {last} {answer} {noun}".strip()
            if noun:
                return f"{answer} {noun} {aux} {rest}"
            return f"{rest} {aux} {answer}"
        for n, word in enumerate(words_of):
            if n and (
                word.endswith(("ed", "en")) or word in ("born", "made", "built", "known", "held")
            ):
                subject, verb = " ".join(words_of[:n]), " ".join(words_of[n:])
                return f"{subject} {aux} {verb} in {answer}"
        return f"{rest} {aux} {answer}"
    if aux in ("did", "does", "do"):
        return f"{rest} {answer} {noun}".strip()
    for n, word in enumerate(words_of):
        if n and word[0].islower() and not words_of[n - 1][0].islower():
            return (
                f"{' '.join(words_of[:n])} {aux} {' '.join(words_of[n:])} {answer} {noun}".strip()
            )
    return f"{rest} {aux} {answer} {noun}".strip()


_ZH_COUNTED = re.compile(
    r"(?<![\d第零一二三四五六七八九十百千万两])([零一二三四五六七八九十百千万两]+)(?=[个名天年月日人位岁座部家次种层米公里])"
)
_ZH_PERCENT = re.compile(r"百分之([零一二三四五六七八九十百点]+)")
_DIGITS = re.compile(r"(?<![\d.,])(\d{1,4})(?=[个名天人位座部家次种层])")


def _chinese_number(value: int) -> str:
    digits = "零一二三四五六七八九"
    if value < 10:
        return digits[value]
    if value < 20:
        return "十" + (digits[value % 10] if value % 10 else "")
    text = ""
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += digits[digit] + name
        elif text and value and not text.endswith("零"):
            text += "零"
    return text


def _chinese_formats(text: str) -> str:
    """Numbers of the text in the other script: 十天 as 10天, 12% as 百分之十二, 八百六十人 as 860名."""

    def arabic(found: re.Match[str]) -> str:
        value = chinese_value(found[1])
        return found.group() if value is None or value != int(value) else str(int(value))

    def percent(found: re.Match[str]) -> str:
        value = chinese_value(found[1])
        return found.group() if value is None else f"{value:g}%"

    changed = _ZH_PERCENT.sub(percent, text)
    changed = _ZH_COUNTED.sub(arabic, changed)
    if changed == text:
        changed = _DIGITS.sub(lambda found: _chinese_number(int(found[1])), text)
        changed = re.sub(
            r"(?<![\d.])(\d{1,2})[%％]", lambda f: "百分之" + _chinese_number(int(f[1])), changed
        )
    return re.sub(r"(?<=\d)人(?![民口物类员们])", "名", changed) if changed != text else text


_EN_DIGITS = re.compile(r"(?<![\d.,$£€-])\b([2-9]|1[0-9]|20)\b(?![\d.,%:-]|st|nd|rd|th)")
_EN_SMALL = _spaced(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
_EN_WORDS = re.compile(rf"\b({'|'.join(_EN_SMALL[2:])})\b(?!-)")
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"


def _english_formats(text: str) -> str:
    """Numbers and dates written otherwise: twelve as 12, 12 percent as 12%, May 4, 1999 as 4 May 1999."""
    changed = re.sub(r"(\d) ?percent\b", r"\1%", text)
    if changed == text:
        changed = re.sub(r"(\d)%", r"\1 percent", text)
    changed = re.sub(rf"\b({_MONTHS}) (\d{{1,2}}), (\d{{4}})", r"\2 \1 \3", changed)
    changed = re.sub(r"(?<=\d),(?=\d{3}\b)", "", changed)
    spelled = _EN_WORDS.sub(lambda found: str(_EN_SMALL.index(found[1])), changed)
    if spelled == changed and not re.search(_MONTHS, changed):
        spelled = _EN_DIGITS.sub(lambda found: _EN_SMALL[int(found[1])], changed)
    return spelled
