"""Recipe: everything that one run of the pipeline is made from, read from a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.settings import EvaluationSettings
from kg_builder.question import Language
from kg_builder.settings import BuildSettings
from training.base.settings import BaseSettings
from training.calibrate import CalibrationSettings
from training.engine.few_shot import FewShot
from training.engine.openai import RemoteSettings
from training.errors import RecipeError
from training.label import LabelSettings
from training.mix import MixSettings
from training.plan import Hardware
from training.preference import PreferenceSettings
from training.probe import ProbeSettings
from training.rehearsal import RehearsalSettings
from training.sft_settings import SFTSettings

if TYPE_CHECKING:
    from training.engine.loading import Loading

FOLDER = Path(__file__).parent / "recipes"
EMBEDDED = "embedded"

M = TypeVar("M", bound=BaseModel)


class RetrievalSettings(BaseModel):
    """What stands behind a refusal."""

    model_config = ConfigDict(extra="forbid")

    embedder: str = (
        EMBEDDED  # "embedded": trained on the passages; else a sentence-transformers model
    )
    results: int = Field(5, ge=1)  # passages that the reader is given
    # Share of the graph's entities that the index tells nothing about, so that there are questions which
    # neither the model nor the passages answer: what is said to those is part of the experiment.
    untold_share: float = Field(0.0, ge=0, lt=1)
    # Prose about entities of the embedded graph (kg_builder/data/prose): beside their passages, or alone.
    prose: Literal["none", "beside", "alone"] = "none"


class Limits(BaseModel):
    """How many questions of each split are used, whole entities in hash order; None: all."""

    model_config = ConfigDict(extra="forbid")

    train: int | None = Field(None, ge=1)
    calibration: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class Choice(BaseModel):
    """Which of the graph's questions are asked at all: a model that learnt from text knows some relations of
    well-known entities, and next to nothing of the rest."""

    model_config = ConfigDict(extra="forbid")

    relations: tuple[str, ...] = ()  # none named: all
    least_popularity: float | None = None  # on the source's scale; what is unrated is left out then


class Recipe(BaseModel):
    """One run: graph, model and every stage's settings. All have defaults."""

    model_config = ConfigDict(extra="forbid")

    name: str = EMBEDDED
    seed: int = 20
    # "embedded", a pretrained model by its name, a folder, a .gguf file, a hub id, or "train": a base is
    # trained on this graph first, by [base].
    base_model: str = EMBEDDED
    revision: str | None = None
    # To be asked and tuned in. "native": bfloat16 where the device multiplies it, else float32.
    dtype: Literal["auto", "native", "float32", "bfloat16", "float16", "4bit"] = "auto"
    few_shot: FewShot | None = None  # for a model without a chat template
    build: BuildSettings = BuildSettings()
    choice: Choice = Choice()
    limits: Limits = Limits()
    base: BaseSettings = BaseSettings()
    hardware: Hardware = Hardware()  # what a dry run reckons with
    # A server that runs the base model (vLLM, SGLang): it is probed there, not in this process.
    server: RemoteSettings | None = None
    probe: ProbeSettings = ProbeSettings()
    label: LabelSettings = LabelSettings()
    mix: MixSettings = MixSettings()
    rehearsal: RehearsalSettings | None = None  # drop what it learns merely by being tuned (CRaFT)
    sft: SFTSettings = SFTSettings()
    preference: PreferenceSettings | None = None  # DPO after SFT
    calibration: CalibrationSettings = CalibrationSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    article_per_class: int = Field(
        22, ge=1
    )  # the experiment's 22 known + 22 unknown, for the curves
    choosing_questions: int = Field(500, ge=1)  # of the calibration split, to choose the checkpoint
    # Of the test split, for the curves; None: all, which on a slow model takes longer than the tuning.
    curve_questions: int | None = Field(None, ge=1)
    ablation: bool = True  # tune once more with answers in the fixed form

    @property
    def loading(self) -> Loading:
        """How every stage loads the base model: on the best device, or spread over all."""
        return {
            "revision": self.revision,
            "dtype": self.dtype,
            "device": "spread" if self.hardware.sharded else None,
            "few_shot": self.few_shot,
        }

    @property
    def languages(self) -> tuple[Language, ...]:
        return self.build.languages

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe. All its faults are told at once; RecipeError names each setting."""
        try:
            value: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise RecipeError(f"{path}: {error.strerror or error}. Check the path.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: not TOML ({error}).") from error
        recipe = validated(cls, value, str(path))
        # Sources are named relative to the recipe, so that a recipe and its data move together.
        for source in recipe.build.sources:
            beside = path.parent / source.location
            if not Path(source.location).exists() and beside.exists():
                object.__setattr__(source, "location", str(beside))
        return recipe


def find_recipe(name: str) -> Path:
    """A path to a recipe: itself, or one that comes with the project, by its name."""
    path = Path(name)
    if path.exists():
        return path
    shipped = FOLDER / f"{name}.toml"
    if shipped.exists():
        return shipped
    known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
    raise RecipeError(f"There is no recipe {name!r}. Give a path, or one of: {known}.")


def validated(model: type[M], value: dict[str, Any], where: str = "settings") -> M:
    """``value`` as a settings model; RecipeError tells all of its faults at once."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [
            f"  {'.'.join(map(str, f['loc']))}: {f['msg']} (found {f.get('input')!r})"
            for f in error.errors()
        ]
        raise RecipeError(f"{where} has {len(faults)} fault(s):\n" + "\n".join(faults)) from error
