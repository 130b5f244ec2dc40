"""What of the evidence reaches the reader: no text twice, not all from one source, not too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from retrieval.canonical import key
from retrieval.evidence import Evidence
from retrieval.store import document_of


def origin(evidence: Evidence) -> str:
    """Whom a passage comes from: the site of a web page, else its document."""
    if evidence.source == "web":
        return urlsplit(evidence.passage.url).hostname or evidence.passage.url
    return document_of(evidence.passage.id)


def diversify(
    evidence: Sequence[Evidence], *, limit: int, max_per_source: int, max_characters: int
) -> list[Evidence]:
    """The best first as they come; the first passage stays whatever its length."""
    seen: set[str] = set()
    origins: Counter[str] = Counter()
    chosen: list[Evidence] = []
    spent = 0
    for item in evidence:
        text = key(item.passage.text)
        source = origin(item)
        size = len(item.passage.text)
        if text in seen or origins[source] >= max_per_source:
            continue
        if chosen and (len(chosen) >= limit or spent + size > max_characters):
            continue
        seen.add(text)
        origins[source] += 1
        spent += size
        chosen.append(item)
    return chosen
