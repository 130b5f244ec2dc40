"""Stance: whether an answer asserts what it names, denies it, or offers it among other candidates."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from kg_builder.matching.lexicon import any_of, pack
from kg_builder.matching.normalise import fold

Stance = Literal["asserted", "negated", "hedged", "related"]

REACH = 40  # characters looked at on either side
_REACH_ZH = 12  # characters that a Chinese denial reaches
_REACH_EN = 5  # words that an English one does

_CLAUSE = re.compile(r"[.;!?。；！？\n,，:：()（）]")
_SENTENCE = re.compile(r"[;!?。；！？\n]|\.(?=\s|$)")
_CLOSING = r"[\"')\]\s》」』]*"
_OWNER = re.compile(rf"{_CLOSING}(?:的|')")
_OPENING = r"(?:(?:the|an?|in|on|by|at|from|of|to)\s)*[\"'(《「『]*"
# What a phrase may turn the meaning of a name into. A text is searched only for what its phrases allow.
DENIED, TAKEN_BACK, ANSWERED, EXCEPTED, BESIDE, OFFERED, KIN, REFUSED = (
    1 << bit for bit in range(8)
)
_BESIDES = [
    "齐名",
    "并称",
    "同时",
    "同期",
    "合作",
    "合著",
    "相识",
    "有关",
    "无关",
    "类似",
    "相似",
    "相邻",
    "接壤",
    "交界",
]
_EXCEPT = re.compile(r"除(?:了|去|开)?[^,，。;；]*$")
_OUTSIDE = re.compile(r"(?:之外|以外|外)(?!国)")
# 「与李白齐名的杜甫」 names somebody else.
_BESIDE_ZH = re.compile(r"[与和跟同][《\"]?$")
_BESIDE = re.compile(rf"[》\"]?(?:{'|'.join(_BESIDES)})")
_LATIN = re.compile("[a-z]")
_NO = re.compile(r"[》\"]?\s?[?？]\s?(?:no\b|不[,，。!！是对])")


class Phrases:
    """Phrases of several kinds, by a few words so that every text with a phrase has one of the words."""

    def __init__(self, kinds: Mapping[int, Iterable[str]]) -> None:
        folded: dict[str, int] = {}
        for kind, phrases in kinds.items():
            for phrase in map(fold, phrases):
                folded[phrase] = folded.get(phrase, 0) | kind
        cues = _cues(set(folded))
        self._by_cue = {
            cue: tuple(sorted(one for one in folded.items() if f" {cue} " in one[0]))
            for cue in cues
        }
        self._cues = frozenset(cues)

    def kinds_in(self, words: list[str], flat: str) -> int:
        """The kinds, as bits, of the phrases in ``flat``, whose words are ``words``."""
        kinds = 0
        if self._cues.isdisjoint(words):
            return kinds
        for cue in self._cues.intersection(words):
            for phrase, kind in self._by_cue[cue]:
                if kind & ~kinds and phrase in flat:
                    kinds |= kind
        return kinds


def _cues(phrases: set[str]) -> set[str]:
    """A greedy hitting set of the words of the phrases."""
    common = {*fold(pack("zh")["common"]["words"]).split(), *pack("en")["common"]["words"].split()}
    left = [frozenset(phrase.split()) for phrase in sorted(phrases)]
    left = [words - common or words for words in left]
    cues: set[str] = set()
    while left:
        counts: dict[str, int] = {}
        for words in left:
            for word in words:
                counts[word] = counts.get(word, 0) + 1
        best = max(sorted(counts), key=counts.__getitem__)
        cues.add(best)
        left = [words for words in left if best not in words]
    return cues


class _Patterns(NamedTuple):
    turns: Phrases  # without one of them everything is asserted
    harmless: re.Pattern[str]
    deny_zh: re.Pattern[str]
    deny_en: re.Pattern[str]
    turn_zh: re.Pattern[str]
    turn_en: re.Pattern[str]
    after: re.Pattern[str]
    after_harmless: re.Pattern[str]
    either: re.Pattern[str]
    kin: re.Pattern[str]
    kin_of: re.Pattern[str]
    belief: re.Pattern[str]
    taken_back: re.Pattern[str]
    refusal_turn: re.Pattern[str]
    refusal: re.Pattern[str]


@functools.cache
def _patterns() -> _Patterns:
    zh, en = pack("zh"), pack("en")
    deny, deny_en, hedge, hedge_en = zh["negation"], en["negation"], zh["hedge"], en["hedge"]
    turns = {
        DENIED: [*deny["words"], *deny["after"], *deny_en["words"], *deny_en["after"]],
        TAKEN_BACK: [*zh["belief"]["words"], *en["belief"]["words"]],
        ANSWERED: ["? no", "？不"],
        EXCEPTED: ["除"],
        BESIDE: _BESIDES,
        OFFERED: [*hedge["words"], *hedge["or"], hedge["choice"], *hedge_en["words"],
                  *hedge_en["or"], "between"],
        KIN: [f"{kin} of" for kin in en["names"]["kin"]],
        REFUSED: [*zh["refusal"]["phrases"], *en["refusal"]["phrases"]],
    }  # fmt: skip
    verbs = "is|are|was|were|do|does|did|has|have|had|can|could|wo|would|should"
    return _Patterns(
        turns=Phrases(turns),
        harmless=re.compile(any_of([*deny["harmless"], *hedge["harmless"], *deny_en["harmless"]])),
        deny_zh=re.compile(any_of(deny["words"])),
        deny_en=re.compile(rf"{any_of(deny_en['words'])}|n't(?![a-z])"),
        turn_zh=re.compile(any_of(deny["turns"])),
        turn_en=re.compile(any_of(deny_en["turns"])),
        after=re.compile(rf"{_CLOSING}(?:{any_of(deny['after'])}|{any_of(deny_en['after'])})"),
        after_harmless=re.compile(
            rf"{_CLOSING}(?:{any_of(deny['after_harmless'])}"
            rf"|(?:{verbs})(?:n't| not) {any_of(deny_en['turns'])})"
        ),
        either=re.compile(r"不是.{1,20}就是|要么.{1,20}要么"),
        kin=re.compile(
            rf"{_CLOSING}(?:的{any_of(zh['names']['kin'])}|'s\s(?:[a-z]+\s)?{any_of(en['names']['kin'])})"
        ),
        kin_of=re.compile(rf"(?P<who>[^,;]*?){any_of(en['names']['kin'])}\s(?:of|to)\s{_OPENING}$"),
        belief=re.compile(rf"{any_of(zh['belief']['words'])}|{any_of(en['belief']['words'])}"),
        taken_back=re.compile(rf"{any_of(zh['belief']['turns'])}|{any_of(en['belief']['turns'])}"),
        refusal_turn=re.compile(rf"{any_of(hedge['turns'])}|{any_of(hedge_en['turns'])}"),
        refusal=re.compile(rf"{any_of(zh['refusal']['phrases'])}|{any_of(en['refusal']['phrases'])}"),
    )  # fmt: skip


def turns_in(words: list[str], flat: str) -> int:
    """How folded words may turn the names among them, as bits: deny them, offer them among others …"""
    return _patterns().turns.kinds_in(words, flat)


def may_own(text: str, end: int) -> bool:
    """Whether what ends at ``end`` of plain ``text`` may be told of as somebody's: 岳飞的…, "Yue Fei's …"."""
    return _OWNER.match(text, end) is not None


def refusal(text: str) -> re.Match[str] | None:
    """A phrase by which the answer (as ``plain`` gives it) says that it does not know."""
    return _patterns().refusal.search(text)


def refuses(text: str, phrase: int, name: int) -> bool:
    """Whether a phrase of refusal speaks of the name: in one sentence, and nothing between turns it."""
    a, b = min(phrase, name), max(phrase, name)
    return not _SENTENCE.search(text, a, b) and not _patterns().refusal_turn.search(text, a, b)


def stance(text: str, start: int, end: int, question: str, turns: int) -> Stance:
    """How ``text`` (as ``plain`` gives it) means what stands at ``start``–``end`` of it.

    What ``question``, as plain, denies the answer does not deny; ``turns`` is what ``turns_in`` finds in all
    of the answer.
    """
    p = _patterns()
    before = text[max(0, start - REACH) : start]
    after = text[end : end + REACH]
    if ("不是" in before or "要么" in before) and p.either.search(
        before[-22:] + text[start:end] + after[:22]
    ):
        return "hedged"
    clause = _masked(_CLAUSE.split(before)[-1])
    if (turns & DENIED or "n't" in clause) and (
        _denied(clause, after, question) or _denied_after(after)
    ):
        return "negated"
    if turns & ANSWERED and _NO.match(text, end):
        return "negated"
    if turns & TAKEN_BACK and _taken_back(text, end, clause):
        return "negated"
    if turns & EXCEPTED and _OUTSIDE.match(after) and _EXCEPT.search(clause):
        return "negated"
    if turns & BESIDE and _BESIDE_ZH.search(clause) and _BESIDE.match(after):
        return "related"
    found = p.kin_of.search(clause) if " of" in clause or " to" in clause else None
    if found and not _speaks_of(found["who"], question):
        return "related"
    if p.kin.match(after) and not _known(after, question):
        return "related"
    return "asserted"


def _known(after: str, question: str) -> bool:
    """「岳飞的儿子是岳云」 answers whose son 岳云 is: what follows is what was asked about."""
    rest = re.split(r"是|为|叫|\bis\b|\bwas\b|,|，|。|\.", after, maxsplit=1)
    words = fold(rest[1]).strip() if len(rest) > 1 else ""
    return bool(words) and bool(question) and f" {words} " in fold(question)


def _speaks_of(subject: str, question: str) -> bool:
    """ "Ares is the son of Zeus" answers whose son Ares is."""
    asked = fold(question)
    return any(len(word) > 3 and f" {word} " in asked for word in fold(subject).split())


def _taken_back(text: str, end: int, clause: str) -> bool:
    """Whether what the clause says somebody believes is said to be otherwise further on."""
    p = _patterns()
    if not p.taken_back.search(text, end, end + 2 * REACH):
        return False
    return p.belief.search(clause) is not None


def _masked(clause: str) -> str:
    return _patterns().harmless.sub(lambda found: "＿" * len(found.group()), clause)


def _denied(clause: str, after: str, question: str) -> bool:
    p = _patterns()
    for found in () if clause.isascii() else p.deny_zh.finditer(clause):
        gap, word = clause[found.end() :], found.group()
        if word == "非" and after.startswith("莫属"):
            continue
        reach = _REACH_ZH if "是" in word or len(word) > 2 else 4
        if len(gap) > reach or p.turn_zh.search(gap) or "是" in gap[len(word) > 3 :] or '"' in gap:
            continue
        if "的" in gap and "是" not in word and "非" not in word:  # 不出名的某人
            continue
        if not (question and word in question):
            return True
    for found in p.deny_en.finditer(clause) if _LATIN.search(clause) else ():
        gap = clause[found.end() :]
        if len(gap.split()) > _REACH_EN or p.turn_en.search(gap) or '"' in gap.rstrip(' "(') + "":
            continue
        if not (question and p.deny_en.search(question)):
            return True
    return False


def _denied_after(after: str) -> bool:
    p = _patterns()
    return bool(p.after.match(after)) and not p.after_harmless.match(after)
