"""Script: which ideographs are written otherwise in simplified Chinese."""

from __future__ import annotations

from functools import cache

from kg_builder.matching.normalise import fold


@cache
def traditional_ideographs() -> str:
    """Every ideograph of U+4E00 to U+9FFF that has another, simplified form, one after another."""
    return "".join(c for c in map(chr, range(0x4E00, 0xA000)) if fold(c).strip() != c)
