"""Main text of a page: what trafilatura takes for the article, without navigation and scripts."""

from __future__ import annotations

import logging
import re

# What no reader of the page sees, or what is on every page of a site.
_STYLE = "translate(translate(@style, ' ', ''), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')"
PRUNED = [
    "//nav", "//footer", "//template", "//noscript", "//*[@hidden]", "//*[@aria-hidden='true']",
    f"//*[contains({_STYLE}, 'display:none') or contains({_STYLE}, 'visibility:hidden')"
    f" or contains({_STYLE}, 'font-size:0') or contains({_STYLE}, 'opacity:0;')]",
]  # fmt: skip
# Characters of a page of the web that are parsed: what is malformed on purpose takes 15 µs each, and a
# thread that parses cannot be cancelled.
MAX_HTML = 300_000


def main_text(html: str, *, most: int | None = MAX_HTML) -> tuple[str, str] | None:
    """(title, text) of a page, None where no text can be found. Text that is hidden is left out.

    Only the first ``most`` characters are read; None, for pages that are trusted, reads all.
    """
    import trafilatura
    from trafilatura.metadata import extract_metadata

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    html = html[:most]
    try:
        tree = trafilatura.load_html(html)
        if tree is None:
            return None
        metadata = extract_metadata(tree)
        text = trafilatura.extract(
            tree, include_comments=False, include_tables=True, favor_recall=True, prune_xpath=PRUNED
        )
    except (ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        return None  # a parser that a page broke
    if not text or not text.strip():
        return None
    title = (metadata.title if metadata is not None else None) or ""
    return " ".join(title.split()), re.sub(r"\n{2,}", "\n", text).strip()
