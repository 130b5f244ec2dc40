"""The command line, recipes, and the whole pipeline as one readable module."""

__version__ = "0.1.0"
