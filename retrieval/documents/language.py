"""The language of a text, by its letters."""

from __future__ import annotations

from kg_builder.question import Language
from retrieval.segmentation import is_han

SAMPLE = 2000  # characters that decide


def language_of(text: str) -> Language:
    """Chinese where at least a fifth of the letters is."""
    sample = text[:SAMPLE]
    if not is_han(sample):
        return "en"
    letters = [character for character in sample if character.isalpha()]
    return "zh" if 5 * sum(map(is_han, letters)) >= len(letters) else "en"
