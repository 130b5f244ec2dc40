"""Names: the forms under which one and the same thing may be named."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

from kg_builder.matching.lexicon import pack, words
from kg_builder.matching.normalise import IDEOGRAPH, fold
from kg_builder.question import AnswerType

_DOT = re.compile(r"[·・•‧∙⋅･.．=＝-]")
_BRACKET = re.compile(r"[(（\[【〔]([^()（）\[\]【】〔〕]*)[)）\]】〕]")
_HAN = re.compile(f"[{IDEOGRAPH}]")
_ALL_HAN = re.compile(f"[{IDEOGRAPH}]+")
_MARKS = "《》〈〉「」『』“”\"' "


class Forms(NamedTuple):
    """What else names the same thing; nothing here is folded."""

    full: tuple[str, ...]  # as good as the name itself
    family: tuple[str, ...]  # family names: good unless another given name stands before
    place: tuple[
        str, ...
    ]  # the wider places of 「山东省微山县」 or "Austin, Texas": not precise enough
    bracket: str = ""  # what stands in brackets: 刚果(金)


@functools.cache
def _places() -> re.Pattern[str]:
    endings = sorted(pack("zh")["names"]["places"], key=len, reverse=True)
    return re.compile(rf"[{IDEOGRAPH}]{{2,7}}?(?:{'|'.join(endings)})")


def forms(name: str, answer_type: AnswerType) -> Forms:
    """The other forms of ``name``."""
    full: list[str] = []
    bare = _BRACKET.sub("", name).strip()
    inner = _BRACKET.search(name)
    if bare and bare != name:
        full.append(bare)
        # 世界卫生组织（WHO）: the same name in another script; 李娜（网球运动员） only says which one.
        if (
            inner
            and fold(inner[1]).strip()
            and bool(_HAN.search(inner[1])) != bool(_HAN.search(bare))
        ):
            full.append(inner[1])
    else:
        bare = name
    family: list[str] = []
    place: list[str] = []
    if _HAN.search(bare):
        stripped = bare.strip(_MARKS)
        full.extend(_endings(stripped, answer_type))
        full.extend(_weekdays(stripped))
        if answer_type in ("person", "term"):
            family.extend(_families(stripped))
        if answer_type in ("place", "term"):
            parts = _places().findall(stripped)
            if len(parts) > 1 and "".join(parts) == stripped:
                tails = ["".join(parts[i:]) for i in range(1, len(parts))]
                full.extend((*tails, *_endings(tails[-1], "place")))
                place.extend("".join(parts[:i]) for i in range(1, len(parts)))
    else:
        full.extend(_latin(bare, answer_type))
        if answer_type in ("place", "term"):
            head, *tail = (part.strip() for part in bare.split(","))
            if (
                head
                and 0 < len(tail) < 3
                and all(re.fullmatch(r"[A-Z][\w.' -]{2,30}", p) for p in tail)
            ):
                full.extend((head, *_latin(head, answer_type)))
                if answer_type == "place" or " " in head or " " in tail[0]:
                    place.extend(tail)
                else:  # "Wilson, Carl", or "Munich, Bavaria": it may be either
                    full.append(f"{tail[0]} {head}")
    return Forms(tuple(full), tuple(family), tuple(place), inner[1] if inner else "")


def _weekdays(name: str) -> Iterator[str]:
    """星期一, 周一 and 礼拜一; Sunday is 日 or 天."""
    weeks = pack("zh")["names"]["weeks"]
    if len(name) < 4 and name[-1] in "一二三四五六日天" and name[:-1] in weeks:
        days = "日天" if name[-1] in "日天" else name[-1]
        yield from (week + day for week in weeks for day in days if week + day != name)


def _families(name: str) -> Iterator[str]:
    """爱因斯坦 and 阿尔伯特·爱因斯坦 are one person, 阿尔伯特 could be anybody."""
    parts = [part for part in _DOT.split(name) if part]
    for first in range(1, len(parts)):
        rest = "".join(parts[first:])
        if len(rest) > 1 and _ALL_HAN.fullmatch(rest):
            yield rest


def _endings(name: str, answer_type: AnswerType) -> Iterator[str]:
    """A Chinese name without its title or kind (北京市, 微软公司), or with another ending (英语, 英文)."""
    if not _ALL_HAN.fullmatch(name):
        return
    names = pack("zh")["names"]
    endings: list[str] = []
    if answer_type in ("person", "term"):
        endings += names["honorifics"]
        if name.endswith("帝") and name[:-1] in names["eras"]:
            yield name[:-1]
    if answer_type in ("place", "term"):
        endings += names["places"]
    if answer_type in ("organization", "term"):
        endings += names["organizations"]
    for ending in sorted(endings, key=len, reverse=True):
        stem = name.removesuffix(ending)
        if stem != name and len(stem) > 1:
            yield stem
            break
    for group in names["alike"]:
        for ending in sorted(group, key=len, reverse=True):
            stem = name.removesuffix(ending) if ending else ""
            if stem and stem != name and len(stem) < 5:
                yield from (stem + other for other in group if other != ending)
                if len(stem) == 1:
                    yield stem
                break


def _latin(name: str, answer_type: AnswerType) -> Iterator[str]:
    """An acronym with or without points, and a name without article, title, or what it is."""
    letters = name.replace(".", "").replace(" ", "")
    if letters.isascii() and letters.isalpha() and letters.isupper() and len(letters) > 1:
        yield " ".join(letters)
        if len(letters) > 2:
            yield letters
    articles, prepositions = words("en", "names", "articles"), words("en", "names", "prepositions")
    parts = fold(name).split()
    while len(parts) > 1 and (parts[0] in articles or parts[0] in prepositions):
        parts = parts[1:]
        yield " ".join(parts)
    stripped = without_titles(parts, person=answer_type == "person")
    if stripped != parts:
        yield " ".join(stripped)
    for head in pack("en")["names"]["heads"]:
        if len(parts) > 1 and parts[0] in head:
            yield " ".join((head[1 - head.index(parts[0])], *parts[1:]))
    places, companies = words("en", "names", "places"), words("en", "names", "companies")
    if answer_type == "place" and len(parts) > 1:
        if parts[0] in places:
            yield " ".join(parts[1:])
        if parts[-1] in places:
            yield " ".join(parts[:-1])
    if answer_type in ("organization", "term") and len(parts) > 1 and parts[-1] in companies:
        yield " ".join(parts[:-1])


@functools.cache
def _longest_title() -> int:
    return max(len(title.split()) for title in words("en", "names", "titles"))


def without_titles(parts: list[str], person: bool = True) -> list[str]:
    """A folded Latin name without titles before it and suffixes behind, two words at least left."""
    titles, suffixes = words("en", "names", "titles"), words("en", "names", "suffixes")
    if not person:
        numbered = words("en", "names", "numbered")
        if any(part in numbered for part in parts):  # World War II
            return parts
    longest = _longest_title()
    found = True
    while found:
        found = False
        for length in range(longest, 0, -1):
            if len(parts) - length > 1 and " ".join(parts[:length]) in titles:
                parts, found = parts[length:], True
                break
    while len(parts) > 2 and parts[-1] in suffixes:
        parts = parts[:-1]
    return parts
