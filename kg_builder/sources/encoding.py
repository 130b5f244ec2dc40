"""Encoding: text files in the encodings that people's programs write, handed on as UTF-8."""

from __future__ import annotations

import codecs
from typing import IO

from charset_normalizer import from_bytes

HEAD = 64 << 10  # bytes by which an encoding is told
STEP = 256 << 10
# Byte order marks, the longer ones first: that of UTF-32 begins like that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Chinese, Japanese, Korean and Western programs write where it is not Unicode.
LEGACY = ["gb18030", "big5hkscs", "shift_jis", "euc_kr", "cp1252"]
# A file of which fewer lines are broken is UTF-8 with a few broken lines, which the readers count.
MOST_BROKEN = 0.3


def encoding_of(head: bytes) -> str:
    """The encoding of a text by its first bytes: a name that ``codecs`` knows.

    By the byte order mark; by where the zero bytes of UTF-16 are; UTF-8 where it is that, up to a few
    broken lines; else what charset-normalizer holds for likeliest, GB 18030 where it holds nothing.
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if wide := _utf16(head):
        return wide
    lines = [line for line in head.split(b"\n") if line.strip()]
    if len(lines) > 1 and len(head) >= HEAD:
        lines.pop()  # cut off in the middle
    broken = sum(not _is_utf8(line) for line in lines)
    if broken <= MOST_BROKEN * len(lines):
        return "utf-8"
    best = from_bytes(b"\n".join(lines), cp_isolation=LEGACY).best()
    return best.encoding if best is not None else "gb18030"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: commas, tabs and ends of lines have a zero byte, always on the same side."""
    marks = [place for place, byte in enumerate(head) if byte in b",;|\t\r\n"]
    for offset, name in ((1, "utf-16-le"), (-1, "utf-16-be")):
        beside = [head[place + offset : place + offset + 1] == b"\x00" for place in marks if place]
        if beside and sum(beside) > 0.8 * len(beside) and head.count(0) < 0.6 * len(head):
            return name
    return None


class Utf8Stream:
    """A stream of another encoding read as UTF-8; what cannot be decoded becomes U+FFFD."""

    def __init__(self, raw: IO[bytes], head: bytes, encoding: str) -> None:
        self._raw, self._held = raw, b""
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._head: bytes | None = head
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._held) < size):
            piece = self._head if self._head is not None else self._raw.read(STEP)
            self._head = None
            self._ended = not piece
            self._held += self._decoder.decode(piece or b"", final=self._ended).encode("utf-8")
        if size < 0:
            size = len(self._held)
        found, self._held = self._held[:size], self._held[size:]
        return found


class HeadedStream:
    """A stream of which the first bytes were read already."""

    def __init__(self, raw: IO[bytes], head: bytes) -> None:
        self._raw, self._head = raw, head

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            found, self._head = self._head, b""
            return found + self._raw.read()
        found, self._head = self._head[:size], self._head[size:]
        if len(found) < size:
            found += self._raw.read(size - len(found))
        return found
