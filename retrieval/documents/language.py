"""The language of a text, by its letters."""

from __future__ import annotations

from kg_builder.question import Language
from retrieval.segmentation import is_han

SAMPLE = 2000  # characters that decide


def language_of(text: str) -> Language:
    """Chinese where at least a fifth of the letters is."""
    letters = [character for character in text[:SAMPLE] if character.isalpha()]
    han = sum(map(is_han, letters))
    return "zh" if han * 5 >= len(letters) and han else "en"
