"""Overlap: which characters of one text stand in another, as a reader's input beside the tokens.

Exact matches with the question are the feature that lifts a small reader most (Chen et al. 2017,
DrQA). A unit is a Chinese character or a Latin word or number; a level says how long the run of
units is that both texts hold.

0  nothing                     2  two characters, or a word or number
1  one character or digit, a   3  three characters, or two words
   short word, a word's stem   4  more
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.segmentation import CJK, fold

LEVELS = 5
_UNIT = re.compile(
    rf"[{CJK}]|[a-z\u00c0-\u024f]+|[0-9]+(?:[.,:][0-9]+)*|[\u0370-\u04ff\u3040-\u30ff\uac00-\ud7af]"
)
_STEM = 5  # letters that inflected forms of a word share
_SHORT = 3  # letters; words up to here are mostly function words
_LONGEST = 4

Units = list[tuple[str, int, int]]


class Runs:
    """The units of a text, and every run of up to four of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._runs: set[tuple[str, ...]] = set()
        self._stems: set[str] = set()
        for text in texts:
            units = [unit for unit, _, _ in units_of(text)]
            for count in range(1, _LONGEST + 1):
                self._runs.update(
                    tuple(units[i : i + count]) for i in range(len(units) - count + 1)
                )
            self._stems.update(unit[:_STEM] for unit in units if len(unit) >= _STEM)

    def levels(self, text: str) -> list[int]:
        """For every character of ``text`` the level of the longest shared run over it."""
        found = [0] * len(text)
        units = units_of(text)
        names = [unit for unit, _, _ in units]
        runs = self._runs
        for place, (name, start, end) in enumerate(units):
            word = len(name) > 1
            if (name,) not in runs:
                if len(name) >= _STEM and name[:_STEM] in self._stems:
                    found[start:end] = [max(1, level) for level in found[start:end]]
                continue
            longest = 1
            while longest < _LONGEST and tuple(names[place : place + longest + 1]) in runs:
                if place + longest >= len(names):
                    break
                longest += 1
            level = longest + (word and (len(name) > _SHORT or name[0].isdigit()))
            level = min(LEVELS - 1, level)
            last = units[place + longest - 1][2]
            for at in range(start, last):
                if found[at] < level:
                    found[at] = level
        return found


def units_of(text: str) -> Units:
    """(unit, start, end) in order; folded, so that case, width and script do not matter."""
    return [(m.group(), m.start(), m.end()) for m in _UNIT.finditer(fold(text))]
