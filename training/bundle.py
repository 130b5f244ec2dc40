"""Bundle: the contract between training and serving, a folder that is whole or refused.

bundle/
  bundle.json     base model, prompt, refusal, decoding, calibration, operating points, hashes
  adapter/        PEFT format (absent for a model tuned in full or not at all)
  applicability.json  where the promise ends: names, wordings and answers of the graph
  README.md       the model card, generated
  manifest.json   checksums of all the above, written last
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from kg_builder.files import (
    digest,
    read_manifest,
    sha256_file,
    write_json,
    write_manifest,
    write_text,
)
from kg_builder.question import Language
from training.applicability import Applicability
from training.attempt import OperatingPoint
from training.calibrate import Calibration
from training.engine.few_shot import FewShot
from training.errors import BundleError, ModelError
from training.knowledge import KnowledgeScore

FORMAT = 1
EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "base" / "model"


class BaseReference(BaseModel):
    """The model under the adapter, and how to tell that it is the right one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str  # "embedded", a name of pretrained/models.toml, a folder, a .gguf file, or a hub id
    revision: str | None = None
    dtype: str = "auto"
    few_shot: FewShot | None = None  # where the model has no chat template
    fingerprint: str = ""  # of config and weights, where they are local files


class BundleSpec(BaseModel):
    """What bundle.json says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    name: str
    created: str
    base: BaseReference
    languages: tuple[Language, ...]
    prompt: int = 0  # wording of the language pack
    prompts: dict[str, str]  # the wording itself, by language
    refusal_prefixes: dict[str, str]
    max_new_tokens: int = 40
    answer_counts: dict[str, int] = {}  # how often the model gave an answer to training questions
    knowledge: KnowledgeScore | None = None
    calibration: Calibration
    popularity: dict[str, float] = {}  # of subjects, by name as training.popularity folds it
    popularity_bands: tuple[float, ...] = ()
    operating_points: tuple[OperatingPoint, ...]
    # Points certified for direct and retrieved answers together, by what the answers were retrieved from.
    routed_points: dict[str, tuple[OperatingPoint, ...]] = {}
    default_profile: str
    risk_coverage: tuple[tuple[float, float, float], ...] = ()  # threshold, coverage, risk
    figures: dict[str, Any] = {}
    provenance: dict[str, Any] = {}  # hashes of data and code, versions, seeds, hardware


class Bundle:
    """A bundle on disk that was found whole."""

    def __init__(
        self,
        folder: Path,
        spec: BundleSpec,
        digest: str,
        applicability: Applicability | None = None,
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.digest = digest
        self.applicability = applicability  # None: made before bundles knew where they apply

    @property
    def name(self) -> str:
        """Its name and the first digits of its digest: what every answer is stamped with."""
        return f"{self.spec.name}@{self.digest[:8]}"

    @property
    def adapter(self) -> Path | None:
        folder = self.folder / "adapter"
        return folder if folder.is_dir() else None

    def base_path(self) -> str | Path:
        """Where the base model is; checked against the fingerprint where it is a local folder.

        Raises BundleError when it is missing or another one.
        """
        try:
            where = resolve_base(self.spec.base.id, self.folder)
        except ModelError as error:
            raise BundleError(f"Bundle {self.folder}: {error}") from error
        if isinstance(where, Path):
            if not where.is_dir():
                raise BundleError(
                    f"Bundle {self.folder}: its base model {where} is not there. "
                    "Put it back, or train the bundle again."
                )
            found = fingerprint(where)
            if self.spec.base.fingerprint and found != self.spec.base.fingerprint:
                raise BundleError(
                    f"Bundle {self.folder} was made on another base model than {where} "
                    f"(fingerprint {self.spec.base.fingerprint}, found {found})."
                )
        return where

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read and check a bundle. Raises BundleError with what is wrong with it."""
        if not folder.is_dir():
            raise BundleError(
                f"There is no bundle at {folder}. Make one: zhizhi demo, or zhizhi train."
            )
        manifest = read_manifest(folder) or {}
        files = manifest.get("files")
        if not isinstance(files, dict) or "bundle.json" not in files:
            raise BundleError(f"{folder} is no finished bundle: it has no whole manifest.json.")
        if manifest.get("digest") != files_digest(files):
            raise BundleError(f"Bundle {folder} is damaged: manifest.json contradicts itself.")
        for name, expected in files.items():
            path = folder / name
            if not path.is_file():
                raise BundleError(f"Bundle {folder} is damaged: {name} is missing.")
            if sha256_file(path) != expected:
                raise BundleError(
                    f"Bundle {folder} is damaged: {name} has changed since it was made."
                )
        if strange := _unlisted(folder, files):
            raise BundleError(
                f"Bundle {folder} holds {strange}, which its manifest.json does not list. Take it out: "
                "what was not checked is not loaded."
            )
        try:
            value = json.loads((folder / "bundle.json").read_bytes())
            # The format first: another one need not be readable at all.
            found = value.get("format") if isinstance(value, dict) else None
            if found != FORMAT:
                raise BundleError(
                    f"Bundle {folder} has format {found}; this version reads {FORMAT}. "
                    "Make it again with this version, or use the version that made it."
                )
            spec = BundleSpec.model_validate(value)
        except (OSError, ValueError) as error:
            raise BundleError(f"Bundle {folder}: bundle.json cannot be read ({error}).") from error
        return cls(folder, spec, manifest["digest"], Applicability.load(folder))

    def replace(
        self, spec: BundleSpec, card: str, applicability: Applicability | None = None
    ) -> Bundle:
        """This bundle with another specification and card, and with another ``applicability`` where one is
        given, written aside and exchanged as a whole."""
        aside = free_place(self.folder)
        shutil.copytree(self.folder, aside)
        if applicability is not None:
            applicability.save(aside)
        return Bundle.save(aside, spec, card).move(self.folder)

    def move(self, folder: Path) -> Bundle:
        """Put it in the place of ``folder``, whatever was there."""
        if folder.exists():
            shutil.rmtree(folder)
        self.folder.rename(folder)
        return Bundle(folder, self.spec, self.digest, self.applicability)

    @classmethod
    def save(cls, folder: Path, spec: BundleSpec, card: str) -> Bundle:
        """Write bundle.json, the card and, last, the manifest beside an adapter that is there already."""
        write_json(folder / "bundle.json", spec.model_dump(mode="json"))
        write_text(folder / "README.md", card)
        files = {
            path.relative_to(folder).as_posix(): sha256_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            and path.name not in ("manifest.json",)
            and ".tmp" not in path.suffixes
        }
        write_manifest(folder, {"files": files, "digest": files_digest(files)})
        return cls.load(folder)


def free_place(folder: Path) -> Path:
    """Where to make what will be put in the place of ``folder``: beside it, nothing is there."""
    aside = folder.with_name(f".{folder.name}.building")
    if aside.exists():
        shutil.rmtree(aside)
    return aside


def _unlisted(folder: Path, files: dict[str, str]) -> str | None:
    """A file of the adapter that the manifest does not list: it would be loaded unchecked."""
    for path in sorted((folder / "adapter").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in files:
            return name
    return None


def files_digest(files: dict[str, str]) -> str:
    """What a bundle is told by; its card, which is prose, does not count."""
    return digest({name: value for name, value in files.items() if name != "README.md"})


def resolve_base(base: str, beside: Path | None = None) -> str | Path:
    """The folder of "embedded", of a pretrained model by its name, of a GGUF file or of a local model (a
    relative path is looked for at ``beside`` first, then in the working directory), or else a hub id as it
    is.

    What is no folder yet is converted into one, once. Raises ModelError where that is not possible, or where
    ``base`` can be none of these.
    """
    from training.pretrained.gguf import gguf_folder, is_gguf, pretrained_folder
    from training.pretrained.table import pretrained_models

    if base == EMBEDDED:
        return EMBEDDED_FOLDER
    if base in pretrained_models():
        return pretrained_folder(base)
    candidates = [*([beside / base] if beside else []), Path(base)]
    if is_gguf(base):
        there = [one for one in candidates if one.is_file()]
        return gguf_folder(there[0] if there else candidates[-1])
    for candidate in candidates:
        if candidate.is_dir():
            return candidate.resolve()
    if base.startswith((".", "/", "~")):
        return Path(base)
    if base.count("/") > 1 or base.endswith(".safetensors"):
        raise ModelError(
            f"There is no folder {base!r}, and a hub id has the form owner/name. Check the path."
        )
    if "/" not in base:
        named = ", ".join([EMBEDDED, *pretrained_models()])
        raise ModelError(
            f"There is no base model {base!r}. There are: {named}; or name a folder, a .gguf file, or a hub "
            "id of the form owner/name."
        )
    return base


def fingerprint(folder: Path) -> str:
    """A short hash of a local model's configuration, tokenizer and weights; of one that was converted from a
    GGUF file, of that file. Raises ModelError where there is no model."""
    if source := (read_manifest(folder) or {}).get("gguf_sha256"):
        return digest({"gguf": source})
    if not folder.is_dir():
        raise ModelError(f"There is no model at {folder}: no such folder. Check the path.")
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix == ".safetensors" or path.name in ("config.json", "tokenizer.json")
    )
    if not names:
        raise ModelError(
            f"There is no model in {folder}: it holds neither config.json nor .safetensors files. For a GGUF "
            "file in it, name the file."
        )
    return digest({name: sha256_file(folder / name) for name in names})
