"""Answer form: a span as it would be said, without loose punctuation and without half a word.

A span is widened to whole Latin words, numbers with their units, and closed title marks, quotation
marks and brackets; marks and particles at its ends are left out.
"""

from __future__ import annotations

import re

_PAIRS = {
    "《": "》",
    "〈": "〉",
    "“": "”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "(": ")",
    "（": "）",
    "[": "]",
    "【": "】",
    '"': '"',
}
_CLOSERS = {closer: opener for opener, closer in _PAIRS.items() if opener != closer}
_LOOSE = " \t\r\n\u3000,，.。、;；:：!！?？·-—~～|…"
_KEPT_LEFT = "-"  # of a number below zero
_WORD = re.compile(r"[A-Za-z0-9\u00c0-\u024f]")
_JOINT = re.compile(r"[A-Za-z0-9\u00c0-\u024f][.,:/'’&@_+%-]?[A-Za-z0-9\u00c0-\u024f]")
_UNIT = re.compile(
    r"\s?(?:平方公里|平方千米|平方米|立方米|平方|公里|千米|厘米|毫米|英里|英尺|海里|千克|公斤|毫克|微克|千瓦时|千瓦|摄氏度|小时|分钟|秒钟|个月|个工作日|工作日"
    r"|万元|亿元|美元|日元|欧元|英镑|港元|人民币|元|块|角|米|吨|克|升|毫升|度|℃|%|％|‰|岁|年|月|日|号|天|周|星期|次|人|名|位|家|座|个|件|篇|部|集|层|级|倍|票|枚|种"
    r"|(?:kilometres|kilometers|metres|meters|miles|feet|inches|pounds|tonnes|tons|kilograms|hours|minutes|seconds|days|weeks|months|years|percent"
    r"|km²|km2|km|cm|mm|kg|mi|ft|kW|MW|GB|MB|m)\b)"
)  # fmt: skip
_NUMBER_END = re.compile(r"[0-9０-９〇零一二两三四五六七八九十百千万亿]$")
_REACH = 24  # characters within which a bracket has to close to be taken along


def answer_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The span ``start`` to ``end`` of ``text`` in the form of an answer; empty where nothing is left."""
    start, end = _trimmed(text, start, end)
    if start >= end:
        return start, start
    start, end = _whole_words(text, start, end)
    end = _with_unit(text, start, end)
    start, end = _closed(text, start, end)
    return _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _LOOSE and not _below_zero(text, start, end):
        start += 1
    while end > start and text[end - 1] in _LOOSE and not _abbreviated(text, start, end):
        end -= 1
    return start, end


def _below_zero(text: str, start: int, end: int) -> bool:
    return text[start] in _KEPT_LEFT and start + 1 < end and text[start + 1].isdigit()


def _abbreviated(text: str, start: int, end: int) -> bool:
    """Whether the full stop belongs to an abbreviation: U.S., Jr."""
    if text[end - 1] != ".":
        return False
    return (
        re.search(r"(?:\b[A-Z]\.)+[A-Z]\.$|\b(?:Jr|Sr|Inc|Ltd|Co)\.$", text[start:end]) is not None
    )


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and _joined(text, start):
        start -= 1
    while end < len(text) and _joined(text, end):
        end += 1
    return start, end


def _joined(text: str, place: int) -> bool:
    """Whether the characters on both sides of a place belong to one word or number."""
    if _WORD.match(text[place - 1]) and _WORD.match(text[place]):
        return True
    if _JOINT.fullmatch(text[max(0, place - 2) : place + 1]) and not _WORD.match(text[place - 1]):
        return True
    return bool(_JOINT.fullmatch(text[place - 1 : place + 2]) and not _WORD.match(text[place]))


def _with_unit(text: str, start: int, end: int) -> int:
    """A number that ends the span takes its unit along; a year does not become a whole date."""
    if not _NUMBER_END.search(text[start:end]):
        return end
    found = _UNIT.match(text, end)
    return found.end() if found else end


def _closed(text: str, start: int, end: int) -> tuple[int, int]:
    """Marks that open in the span close in it; marks around the whole of it belong to a title."""
    opened: list[int] = []
    for place in range(start, end):
        character = text[place]
        if opened and character == _PAIRS[text[opened[-1]]]:
            opened.pop()
        elif character in _PAIRS:
            opened.append(place)
        elif character in _CLOSERS:
            # It closes what opens before the span.
            before = text.rfind(_CLOSERS[character], max(0, start - _REACH), start)
            start = before if before >= 0 else start
    for place in reversed(opened):
        closer = text.find(_PAIRS[text[place]], end, end + _REACH)
        if closer >= 0:
            end = closer + 1
        elif any(map(str.isalnum, text[start:place])):
            end = place  # what stands before the mark is the answer
        else:
            start = place + 1
            break
    left, right = text[start - 1 : start], text[end : end + 1]
    if left in ("《", "〈") and _PAIRS[left] == right:
        return start - 1, end + 1
    return start, end
