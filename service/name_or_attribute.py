"""Is a word the name of something, or an attribute that things have? 英国 and 货币, Spain and currency.

In Chinese a logistic model over character n-grams says so (name_or_attribute.json, made by service.learning;
NOTICE names what it was learnt from). In English names are written with capitals.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kg_builder.literals import HAN
from kg_builder.question import Language
from service.ngram_classifier import NgramClassifier
from service.question_frame import attributes

LEARNT = Path(__file__).with_name("name_or_attribute.json")
LONGEST = 40  # characters of what is either
# Below the first an expression is a name, above the second an attribute; between them it is neither for sure.
NAME, ATTRIBUTE = 0.5, 0.65


@cache
def _classifier() -> NgramClassifier:
    return NgramClassifier.load(LEARNT)


def is_attribute(text: str, language: Language) -> bool:
    """Whether ``text`` is something that things have: by the catalogue, else by its form."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return False
    if text.casefold().removeprefix("the ") in attributes(language):
        return True
    if language == "en":
        return text.startswith(("the ", "its ", "his ", "her ", "their ")) and text.islower()
    return HAN.search(text) is not None and _classifier().probability(text) >= ATTRIBUTE


def is_name(text: str, language: Language) -> bool:
    """Whether ``text`` is a name and no attribute."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return False
    if text.startswith("《") and text.endswith("》"):
        return True
    if language == "en":
        bare = text.removeprefix("the ")
        return bare[:1].isupper() or bare[:1].isdigit() or HAN.search(text) is not None
    if text in attributes(language):
        return False
    return HAN.search(text) is None or _classifier().probability(text) <= NAME
