"""Surroundings: what stands right beside a name, in numbers from which the judge learns.

A name in a Chinese sentence has no spaces around it: whether 印度 is named or is the head of 印度尼西亚 is
told by segmentation (rjieba's dictionary), and by a lexicon of the caller's own names: the longer name wins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

from kg_builder.matching.lexicon import pack, words
from kg_builder.matching.normalise import IDEOGRAPH, is_ideograph, plain

# What stands on one side of a name, from what leaves it alone to what makes another name of it.
EDGE, WORD, NOUN, NAME, JOINED, INSIDE = range(6)
FREE = frozenset(
    "以的是为在于由叫名即乃和与及或了吗呢吧呀啊哦嘛所这那他她它有"
)  # never a part of a name
_NAMES = ("nr", "ns", "nt", "nz")
_NOUNS = ("n", "j", "k", "h", "f", "s", "b", "g", "t", "x", "a", "vn", "l", "i", "m", "z", "eng")
_REACH = 10  # characters looked at on either side
_RUN_LEFT = re.compile(f"[{IDEOGRAPH}]*$")
_RUN_RIGHT = re.compile(f"[{IDEOGRAPH}]*")
_JOINS = frozenset("·-'’")
_TITLE_OPEN, _TITLE_CLOSE = re.compile(r"《([^《》]*)$"), re.compile(r"([^《》]*)》")
_SUBTITLE = re.compile(r"^[\s·:：—\-(（之第上中下]")
_WORD_LEFT, _WORD_RIGHT = re.compile(r"([^\W_]+)['’.]?\s$"), re.compile(r"\s([^\W_]+)")


class Names:
    """A lexicon of names; of two that stand at one place the longer one is meant."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(filter(_is_long, map(plain, names)))
        self._longest = min(max(map(len, self._names), default=0), 2 * _REACH)

    def longer(self, text: str, start: int, end: int) -> str:
        """The longest name in plain ``text`` that holds what stands at ``start``–``end`` and more; or ""."""
        for length in range(self._longest, end - start, -1):
            for first in range(max(0, end - length), start + 1):
                found = text[first : first + length]
                if len(found) == length and found in self._names:
                    return found
        return ""


def _is_long(name: str) -> bool:
    return len(name) > 2


class Around(NamedTuple):
    """What stands on both sides of a name; lengths in characters of a Chinese noun, or in words."""

    left: int = EDGE
    right: int = EDGE
    left_length: int = 0
    right_length: int = 0
    left_run: int = 0  # Chinese characters up to a sign or a word that belongs to no name
    right_run: int = 0
    title: int = 0  # 1: all of a title, 2: with a part of it, 3: within a longer one


WHOLE = Around()


def around(text: str, raw: str, start: int, end: int, name: str = "") -> Around:
    """What stands beside ``start``–``end`` of plain ``text``; ``raw`` has its capitals.

    ``name`` is the whole name, as ``plain`` gives it: other given names than its own make another person.
    """
    title = _title(text, start, end) if "《" in text else 0
    before, after = text[start - 1 : start], text[end : end + 1]
    first, last = is_ideograph(text[start]), is_ideograph(text[end - 1])
    left = right = EDGE
    left_length = right_length = 0
    han_left = first and before != "" and before not in FREE and is_ideograph(before)
    han_right = last and after != "" and after not in FREE and is_ideograph(after)
    if han_left or han_right:
        left, right, left_length, right_length = _segmented(text, start, end)
    if before in _JOINS and text[start - 2 : start - 1].isalnum():
        left = JOINED if first and _other_given(text, start, name) else WORD
    elif first and not han_left:
        left = WORD if before.isalnum() else EDGE
    elif not first:
        left, left_length = _latin(raw, text, _WORD_LEFT.search(text, max(0, start - 24), start))
    if title == 2:
        right = EDGE
    elif after in _JOINS and text[end + 1 : end + 2].isalnum() and not text.startswith("'s", end):
        right = JOINED if last else NAME
    elif last and not han_right:
        right = WORD if after.isalnum() else EDGE
    elif not last:
        right, right_length = _latin(raw, text, _WORD_RIGHT.match(text, end))
    runs = _run(text, start - 1, -1) if han_left else 0, _run(text, end, 1) if han_right else 0
    return Around(left, right, left_length, right_length, *runs, title)


def _run(text: str, place: int, step: int) -> int:
    run = 0
    while run < _REACH and 0 <= place < len(text):
        if not is_ideograph(text[place]) or text[place] in FREE:
            break
        run, place = run + 1, place + step
    return run


def _latin(raw: str, text: str, found: re.Match[str] | None) -> tuple[int, int]:
    """A word beside a name in Latin letters: with a capital it may belong to it."""
    if found is None:
        return EDGE, 0
    word = found[1]
    if len(raw) != len(text) or not raw[found.start(1)].isupper() or word in _titles():
        return WORD, 1
    opens = (
        not raw[: found.start(1)].rstrip(" \"'(“").endswith(tuple("abcdefghijklmnopqrstuvwxyz,"))
    )
    return (NOUN if opens and found.end() > found.end(1) else NAME), 1


_GIVEN = re.compile(r"(?:[^\W_]+[·.-])+$")
_DOTS = re.compile(r"[·.=-]")
_PATRONYMIC = ("维奇", "耶夫娜", "夫娜")  # told or left out at will


def _other_given(text: str, start: int, name: str) -> bool:
    """Whether the names before a family name, joined to it by dots, are others than those of ``name``."""
    own = [part for part in _DOTS.split(name) if part]
    found = _GIVEN.search(text, max(0, start - 24), start)
    if found is None or len(own) < 2 or text.startswith(name, start):
        return False  # the gold is no more than what stands there
    said = [part for part in _DOTS.split(found.group()) if part]
    return any(part not in own and not part.endswith(_PATRONYMIC) for part in said)


@functools.cache
def _titles() -> frozenset[str]:
    hedges = words("en", "hedge", "words")
    return words("en", "names", "titles") | words("en", "words", "stop") | hedges


def _title(text: str, start: int, end: int) -> int:
    opened, closed = _TITLE_OPEN.search(text, 0, start), _TITLE_CLOSE.match(text, end)
    if opened is None or closed is None:
        return 0
    if opened[1].strip():
        return 3
    return 1 if not closed[1].strip() else 2 if _SUBTITLE.match(closed[1]) else 3


def _segmented(text: str, start: int, end: int) -> tuple[int, int, int, int]:
    low = max(0, start - _REACH)
    ending = _endings().match(text, end)
    if ending is not None:  # 北京市 is 北京, whatever the dictionary holds
        end = ending.end()
    left = _RUN_LEFT.search(text, low, start)
    right = _RUN_RIGHT.match(text, end, end + _REACH)
    first = left.start() if left else start
    last = right.end() if right else end
    pieces = _segments(text[first:last])
    place, kinds = first, [EDGE, EDGE]
    lengths = [0, 0]
    for word, tag in pieces:
        stop = place + len(word)
        kind = NAME if tag.startswith(_NAMES) else NOUN if tag.startswith(_NOUNS) else WORD
        if len(word) == 1 and place == end:  # 李白画的, but 红楼梦魇
            if text.startswith("的", stop):
                kind = WORD
            elif tag == "v" and stop == len(text):
                kind = NOUN
        if place < start < stop:
            kinds[0], lengths[0] = (INSIDE if stop >= end else kind), start - place
        elif stop <= start:  # nouns in a row up to the name
            kinds[0] = kind
            lengths[0] = 0 if kind == WORD else lengths[0] + len(word)
        if place < end < stop:
            kinds[1], lengths[1] = (INSIDE if place <= start else kind), stop - end
            place = stop
            continue
        if place >= end:
            if kind == WORD:
                kinds[1] = kinds[1] or WORD
                break
            kinds[1], lengths[1] = max(kinds[1], kind), lengths[1] + len(word)
        place = stop
    return kinds[0], kinds[1], lengths[0], lengths[1]


def is_kind(name: str) -> bool:
    """Whether a Chinese name is a common noun, one word of the dictionary: 诗人, not 李白."""
    return _segments(name) == ((name, "n"),)


@functools.cache
def _endings() -> re.Pattern[str]:
    """What may follow a name and leaves it the same."""
    names = pack("zh")["names"]
    endings = [*names["administrative"], *names["organizations"], *names["honorifics"]]
    return re.compile(
        rf"(?:{'|'.join(sorted(endings, key=len, reverse=True))})(?![{IDEOGRAPH}]{{0,2}}[路街站台报])"
    )


@functools.lru_cache(maxsize=1 << 14)
def _segments(text: str) -> tuple[tuple[str, str], ...]:
    import rjieba

    return tuple(rjieba.tag(text))
