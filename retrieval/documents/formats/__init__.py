"""Formats: one reader each, from the bytes of a file to its documents."""
