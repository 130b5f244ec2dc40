"""What of a passage is searched: its title, then its text."""

from __future__ import annotations

from kg_builder.passage import Passage


def passage_text(passage: Passage) -> str:
    """Title and text as both indexes see them."""
    return f"{passage.title}。{passage.text}" if passage.title else passage.text
