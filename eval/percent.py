"""Shares as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def percent(value: float | None, digits: int = 1) -> str:
    if value is None:
        return "–"
    text = f"{100 * value:.{digits}f}"
    return f"{text.lstrip('-') if not float(text) else text}%"


def percent_range(interval: Sequence[float] | None) -> str:
    """An interval in whole per cent; dots where a bound is negative, whose sign a dash would hide."""
    if interval is None:
        return ""
    low, high = (percent(bound, 0)[:-1] for bound in interval)
    return f"{low}{' … ' if '-' in low + high else '–'}{high}%"


def p_text(p_value: float) -> str:
    """A p-value as journals print it."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def signed_percent(value: float | None, digits: int = 1) -> str:
    """With its sign, a true minus; zero has none."""
    if value is None:
        return "–"
    text = f"{abs(100 * value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else "−") + text
