"""What goes wrong in the offline job and the user can mend.

UserError
└── TrainingError
    ├── ModelError     a model cannot be loaded or run
    ├── RecipeError    a setting is missing or wrong
    └── BundleError    a bundle is damaged or does not fit its base
"""

from __future__ import annotations

from kg_builder.errors import UserError


class TrainingError(UserError):
    """The offline job cannot go on."""


class ModelError(TrainingError):
    """A model cannot be loaded or run."""


class RecipeError(TrainingError):
    """A setting is missing or wrong."""


class BundleError(TrainingError):
    """A bundle is damaged, or does not fit its base model."""
