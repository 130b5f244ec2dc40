"""The whole experiment, top to bottom: a graph in, a calibrated model with its fallback out.

    questions → base → probe → label → mix → tune → calibrate → index → certify → evaluate

Every step reads and writes files under one folder; a step that is done is skipped, a killed one goes on.
Up to the bundle (``train``) it may be started in several processes by ``accelerate launch`` or ``torchrun``:
they probe and tune together, the rest is done by the first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kg_builder.errors import UserError
from kg_builder.files import (
    digest,
    read_jsonl,
    read_manifest,
    sha256_file,
    write_json,
    write_jsonl,
)
from kg_builder.passage import Passage
from kg_builder.prose import read_prose
from kg_builder.question import Question
from training.label import Label, known_by_id
from training.split import ALONE, launched
from zhizhi.recipe import Choice, Recipe
from zhizhi.stage import Stages
from zhizhi.terminal import console

if TYPE_CHECKING:
    from training.generation import Model
    from training.knowledge import KnowledgeScore
    from training.probe import Told

TRAINING_STAGES = 5
FURTHER_STAGES = 1  # the evaluation


@dataclass
class Run:
    """Where everything is, and what was measured."""

    out: Path
    recipe: Recipe
    table: dict[str, Any]

    @property
    def bundle(self) -> Path:
        return self.out / "bundle"

    @property
    def index(self) -> Path:
        return self.out / "index"


@dataclass
class Trained:
    """What the offline job leaves for what comes after it."""

    split: dict[str, list[Question]]
    labels: list[Label]
    base: str | Path
    base_identity: str
    graph: Path
    built: str  # what identifies the graph
    fixed: Path | None  # the model tuned on fixed-form answers
    calibrated_by: str  # what identifies the bundle


def train(
    recipe: Recipe, out: Path, *, progress: bool = True, index: bool = False, further: int = 0
) -> tuple[Trained, Stages]:
    """The offline job under ``out``, from the graph to the bundle, with the ``index`` where it is wanted;
    ``further`` stages will follow."""
    split_work = launched() if "WORLD_SIZE" in os.environ else ALONE
    console.quiet = not split_work.first
    progress = progress and split_work.first
    total = TRAINING_STAGES + 2 * index + further + recipe.ablation
    total += (recipe.rehearsal is not None) + (recipe.preference is not None)
    stages = Stages(out, total, split_work)
    settings = recipe.model_dump(mode="json")

    # 1. The graph becomes questions with checkable answers, split by entity, and passages.
    from kg_builder.build import build

    console.print(stages.head("Questions and passages from the graph"), markup=True)
    if split_work.first:
        build(recipe.build, out / "graph")  # skips itself where the files are the same
    split_work.wait()
    graph = out / "graph"
    built = read_manifest(graph) or {}
    everything = [Question.model_validate(r) for r in read_jsonl(graph / "questions.jsonl")]
    split = chosen_questions(recipe, everything)
    questions = [q for part in split.values() for q in part]
    if not everything:
        raise UserError(
            f"The graph yields no question. {graph / 'report.json'} tells what was left out and why."
        )
    console.print("    " + ", ".join(f"{len(qs)} {name}" for name, qs in split.items()))

    indexed = None
    if index:  # nothing needs it before the evaluation
        indexed = stages.begin(
            "retrieval",
            "Index the passages",
            [built["key"], settings["retrieval"], _prose_key(recipe)],
            _indexing,
            recipe,
            graph,
            split["train"],
            out / "index",
        )

    # 2. The model to be probed: embedded, from elsewhere, or trained here on this very graph.
    base, base_identity = _base(recipe, everything, stages, progress)

    # 3. What does it answer? 4. What does it know, then?
    from training.label import label
    from training.probe import probe

    known_by = digest(
        [
            built["key"],
            settings["limits"],
            base_identity,
            settings["probe"],
            *([settings["choice"]] if recipe.choice != Choice() else []),
        ]
    )

    def probing(folder: Path) -> dict[str, Any]:
        model = probed_model(recipe, base, base_identity)
        ledger = folder / "probes.jsonl"
        found = probe(
            model,
            questions,
            ledger,
            recipe.probe,
            progress=progress,
            split=split_work,
            between=stages.reclaim,
        )
        labels = [label(q, p, recipe.label) for q, p in zip(questions, found, strict=True)]
        if split_work.first:
            write_jsonl(folder / "labels.jsonl", labels)
            describe(folder, questions, labels)
        return {"known": sum(one.known is True for one in labels), "of": len(labels)}

    probed, counts = stages.run(
        "probe",
        "Probe: what does the model know?",
        [known_by, settings["label"]],
        probing,
        together=True,
    )
    labels = [Label.model_validate(r) for r in read_jsonl(probed / "labels.jsonl")]
    console.print(f"    {counts['known']} of {counts['of']} questions answered rightly")

    # 5. Its own right answers and 我不知道, one to one. 6. Teach it that.
    training_ids = {q.id for q in split["train"]}
    training_labels = [one for one in labels if one.question_id in training_ids]
    sets: dict[str, Sequence[Question]] = {**question_sets(recipe, split, labels)}
    tuned_by = digest(
        [
            known_by,
            *(
                settings[k]
                for k in ("label", "mix", "sft", "article_per_class", "choosing_questions")
            ),
            *(settings[k] for k in ("rehearsal",) if settings[k] is not None),
        ]
    )
    taught_labels = training_labels
    if recipe.rehearsal is not None:
        taught_labels = _rehearsed(
            recipe, base, split["train"], training_labels, stages, tuned_by, progress
        )

    taught = (recipe, base, split["train"], taught_labels, sets, labels, stages.split.first)
    fixed = None
    if recipe.ablation:  # only compared with, in the evaluation
        fixed = stages.begin(
            "ablation",
            "Ablation: fine-tune on answers in one fixed form",
            [tuned_by, "fixed"],
            _tuning,
            "fixed",
            *taught,
        )
    tuned, _ = stages.run(
        "sft",
        "Fine-tune: answer what you know, refuse the rest",
        tuned_by,
        lambda folder: _tuning(folder, "own", *taught, progress),
        together=True,
    )
    if recipe.preference is not None:
        tuned_by = digest([tuned_by, settings["preference"]])
        tuned = _preferred(
            recipe, base, tuned, split["train"], labels, sets, probed, stages, tuned_by, progress
        )

    # 7. How sure is it? A confidence that can be certified, and the bundle that holds it all.
    from training.applicability import FORMAT as APPLICABILITY
    from training.bundling import make_bundle
    from training.popularity import names_of

    def calibrating(_: Path) -> dict[str, Any]:
        bundle = make_bundle(
            str(base) if recipe.base_model == "train" else recipe.base_model,
            tuned / "adapter",
            split["calibration"],
            out / "bundle",
            recipe.calibration,
            name=recipe.name,
            training_answers=[one.answer for one in training_labels],
            popularity=names_of(everything),
            told=told(recipe, out),
            graph=everything,
            knowledge=_knowledge(recipe, split["train"], training_labels, probed),
            loading=recipe.loading,
            prompt=recipe.probe.prompt,
            max_new_tokens=recipe.probe.max_new_tokens,
            provenance={"recipe": settings, "graph": built["counts"], "seed": recipe.seed},
        )
        return {"bundle": bundle.name}

    calibrated_by = digest([tuned_by, settings["calibration"], APPLICABILITY])
    stages.run(
        "calibration",
        "Calibrate: confidence and certified operating points",
        calibrated_by,
        calibrating,
    )
    ablation = None if fixed is None else fixed.wait()[0]
    if indexed is not None:
        indexed.wait()
        # 8. What can be promised of both routes, over this very index?
        from zhizhi.certifying import certify_run

        def certifying(_: Path) -> dict[str, Any]:
            points = certify_run(out, progress=progress)
            return {"certified": [point.name for point in points if point.certified]}

        stages.run(
            "certificate",
            "Certify: direct and retrieved answers together",
            [calibrated_by, settings["retrieval"], _prose_key(recipe), _reader_key()],
            certifying,
        )
    trained = Trained(
        split, labels, base, base_identity, graph, built["key"], ablation, calibrated_by
    )
    return trained, stages


def run(recipe: Recipe, out: Path, *, progress: bool = True) -> Run:
    """Run every stage of ``recipe`` under ``out``."""
    if "WORLD_SIZE" in os.environ:
        raise UserError(
            "The demo is run by one process. Start several for the offline job alone: "
            "accelerate launch -m zhizhi.cli train RECIPE"
        )
    trained, stages = train(recipe, out, progress=progress, index=True, further=FURTHER_STAGES)
    settings = recipe.model_dump(mode="json")
    split = trained.split

    # 9. What did it buy? Every arm on the same held-out questions.
    def evaluating(folder: Path) -> dict[str, Any]:
        from eval.balanced import balanced
        from eval.plot import draw_risk_coverage
        from eval.run import evaluate
        from eval.table import table
        from training.engine.local import LocalModel
        from zhizhi.serving import open_run

        base, fixed = trained.base, trained.fixed
        attempter, chain = open_run(out)
        restated = None
        if fixed is not None:
            restated = LocalModel.load(
                base, adapter=fixed / "adapter", name="fixed", **recipe.loading
            )
        untuned = LocalModel.load(base, name=trained.base_identity, **recipe.loading)
        same = recipe.evaluation.max_new_tokens == recipe.probe.max_new_tokens
        result = evaluate(
            questions=split["test"],
            base_model=untuned,
            attempter=attempter,
            chain=chain,
            labels=trained.labels,
            settings=recipe.evaluation,
            ablation_model=restated,
            told=told(recipe, out) if same else None,
            folder=folder,
            progress=progress,
        )
        result.save(folder)
        figures = table(result)
        figures["balanced"] = balanced(result, attempter.spec.figures.get("balanced_threshold"))
        write_json(folder / "table.json", figures)
        draw_risk_coverage(result, folder / "risk_coverage.png", figures)
        return {"table": figures}

    _, evaluated = stages.run(
        "evaluation",
        "Evaluate: every arm on held-out entities",
        [
            trained.calibrated_by,
            settings["retrieval"],
            _prose_key(recipe),
            _reader_key(),
            settings["evaluation"],
            recipe.ablation,
        ],
        evaluating,
    )
    return Run(out, recipe, evaluated["table"])


def _indexing(
    _: Path, recipe: Recipe, graph: Path, training: list[Question], where: Path
) -> dict[str, Any]:
    """What stands behind a refusal: passages under an embedder that needs no download."""
    from zhizhi.indexing import make_index

    passages = [Passage.model_validate(r) for r in read_jsonl(graph / "passages.jsonl")]
    return make_index(recipe, passages, training, where, _prose(recipe))


def _knowledge(
    recipe: Recipe, questions: list[Question], labels: list[Label], probed: Path
) -> KnowledgeScore | None:
    """What the training questions teach of which the base knows; None where it is not wanted."""
    from training.knowledge import fit_knowledge
    from training.probe import read_probes

    if not recipe.calibration.knowledge:
        return None
    answers = {one.question_id: one.greedy for one in read_probes(probed / "probes.jsonl")}
    return fit_knowledge(questions, answers, known_by_id(labels))


def _prose(recipe: Recipe) -> list[Passage]:
    return [] if recipe.retrieval.prose == "none" else read_prose(recipe.languages)


def _prose_key(recipe: Recipe) -> str:
    """Changes with the prose that is used, which no setting tells."""
    return digest([passage.model_dump(mode="json") for passage in _prose(recipe)])


def _reader_key() -> str:
    """Changes with the span reader that comes with the project."""
    from retrieval.reading.span_reader import FOLDER

    return digest([sha256_file(path) for path in sorted(FOLDER.iterdir())])


def _tuning(
    folder: Path,
    answers: str,
    recipe: Recipe,
    base: str | Path,
    questions: list[Question],
    taught: list[Label],
    sets: dict[str, Sequence[Question]],
    labels: list[Label],
    first: bool,
    progress: bool = False,
) -> None:
    """Mix and tune, on the model's ``own`` answers or on ``fixed`` ones."""
    from training.mix import mix
    from training.sft import tune

    examples = mix(questions, taught, recipe.mix.model_copy(update={"answers": answers}))
    if first:
        write_jsonl(folder / "examples.jsonl", examples)
    # Of the ablation only the end is compared: no curves on the way.
    points = recipe.sft.evaluations if answers == "own" else 1
    settings = recipe.sft.model_copy(update={"evaluations": points})
    probed = {one.question_id: one.answer for one in labels} if recipe.probe.prompt == 0 else None
    tune(
        base,
        examples,
        sets,
        labels,
        folder,
        settings,
        untuned=probed,
        loading=recipe.loading,
        progress=progress,
    )
    if first:
        draw(folder, answers)


def _base(
    recipe: Recipe, questions: list[Question], stages: Stages, progress: bool
) -> tuple[str | Path, str]:
    """The base model's place and what identifies it."""
    from training.bundle import resolve_base

    if recipe.base_model != "train":
        where = resolve_base(recipe.base_model)
        console.print(stages.head(f"Base model: {recipe.base_model}"), markup=True)
        return where, identity_of(recipe, where)

    if stages.split.count > 1:
        raise UserError(
            'base_model = "train" is trained by one process. Train it first (zhizhi base train) and name '
            "its folder as base_model."
        )

    def training(folder: Path) -> dict[str, Any]:
        from kg_builder.relation import Catalogue, builtin_paths
        from training.base.trainer import train_base

        catalogue = Catalogue.load([*builtin_paths(), *recipe.build.catalogue])
        train_base(questions, catalogue, folder, recipe.base, progress=progress)
        return {}

    folder, _ = stages.run(
        "base",
        "Train a base model on the graph",
        [recipe.build.model_dump(mode="json"), recipe.base.model_dump(mode="json")],
        training,
    )
    return folder, identity_of(recipe, folder)


def identity_of(recipe: Recipe, base: str | Path) -> str:
    """What tells the base model of a run from others: its weights, and how it is loaded and asked."""
    from training.bundle import fingerprint

    parts = [fingerprint(base) if isinstance(base, Path) else f"{base}@{recipe.revision}"]
    if recipe.dtype != "auto":
        parts.append(recipe.dtype)
    if recipe.few_shot is not None:
        parts.append(digest(recipe.few_shot.chat_template))
    return " ".join(parts)


def probed_model(recipe: Recipe, base: str | Path, identity: str) -> Model:
    """The base model where it is probed: in this process, or on the server that the recipe names."""
    from training.language_pack import language_pack

    prefix = language_pack(recipe.languages[0]).refusal_prefix
    if recipe.server is not None:
        from training.engine.openai import RemoteModel

        return RemoteModel(recipe.server, name=identity, refusal_prefix=prefix)
    from training.engine.local import LocalModel

    return LocalModel.load(
        base,
        **recipe.loading,
        name=identity,
        refusal_prefix=prefix,
    )


def told(recipe: Recipe, out: Path) -> Told:
    """What the base said when it was probed; nothing where a server ran it, which tells less of an answer."""
    from training.probe import read_probes, told_by

    return {} if recipe.server is not None else told_by(read_probes(out / "probe/probes.jsonl"))


def describe(folder: Path, questions: Sequence[Question], labels: Sequence[Label]) -> None:
    """The knowledge boundary as table and picture, and how far the article's own rule agrees with the
    labels."""
    from training.audit import audit, containment
    from training.boundary import boundary_map, write_boundary

    write_boundary(boundary_map(questions, labels), folder)
    found = audit(questions, labels, containment, name="containment")
    write_json(folder / "audit.json", found.model_dump(mode="json"))


def _rehearsed(
    recipe: Recipe,
    base: str | Path,
    questions: list[Question],
    labels: list[Label],
    stages: Stages,
    inputs: str,
    progress: bool,
) -> list[Label]:
    """The training labels without the unknown questions that it comes to answer by being tuned."""
    from training.rehearsal import rehearse

    settings = recipe.rehearsal
    assert settings is not None

    def rehearsing(folder: Path) -> dict[str, Any]:
        found = rehearse(
            base,
            questions,
            labels,
            folder,
            sft=recipe.sft,
            probing=recipe.probe,
            judging=recipe.label,
            settings=settings,
            loading=recipe.loading,
            progress=progress,
            split=stages.split,
        )
        if stages.split.first:
            write_jsonl(folder / "labels.jsonl", found)
        return {"set_aside": sum(a != b for a, b in zip(found, labels, strict=True))}

    folder, found = stages.run(
        "rehearsal",
        "Rehearse: what does it come to answer by being tuned?",
        [inputs, "rehearsal"],
        rehearsing,
        together=True,
    )
    console.print(f"    {found['set_aside']} unknown questions set aside")
    return [Label.model_validate(r) for r in read_jsonl(folder / "labels.jsonl")]


def _preferred(
    recipe: Recipe,
    base: str | Path,
    tuned: Path,
    questions: list[Question],
    labels: list[Label],
    sets: dict[str, Sequence[Question]],
    probed: Path,
    stages: Stages,
    inputs: str,
    progress: bool,
) -> Path:
    """The folder with the adapter that was tuned further on preferences."""
    from training.mix import TuningExample
    from training.preference import prefer, preference_pairs
    from training.probe import read_probes

    settings = recipe.preference
    assert settings is not None

    def preferring(folder: Path) -> dict[str, Any]:
        examples = [TuningExample.model_validate(r) for r in read_jsonl(tuned / "examples.jsonl")]
        probes = read_probes(probed / "probes.jsonl")
        pairs = preference_pairs(examples, questions, labels, probes)
        adapter = tuned / "adapter"
        prefer(
            base,
            adapter,
            pairs,
            sets,
            labels,
            folder,
            settings,
            loading=recipe.loading,
            progress=progress,
        )
        if stages.split.first:
            draw(folder, "own")
        return {}

    folder, _ = stages.run(
        "preference",
        "Prefer: its answer to a refusal where it knows, a refusal to its error where not",
        inputs,
        preferring,
        together=True,
    )
    return folder


def question_sets(
    recipe: Recipe, split: dict[str, list[Question]], labels: list[Any]
) -> dict[str, list[Question]]:
    """What the curves are drawn on: the experiment's 22 + 22, the whole test split, and questions of the
    fitting part of the calibration split, on which the checkpoint is chosen."""
    from training.calibrate import calibration_parts

    known = {one.question_id: one.known for one in labels}
    count = recipe.article_per_class
    article = [
        *[q for q in split["test"] if known[q.id] is True][:count],
        *[q for q in split["test"] if known[q.id] is False][:count],
    ]
    fitting, _ = calibration_parts(split["calibration"])
    return {
        "article": article,
        "test": limited(split["test"], recipe.curve_questions),
        "calibration": limited(fitting, recipe.choosing_questions),
    }


def draw(folder: Path, answers: str) -> None:
    """curves.png beside curves.jsonl, with the article's questions and the whole test split."""
    from training.curves import CurveRow, draw_curves

    rows = [CurveRow.model_validate(r) for r in read_jsonl(folder / "curves.jsonl")]
    shown = [row for row in rows if row.set in ("article", "test")]
    title = "own answers" if answers == "own" else "answers in a fixed form"
    draw_curves(shown, folder / "curves.png", title=title)


def chosen_questions(recipe: Recipe, questions: list[Question]) -> dict[str, list[Question]]:
    """The questions that ``recipe`` asks, by split. Raises UserError where its choice leaves none."""
    choice = recipe.choice
    unknown = {*choice.relations} - {q.relation for q in questions}
    if unknown:
        raise UserError(
            f"choice.relations names {', '.join(sorted(unknown))}, of which the graph has no question."
        )
    least = choice.least_popularity
    kept = [
        q
        for q in questions
        if (not choice.relations or q.relation in choice.relations)
        and (least is None or (q.popularity is not None and q.popularity >= least))
    ]
    if not kept:
        raise UserError(
            f"None of the graph's {len(questions)} questions has choice.least_popularity = {least}."
        )
    return {
        name: limited([q for q in kept if q.split == name], limit) for name, limit in recipe.limits
    }


def limited(questions: list[Question], limit: int | None) -> list[Question]:
    """The first ``limit`` questions with their entities in hash order, so that none is torn apart."""
    if limit is None or len(questions) <= limit:
        return questions
    return sorted(questions, key=lambda q: (digest(["limit", q.subject_id]), q.id))[:limit]
