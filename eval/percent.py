"""Shares as people read them."""

from __future__ import annotations


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def signed_percent(value: float | None, digits: int = 1) -> str:
    """With its sign, a true minus; zero has none."""
    if value is None:
        return "–"
    text = f"{abs(100 * value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else "−") + text
