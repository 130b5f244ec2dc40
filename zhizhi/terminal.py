"""What is written to a terminal: nothing that comes from a page, a model or a file steers it."""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

from rich.console import Console


def printable(text: str) -> str:
    """``text`` without what moves a cursor, changes colours or turns the direction of writing; line ends
    and tabs stay."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else "�"
        for c in text
    )


class Words(Console):
    """A console for words to the user. Texts are shown as they are: only where ``markup`` is asked for do
    brackets mean colours."""

    def print(self, *objects: Any, markup: bool | None = None, **options: Any) -> None:
        shown = (printable(one) if isinstance(one, str) else one for one in objects)
        super().print(*shown, markup=bool(markup), **options)


# Words go to stderr: stdout is for results. Written to a file, tables are not squeezed into 80 columns.
console = Words(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 132)
