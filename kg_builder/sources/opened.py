"""Opened files: unpacked, in UTF-8, cut into chunks of whole lines, whatever the bytes are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from kg_builder.sources.encoding import HEAD, HeadedStream, Utf8Stream, encoding_of
from kg_builder.sources.report import ReadReport, SourceError
from kg_builder.sources.workbook import MAGIC, workbook_csv

CHUNK, STEP = 8 << 20, 256 << 10
MAX_LINE = 1 << 20  # bytes; a longer line is no fact, and is skipped without being held in memory
BOM = b"\xef\xbb\xbf"
ARCHIVE_ENDS = "the archive ends early or is damaged: what follows is missing"
LINE_TOO_LONG = "line longer than 1 MB"


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading as UTF-8: unpacked where its first bytes say gzip, bzip2, zstd or xz, put
    into UTF-8 where it is in another encoding, and as CSV where it is a workbook.

    SourceError where it cannot be opened.
    """
    with _unpacked(path) as stream:
        report = ReadReport(path.name)
        head = read_some(stream, report, HEAD)
        if report.notes.counts:
            # Damaged within its first bytes: the readers meet the damage, and say so.
            with _unpacked(path) as again:
                yield again
            return
        encoding = "utf-8" if head.isascii() and b"\x00" not in head else encoding_of(head)
        if head.startswith(MAGIC):
            yield workbook_csv(path, cast(IO[bytes], HeadedStream(stream, head)))
        elif encoding == "utf-8":
            yield cast(IO[bytes], HeadedStream(stream, head))
        else:
            yield cast(IO[bytes], Utf8Stream(stream, head, encoding))


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}. Check the path.") from error
    with raw:
        magic = raw.peek(6)[:6]
        if magic.startswith(b"\x1f\x8b"):
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        elif magic.startswith(b"BZh"):
            yield bz2.BZ2File(raw)
        elif magic.startswith(b"\x28\xb5\x2f\xfd"):
            yield cast(IO[bytes], _ZstdFrames(raw))
        elif magic.startswith(b"\xfd7zXZ\x00"):
            yield lzma.LZMAFile(raw)  # noqa: SIM115 - closed with the file under it
        else:
            yield raw


class _ZstdFrames:
    """The frames of a zstd file, one after another; EOFError where the last one is cut short."""

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._raw, self._frame, self._held, self._ended = raw, self._new(), b"", False

    def read(self, size: int) -> bytes:
        pieces, length = [self._held], len(self._held)
        while length < size and not self._ended:
            piece = self._more()
            pieces.append(piece)
            length += len(piece)
        whole = b"".join(pieces)
        self._held = whole[size:]
        return whole[:size]

    def _more(self) -> bytes:
        if self._frame.eof:
            packed = self._frame.unused_data or self._raw.read(1 << 20)
            self._ended = not packed
            self._frame = self._new()
        else:
            packed = self._raw.read(1 << 20)
            if not packed:
                self._ended = True
                raise EOFError("the last zstd frame is cut short")
        return self._frame.decompress(packed) if packed else b""


def read_some(stream: IO[bytes], report: ReadReport, size: int = CHUNK) -> bytes:
    """Up to ``size`` bytes; none at the end, or at a damaged place of an archive, which is noted."""
    pieces, length = [], 0
    try:
        # In small steps, so that what can be unpacked before the damage is not lost with it.
        while length < size and (piece := stream.read(min(STEP, size - length))):
            pieces.append(piece)
            length += len(piece)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        _note_damage(report, error)
    except Exception as error:  # zstandard.ZstdError, without importing it for everybody
        if type(error).__name__ != "ZstdError":
            raise
        _note_damage(report, error)
    return b"".join(pieces)


def _note_damage(report: ReadReport, error: Exception) -> None:
    if ARCHIVE_ENDS not in report.notes.counts:
        report.notes.add(ARCHIVE_ENDS, f"{report.name}: {error}")


def line_chunks(
    stream: IO[bytes], report: ReadReport, size: int = CHUNK, max_line: int = MAX_LINE
) -> Iterator[bytes]:
    """Chunks of whole lines, ended by \\n (the last may lack it), without the byte order mark.

    Lines longer than ``max_line`` are counted as malformed and left out.
    """
    rest = read_some(stream, report, size).removeprefix(BOM)
    skipping = False
    while rest:
        end = rest.rfind(b"\n") + 1
        if skipping:
            start = rest.find(b"\n") + 1
            skipping, rest = not start, rest[start:] if start else b""
            rest = rest or read_some(stream, report, size)
            continue
        more = b""
        if end:
            yield _without_long_lines(rest[:end], report, max_line)
            rest = rest[end:]
        more = read_some(stream, report, size)
        if not more:
            if rest:
                yield _without_long_lines(rest, report, max_line)
            return
        if len(rest) > max_line and b"\n" not in more:
            report.rows += 1
            report.malformed(LINE_TOO_LONG, rest[:80].decode("utf-8", "replace"))
            skipping, rest = True, more
            continue
        rest += more


def _without_long_lines(chunk: bytes, report: ReadReport, max_line: int) -> bytes:
    if len(chunk) <= max_line:
        return chunk
    # Most chunks have none: look for a newline in every window of that length first.
    position = 0
    while position + max_line < len(chunk):
        found = chunk.rfind(b"\n", position, position + max_line)
        if found < 0:
            break
        position = found + 1
    else:
        return chunk
    kept = []
    for line in chunk.splitlines(keepends=True) if b"\r" not in chunk else _lines(chunk):
        if len(line) > max_line:
            report.rows += 1
            report.malformed(LINE_TOO_LONG, line[:80].decode("utf-8", "replace"))
        else:
            kept.append(line)
    return b"".join(kept)


def _lines(chunk: bytes) -> list[bytes]:
    return io.BytesIO(chunk).readlines()


def text_lines(
    stream: IO[bytes], report: ReadReport, max_line: int = MAX_LINE
) -> Iterator[tuple[int, str]]:
    """Numbered lines of text without their ends. Lines that are not UTF-8 or hold NUL are counted.

    Every line counts as a row of the report, blank ones excepted.
    """
    number = 0
    for chunk in line_chunks(stream, report, max_line=max_line):
        for raw in chunk.split(b"\n"):
            number += 1
            if not raw.strip():
                continue
            report.rows += 1
            if b"\x00" in raw:
                report.malformed("NUL character", raw[:80].decode("utf-8", "replace"))
                continue
            try:
                yield number, raw.removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError:
                report.malformed("not UTF-8", raw[:80].decode("utf-8", "replace"))
        number -= chunk.endswith(b"\n")
        report.check()
