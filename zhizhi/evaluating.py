"""Evaluate: a finished run on its own test questions or on any others, or whatever runs at an address."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from eval.errors import EvalError
from eval.question_set import read_question_set
from eval.settings import EvaluationSettings
from kg_builder.files import digest, read_jsonl, read_manifest, write_manifest
from kg_builder.passage import Passage
from kg_builder.question import Language, Question
from training.label import Label
from zhizhi import __version__
from zhizhi.recipe import Recipe, validated
from zhizhi.serving import RunError, open_run

if TYPE_CHECKING:
    from eval.cost import Prices
    from eval.result import EvaluationResult
    from retrieval.chain import RetrievalChain
    from training.attempt import Attempter
    from training.generation import Model

CHAT_KEY = "OPENAI_API_KEY"
OTHER: dict[Language, Language] = {"zh": "en", "en": "zh"}


@dataclass
class Asked:
    """What is asked. ``labels`` where the base has been probed on these questions; ``passages`` where the
    set brings what it was asked about; ``own`` where they are the run's own."""

    name: str
    questions: list[Question]
    labels: list[Label] | None = None
    passages: list[Passage] = field(default_factory=list)
    skipped: int = 0
    own: bool = False


@dataclass
class Systems:
    """The models and the chain of a run."""

    base: Model
    attempter: Attempter
    chain: RetrievalChain
    ablation: Model | None


def recipe_of(out: Path) -> Recipe:
    """The recipe that a run was made by: its bundle holds it. Raises RunError where there is no finished
    run, EvalError where its bundle names no recipe."""
    from training.bundle import Bundle

    if read_manifest(out / "calibration") is None:
        raise RunError(f"{out} holds no finished run. Make one: zhizhi demo --no-serve --out {out}")
    recipe = Bundle.load(out / "bundle").spec.provenance.get("recipe")
    if not isinstance(recipe, dict):
        raise EvalError(f"The bundle of {out} does not say by which recipe it was made. Name it.")
    return validated(Recipe, recipe, f"the recipe in {out / 'bundle'}")


def own_questions(recipe: Recipe, out: Path) -> Asked:
    """The test split of a run, as its pipeline limits it, and what its base knows of it."""
    from zhizhi.pipeline import chosen_questions

    path = out / "graph" / "questions.jsonl"
    everything = read_question_set(path).questions
    questions = chosen_questions(recipe, everything)["test"]
    labels = [Label.model_validate(r) for r in read_jsonl(out / "probe" / "labels.jsonl")]
    return Asked(recipe.name, questions, labels, own=True)


def other_questions(path: Path, split: str | None = None) -> Asked:
    """Questions from a file or a folder (eval.question_set)."""
    found = read_question_set(path, split=split)
    return Asked(found.name, found.questions, passages=found.passages, skipped=len(found.skipped))


def open_systems(
    recipe: Recipe, out: Path, *, index: Path | None = None, ablation: bool = True
) -> Systems:
    """The models of a run, and its chain: over ``index`` in place of its own where that is given. A web
    search, a reading model and a model server are those of the service's settings."""
    from service.settings import load_settings
    from training.bundle import resolve_base
    from training.engine.local import LocalModel
    from zhizhi.pipeline import identity_of

    settings = load_settings()
    attempter, chain = open_run(out, settings, index)
    where = out / "base" if recipe.base_model == "train" else resolve_base(recipe.base_model)
    base = LocalModel.load(where, name=identity_of(recipe, where), **recipe.loading)
    adapter = out / "ablation" / "adapter"
    fixed = None
    if ablation and adapter.is_dir():
        fixed = LocalModel.load(where, adapter=adapter, name="fixed", **recipe.loading)
    return Systems(base, attempter, chain, fixed)


def passages_index(recipe: Recipe, passages: Sequence[Passage], folder: Path) -> Path:
    """An index of the passages that a question set brings, made once, with the recipe's embedder."""
    from retrieval.index import Index
    from zhizhi.indexing import embedder

    made_of = digest([[p.model_dump(mode="json") for p in passages], recipe.retrieval.embedder])
    if (read_manifest(folder) or {}).get("made_of") != made_of:
        Index.build(passages, folder, embedder(recipe.retrieval.embedder, passages))
        write_manifest(folder, {"made_of": made_of, "passages": len(passages)})
    return folder


def evaluate_run(
    systems: Systems,
    asked: Asked,
    settings: EvaluationSettings,
    folder: Path,
    *,
    progress: bool = True,
) -> EvaluationResult:
    """Every arm of ``settings`` on what is asked. Raises EvalError where the web is wanted and none is
    there: every answer would be a refusal."""
    from eval.run import evaluate

    wanted = {settings.sources, *settings.also_sources}
    if systems.chain.web is None and wanted & {"web", "both"}:
        raise EvalError(
            f"sources = {', '.join(sorted(wanted))}, but no web search is named. "
            "Name one as for the service: ZHIZHI_SEARCH, ZHIZHI_SEARXNG_URL (docs/eval.md)."
        )
    return evaluate(
        questions=asked.questions,
        base_model=systems.base,
        attempter=systems.attempter,
        chain=systems.chain,
        labels=asked.labels,
        settings=settings,
        ablation_model=systems.ablation,
        folder=folder,
        progress=progress,
    )


def evaluate_remote(
    asked: Asked,
    settings: EvaluationSettings,
    folder: Path,
    *,
    url: str | None,
    chat: str | None,
    model: str | None,
    key: str | None,
    progress: bool = True,
) -> EvaluationResult:
    """The arms of a service of ours at ``url`` and of an OpenAI-compatible endpoint at ``chat``."""
    from eval.remote_run import Addresses, evaluate_addresses

    value = {
        "service": None if url is None else {"url": url, "key": key},
        "chat": None
        if chat is None
        else {"url": chat, "model": model, "key": os.environ.get(CHAT_KEY)},
    }
    return evaluate_addresses(
        asked.questions,
        validated(Addresses, value, "the addresses"),
        labels=asked.labels,
        settings=settings,
        folder=folder,
        progress=progress,
    )


def judge_run(
    result: EvaluationResult, url: str, model: str, folder: Path
) -> tuple[EvaluationResult, dict[str, Any]]:
    """The verdicts of a judge at an OpenAI-compatible address, and how far they agree with ours."""
    from eval.judging import judged
    from training.engine.openai import RemoteModel, RemoteSettings

    settings = RemoteSettings(base_url=url, model=model, top_logprobs=0, continues=False)
    return judged(result, RemoteModel(settings), folder=folder)


def host_of(url: str) -> str:
    return urlsplit(url).netloc or url


def audit_run(
    systems: Systems,
    result: EvaluationResult,
    counterparts: Sequence[Question],
    per_slice: int,
) -> dict[str, Any]:
    """The robustness audit on the same questions, without asking those again."""
    from eval.audit import audit

    return audit(
        questions=result.questions,
        attempter=systems.attempter,
        chain=systems.chain,
        counterparts=counterparts,
        attempts=dict(zip((q.text for q in result.questions), result.attempts, strict=True)),
        settings=result.settings,
        per_slice=per_slice,
    )


def counterparts_of(recipe: Recipe, asked: Asked, folder: Path) -> list[Question]:
    """The run's own facts asked in the other language: of the same set, or phrased from the same graph."""
    languages = {q.language for q in asked.questions}
    if not asked.own or len(languages) > 1:
        return asked.questions
    from kg_builder.build import build

    (language,) = languages
    settings = recipe.build.model_copy(update={"languages": (OTHER[language],), "passages": False})
    build(settings, folder)
    ids = {q.subject_id for q in asked.questions}
    found = (Question.model_validate(r) for r in read_jsonl(folder / "questions.jsonl"))
    return [q for q in found if q.subject_id in ids]


def training_curves(out: Path) -> list[dict[str, Any]]:
    """The rows of the four curves that the tuning left; none where there was no tuning here."""
    path = out / "sft" / "curves.jsonl"
    if not path.exists():
        return []
    return [row for row in read_jsonl(path) if row.get("set") in ("article", "test")]


def origin_of(recipe: Recipe, systems: Systems) -> dict[str, Any]:
    """What made the answers, for whoever wants the same again."""
    return {
        "zhizhi": __version__,
        "recipe": f"{recipe.name} {digest(recipe.model_dump(mode='json'))[:12]}",
        "seed": recipe.seed,
        "base": systems.base.name,
        "bundle": systems.attempter.name,
        "index": systems.chain.name,
    }


def folder_for(out: Path, asked: Asked, choices: Sequence[str | None]) -> Path:
    """Where an evaluation is kept: the run's own stage where nothing is asked otherwise, so that nobody is
    asked twice; beside it, under a name that says what is other, for everything else."""
    other = [] if asked.own else [asked.name]
    other += [choice for choice in choices if choice]
    plain = ["".join(c if c.isalnum() or c in "-_." else "_" for c in part) for part in other]
    return out / "-".join(["evaluation", *plain])


def prices_of(path: Path | None) -> Prices | None:
    """A price list from a TOML file. RecipeError or EvalError says what is wrong with it."""
    if path is None:
        return None
    import tomllib

    from eval.cost import Prices

    try:
        value = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise EvalError(f"{path}: {error.strerror or error}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EvalError(f"{path}: not TOML ({error}).") from error
    return validated(Prices, value, str(path))
