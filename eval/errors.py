"""What a user of the evaluation can mend.

UserError
└── EvalError            a question set, an endpoint, a report or a threshold is not what it should be
"""

from __future__ import annotations

from kg_builder.errors import UserError


class EvalError(UserError):
    """Names the culprit, the value and the remedy."""
