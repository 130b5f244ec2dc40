"""Encoding: bytes of a text file as text, whatever character set they were written in."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from retrieval.errors import DocumentError

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What is labelled with the name on the left is in practice written in the set on the right, which holds
# all its characters (WHATWG Encoding Standard, section 4.2).
SUPERSETS = {
    "gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "ascii": "cp1252",
    "big5": "big5hkscs", "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
_DECLARED = re.compile(
    rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,100}?encoding)\s*=\s*[\"']?\s*([\w\-:.]{2,20})", re.I
)
_SEVEN_BIT = re.compile(r"iso-?2022|hz|utf-?7", re.I)  # valid UTF-8 by chance: the label decides
SAMPLE = 200_000  # bytes that the detector looks at
MAX_DAMAGE = 0.05  # share of characters that may be unreadable before it is no text at all


class Decoded(NamedTuple):
    """A text, its encoding, and how many characters of it could not be read (they are U+FFFD)."""

    text: str
    encoding: str
    unreadable: int = 0


def declared_charset(data: bytes) -> str | None:
    """The character set that an HTML or XML file names in its head."""
    found = _DECLARED.search(data[:4096])
    return found.group(1).decode("ascii") if found else None


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """The text of ``data``, with line ends as ``\\n``.

    A byte order mark decides, then UTF-8 where all of it is valid (no other Chinese or Japanese text is
    by chance), then the ``declared`` set, then the detector. Raises DocumentError where it is no text.
    """
    found = _decode(data, declared)
    text = found.text.replace("\r\n", "\n").replace("\r", "\n")
    return found._replace(text=text)


def _decode(data: bytes, declared: str | None) -> Decoded:
    for mark, name in BOMS:
        if data.startswith(mark):
            return _lenient(data, name)
    if declared and _SEVEN_BIT.match(declared) and (found := _strict(data, declared)):
        return found
    if b"\0" not in data and (found := _strict(data, "utf-8")):
        return found
    if declared and b"\0" not in data and (found := _strict(data, declared)):
        return found
    import chardet

    detected = chardet.detect(data[:SAMPLE])["encoding"]
    if not isinstance(detected, str):
        raise DocumentError("not a text file. Give it the ending of what it is.")
    return _strict(data, detected) or _lenient(data, detected)


def _strict(data: bytes, name: str) -> Decoded | None:
    try:
        name = codecs.lookup(name).name
        name = SUPERSETS.get(name, name)
        text = data.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return None
    return None if "\0" in text else Decoded(text, name)


def _lenient(data: bytes, name: str) -> Decoded:
    """As much as can be read: a byte that is cut off or wrong costs one character."""
    try:
        text = data.decode(name, "replace")
    except LookupError as error:
        raise DocumentError(
            f"written in {name}, which cannot be read. Save it as UTF-8."
        ) from error
    text = text.replace("\0", "\ufffd")
    unreadable = text.count("\ufffd")
    if unreadable > max(2, MAX_DAMAGE * len(text)):
        raise DocumentError("not a text file, or in no known encoding. Save it as UTF-8.")
    return Decoded(text, codecs.lookup(name).name, unreadable)
