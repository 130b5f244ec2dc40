"""The whole experiment, top to bottom: a graph in, a calibrated model with its fallback out.

    questions → base → probe → label → mix → tune → calibrate → index → evaluate

Every step reads and writes files under one folder; a step that is done is skipped, a killed one goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kg_builder.files import digest, read_jsonl, read_manifest, write_json, write_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Question
from zhizhi.recipe import Recipe
from zhizhi.stage import Stages, console

STAGES = 8


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


def run(recipe: Recipe, out: Path, *, progress: bool = True) -> Run:
    """Run every stage of ``recipe`` under ``out``."""
    stages = Stages(out, STAGES if recipe.ablation else STAGES - 1)
    settings = recipe.model_dump(mode="json")

    # 1. The graph becomes questions with checkable answers, split by entity, and passages.
    from kg_builder.build import build

    console.print(stages.head("Questions and passages from the graph"))
    graph = build(recipe.build, out / "graph").folder  # skips itself where the files are the same
    built = read_manifest(graph) or {}
    everything = [Question.model_validate(r) for r in read_jsonl(graph / "questions.jsonl")]
    split = {
        name: limited([q for q in everything if q.split == name], limit)
        for name, limit in recipe.limits
    }
    questions = [q for part in split.values() for q in part]
    console.print("    " + ", ".join(f"{len(qs)} {name}" for name, qs in split.items()))

    # 2. The model to be probed: embedded, from elsewhere, or trained here on this very graph.
    base, base_identity = _base(recipe, everything, stages, progress)

    # 3. What does it answer? 4. What does it know, then?
    from training.engine.local import LocalModel
    from training.label import Label, label
    from training.language_pack import language_pack
    from training.probe import probe

    prefix = language_pack(recipe.languages[0]).refusal_prefix
    known_by = digest([built["key"], settings["limits"], base_identity, settings["probe"]])

    def probing(folder: Path) -> dict[str, Any]:
        model = LocalModel.load(
            base, revision=recipe.revision, name=base_identity, refusal_prefix=prefix
        )
        found = probe(model, questions, folder / "probes.jsonl", recipe.probe, progress=progress)
        labels = [label(q, p, recipe.label) for q, p in zip(questions, found, strict=True)]
        write_jsonl(folder / "labels.jsonl", labels)
        return {"known": sum(one.known is True for one in labels), "of": len(labels)}

    probed, counts = stages.run(
        "probe", "Probe: what does the model know?", [known_by, settings["label"]], probing
    )
    labels = [Label.model_validate(r) for r in read_jsonl(probed / "labels.jsonl")]
    console.print(f"    {counts['known']} of {counts['of']} questions answered rightly")

    # 5. Its own right answers and 我不知道, one to one. 6. Teach it that.
    from training.mix import mix

    training_ids = {q.id for q in split["train"]}
    training_labels = [one for one in labels if one.question_id in training_ids]

    def tuning(answers: str) -> Any:
        def work(folder: Path) -> dict[str, Any]:
            from training.sft import tune

            chosen = recipe.mix.model_copy(update={"answers": answers})
            examples = mix(split["train"], training_labels, chosen)
            write_jsonl(folder / "examples.jsonl", examples)
            sets = question_sets(recipe, split, labels)
            tune(base, examples, sets, labels, folder, recipe.sft, progress=progress)  # type: ignore[arg-type]
            draw(folder, answers)
            return {}

        return work

    tuned_by = digest(
        [known_by, *(settings[k] for k in ("label", "mix", "sft", "article_per_class"))]
    )
    tuned, _ = stages.run(
        "sft", "Fine-tune: answer what you know, refuse the rest", tuned_by, tuning("own")
    )
    fixed = None
    if recipe.ablation:
        fixed, _ = stages.run(
            "ablation",
            "Ablation: the same with answers in one fixed form",
            [tuned_by, "fixed"],
            tuning("fixed"),
        )

    # 7. How sure is it? A confidence that can be certified, and the bundle that holds it all.
    from training.bundling import make_bundle

    def calibrating(_: Path) -> dict[str, Any]:
        bundle = make_bundle(
            str(base) if recipe.base_model == "train" else recipe.base_model,
            tuned / "adapter",
            split["calibration"],
            out / "bundle",
            recipe.calibration,
            name=recipe.name,
            training_answers=[one.answer for one in training_labels],
            revision=recipe.revision,
            prompt=recipe.probe.prompt,
            max_new_tokens=recipe.probe.max_new_tokens,
            provenance={"recipe": settings, "graph": built["counts"], "seed": recipe.seed},
        )
        return {"bundle": bundle.name}

    calibrated_by = digest([tuned_by, settings["calibration"]])
    stages.run(
        "calibration",
        "Calibrate: confidence and certified operating points",
        calibrated_by,
        calibrating,
    )

    # 8. What stands behind a refusal: passages under an embedder that needs no download.
    from zhizhi.indexing import make_index

    passages = [Passage.model_validate(r) for r in read_jsonl(graph / "passages.jsonl")]
    stages.run(
        "retrieval",
        "Index the passages",
        [built["key"], settings["retrieval"]],
        lambda _: make_index(recipe, passages, split["train"], out / "index"),
    )

    # 9. What did it buy? Every arm on the same held-out questions.
    def evaluating(folder: Path) -> dict[str, Any]:
        from eval.plot import draw_risk_coverage
        from eval.run import evaluate
        from eval.table import table
        from zhizhi.serving import open_run

        attempter, chain = open_run(out)
        restated = None
        if fixed is not None:
            restated = LocalModel.load(
                base, adapter=fixed / "adapter", revision=recipe.revision, name="fixed"
            )
        untuned = LocalModel.load(base, revision=recipe.revision, name=base_identity)
        result = evaluate(
            questions=split["test"],
            base_model=untuned,
            attempter=attempter,
            chain=chain,
            labels=labels,
            settings=recipe.evaluation,
            ablation_model=restated,
            folder=folder,
            progress=progress,
        )
        result.save(folder)
        figures = table(result)
        write_json(folder / "table.json", figures)
        draw_risk_coverage(result, folder / "risk_coverage.png", figures)
        return {"table": figures}

    _, evaluated = stages.run(
        "evaluation",
        "Evaluate: every arm on held-out entities",
        [calibrated_by, settings["retrieval"], settings["evaluation"], recipe.ablation],
        evaluating,
    )
    return Run(out, recipe, evaluated["table"])


def _base(
    recipe: Recipe, questions: list[Question], stages: Stages, progress: bool
) -> tuple[str | Path, str]:
    """The base model's place and what identifies it."""
    from training.bundle import fingerprint, resolve_base

    if recipe.base_model != "train":
        where = resolve_base(recipe.base_model)
        console.print(stages.head(f"Base model: {recipe.base_model}"))
        local = isinstance(where, Path)
        return where, fingerprint(Path(where)) if local else f"{where}@{recipe.revision}"

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
    return folder, fingerprint(folder)


def question_sets(
    recipe: Recipe, split: dict[str, list[Question]], labels: list[Any]
) -> dict[str, list[Question]]:
    """What the curves are drawn on: the experiment's 22 + 22, the whole test split, and the fitting half
    of the calibration split, on which the checkpoint is chosen."""
    from training.calibrate import halves

    known = {one.question_id: one.known for one in labels}
    count = recipe.article_per_class
    article = [
        *[q for q in split["test"] if known[q.id] is True][:count],
        *[q for q in split["test"] if known[q.id] is False][:count],
    ]
    fitting, _ = halves(split["calibration"])
    return {"article": article, "test": split["test"], "calibration": fitting}


def draw(folder: Path, answers: str) -> None:
    """curves.png beside curves.jsonl, with the article's questions and the whole test split."""
    from training.curves import CurveRow, draw_curves

    rows = [CurveRow.model_validate(r) for r in read_jsonl(folder / "curves.jsonl")]
    shown = [row for row in rows if row.set in ("article", "test")]
    title = "own answers" if answers == "own" else "answers in a fixed form"
    draw_curves(shown, folder / "curves.png", title=title)


def limited(questions: list[Question], limit: int | None) -> list[Question]:
    """The first ``limit`` questions with their entities in hash order, so that none is torn apart."""
    if limit is None or len(questions) <= limit:
        return questions
    return sorted(questions, key=lambda q: (digest(["limit", q.subject_id]), q.id))[:limit]
