"""The page to look through a build's questions: one HTML file that needs no server."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from kg_builder.files import write_text

SHOWN = 2_000  # questions on the page: enough to judge by, small enough to open
READ_WHOLE = 16 << 20  # bytes
PLACE = "/*QUESTIONS*/"


def write_browse_page(out: Path) -> None:
    """browse.html beside questions.jsonl, with an even sample of it."""
    template = files("kg_builder").joinpath("data/browse.html").read_text(encoding="utf-8")
    # "<" would let a question end the script that holds it.
    records = ",\n".join(
        line.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        for line in sample_lines(out / "questions.jsonl", SHOWN)
    )
    write_text(out / "browse.html", template.replace(PLACE, records))


def sample_lines(path: Path, count: int, read_whole: int = READ_WHOLE) -> Iterator[str]:
    """At most ``count`` lines, evenly spread over the file; a large one is not read through."""
    size = path.stat().st_size
    if size <= read_whole:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        step = max(len(lines) / count, 1.0)
        yield from (lines[int(number * step)] for number in range(min(count, len(lines))))
        return
    with path.open("rb") as file:
        last = -1
        for number in range(count):
            file.seek(size * number // count)
            if number:
                file.readline()  # the rest of the line that the place lies in
            start = file.tell()
            line = file.readline()
            if line and start > last:
                last = start
                yield line.decode("utf-8").rstrip("\n")
