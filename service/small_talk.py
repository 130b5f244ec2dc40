"""Small talk: greetings, thanks, "who are you": nothing to look up, and nothing not to know.

A logistic model over character n-grams, learnt from the phrases of small_talk.toml against questions
(service.learning), tells it part by part: 「你好,谢谢!」 is small talk, 「你好,法国的首都是哪里?」 is not.
The phrase that is most alike says which reply it gets.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from kg_builder.question import Language
from service.language_pack import LANGUAGES
from service.ngram_classifier import NgramClassifier
from training.domain import key, pairs

SmallTalk = Literal["greeting", "thanks", "farewell", "identity", "ability", "remark"]

PATH = Path(__file__).with_name("small_talk.toml")
LEARNT = Path(__file__).with_name("small_talk.json")
LONGEST = 60  # characters of what can be small talk
PARTS = re.compile(r"[,，。.!！?？;；~～…、\n]+")
SURE = 0.97  # P(small talk) from which on it is
ALIKE = (
    0.3  # share of character pairs in common with the nearest phrase: Hello Kitty is no greeting
)


def small_talk(text: str) -> SmallTalk | None:
    """What kind of small talk ``text`` is, by its last part that is more than a remark; None where any part
    of it may be a question."""
    if len(text) > LONGEST:
        return None
    kinds = [_kind(part) for part in map(key, PARTS.split(text)) if part]
    if not kinds or None in kinds:
        return None
    telling = [kind for kind in kinds if kind != "remark"]
    return (telling or kinds)[-1]


def reply(kind: SmallTalk, language: Language) -> str:
    """The fixed reply to that kind."""
    text: str = _table()["replies"][kind][language]
    return text


@lru_cache
def phrases() -> dict[str, SmallTalk]:
    """The kind of every phrase, by its key."""
    table = _table()
    return {
        key(phrase): kind
        for kind in get_args(SmallTalk)
        for language in LANGUAGES
        for phrase in table[kind][language]
    }


def no_small_talk() -> list[str]:
    """Questions that sound like small talk, to learn from."""
    return [text for language in LANGUAGES for text in _table()["questions"][language]]


@lru_cache
def _table() -> dict[str, Any]:
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


@lru_cache
def _classifier() -> NgramClassifier:
    return NgramClassifier.load(LEARNT)


def _kind(part: str) -> SmallTalk | None:
    known = phrases()
    if part in known:
        return known[part]
    if _classifier().probability(part) < SURE:
        return None
    own = pairs(part)
    likeness = {phrase: _likeness(own, theirs) for phrase, theirs in _phrase_pairs().items()}
    nearest = max(likeness, key=likeness.__getitem__)
    return known[nearest] if likeness[nearest] >= ALIKE else None


@lru_cache
def _phrase_pairs() -> dict[str, set[str]]:
    return {phrase: pairs(phrase) for phrase in phrases()}


def _likeness(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
