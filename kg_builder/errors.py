"""UserError: a mistake that the user can mend.

UserError            printed by the command line without a traceback, exit status 2
└── every package derives its own: SourceError, RecipeError, BundleError, IndexError_, …
"""

from __future__ import annotations


class UserError(Exception):
    """Names the culprit, the value and the remedy in one or two sentences."""
