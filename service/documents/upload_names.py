"""What an uploaded file may be called: its name becomes the id of its document."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import PurePosixPath

from retrieval.errors import DocumentError

MAX_NAME = 200


def document_id(filename: str, types: tuple[str, ...]) -> str:
    """The id of a file by its name, with the folders before it; no way out of them is left in it.

    Raises DocumentError, one clause with the reason, for a name that cannot be one and for an ending that is
    not among ``types``.
    """
    from retrieval.documents.folder import HIDDEN

    text = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in filename)
    parts = [part.strip() for part in text.replace("\\", "/").split("/")]
    parts = [part for part in parts if part not in ("", ".", "..")]
    if not parts:
        raise DocumentError("it has no name.")
    if any(HIDDEN.match(part) for part in parts):
        raise DocumentError("a hidden file.")
    name = "/".join(parts)
    if len(name) > MAX_NAME:
        raise DocumentError(f"its name is longer than {MAX_NAME} characters.")
    ending = PurePosixPath(name).suffix.lower()
    if ending not in types:
        known = ", ".join(types)
        raise DocumentError(
            f"{ending or 'a file without an ending'} is not taken here. It may be {known}."
        )
    return name


@cache
def endings(chosen: str) -> tuple[str, ...]:
    """The endings that are taken: those ``chosen`` (with commas between them), or all that can be read."""
    from retrieval.documents.reader import FORMATS

    wanted = {f".{one.strip().lstrip('.').lower()}" for one in chosen.split(",") if one.strip()}
    return tuple(sorted(wanted & {*FORMATS} if wanted else FORMATS))
