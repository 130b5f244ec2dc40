"""Precision and coverage, with and without the fallback, against every serious baseline."""
