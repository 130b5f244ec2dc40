"""Bundling: calibrate a tuned model on held-out entities and write the bundle with its card."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kg_builder.files import write_json
from kg_builder.question import Question
from training.applicability import Applicability, Prepared
from training.bundle import (
    EMBEDDED,
    BaseReference,
    Bundle,
    BundleSpec,
    fingerprint,
    free_place,
    resolve_base,
)
from training.calibrate import CalibrationSettings, calibration_parts, fit, needed_for
from training.calibrated import Features, answer_twice
from training.certificate import Answers, operating_points
from training.engine.loading import Loading
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.knowledge import KnowledgeScore
from training.label import verdict
from training.language_pack import language_pack
from training.model_card import model_card
from training.popularity import Popularity, bands_of_names
from training.pretrained.gguf import is_gguf
from training.pretrained.table import pretrained_models
from training.probe import Told, ask
from training.selective import aurc, auroc, balanced_threshold, brier, ece, risk_coverage
from training.signals import confidence_of, count_answers

PACKAGES = ("torch", "transformers", "peft", "trl", "scikit-learn")


def make_bundle(
    base: str,
    adapter: Path,
    questions: Sequence[Question],
    out: Path,
    settings: CalibrationSettings,
    *,
    name: str,
    training_answers: Sequence[str] = (),
    popularity: Mapping[str, float] | None = None,
    told: Told | None = None,
    graph: Sequence[Question] = (),
    knowledge: KnowledgeScore | None = None,
    loading: Loading | None = None,
    prompt: int = 0,
    max_new_tokens: int = 40,
    provenance: dict[str, Any] | None = None,
) -> Bundle:
    """Fit and certify the confidence of ``base`` + ``adapter`` on ``questions``, write a bundle to ``out``.

    ``questions`` are the calibration split: their entities are in neither training nor test.
    ``training_answers`` are what the model answered to the training questions, right or wrong;
    ``popularity`` is that of subjects by name (training.popularity); ``told`` is what else the base is
    known to say; ``graph`` are all questions of its graph, by which the bundle knows where its promise
    ends (none: ``questions``); ``knowledge`` was fitted on the training questions;
    ``loading`` is how the base is loaded.
    """
    parts = calibration_parts(questions)
    if not all(parts):
        raise TrainingError(
            f"{len(questions)} calibration questions are too few to part into a fitting and a certifying "
            "part. Use a larger graph, or give more of it to the calibration split."
        )
    where = resolve_base(base)
    loading = loading or {}
    languages = tuple(dict.fromkeys(q.language for q in questions))
    model = LocalModel.load(
        where,
        adapter=adapter,
        **loading,
        name=name,
        refusal_prefix=tuple(language_pack(one).refusal_prefix for one in languages),
    )

    counts = count_answers(training_answers)
    applicability = Applicability.of(graph or questions)
    names = dict(popularity or {})
    bands = bands_of_names(names)
    known = Popularity(names, bands)
    features = Features(counts, knowledge, known, applicability)

    def measure(part: Sequence[Question]) -> tuple[list[dict[str, float]], list[bool]]:
        pairs = answer_twice(model, [ask(q, prompt) for q in part], max_new_tokens, told)
        rows, right = [], []
        for question, (natural, answer) in zip(part, pairs, strict=True):
            asked = Prepared(question.text, None, None)
            text, _, found = features.consider(question.text, asked, natural, answer)
            rows.append(found)
            right.append(verdict(question, text) == "right")
        return rows, right

    fitting, certifying = (measure(part) for part in parts)
    calibration = fit(*fitting, settings)

    def answers(part: Sequence[Question], measured: tuple[list[Any], list[bool]]) -> Answers:
        return Answers.of(
            [calibration.confidence(row) for row in measured[0]],
            measured[1],
            [q.subject_id for q in part],
            [known.band(q.text) for q in part] if known else (),
        )

    fitted, certified = answers(parts[0], fitting), answers(parts[1], certifying)
    points = operating_points(fitted, certified, settings)
    scores, right = certified.confidence.tolist(), certifying[1]
    alone = {
        signal: auroc([confidence_of(signal, row[signal]) for row in certifying[0]], right)
        for signal in calibration.names
    }
    figures = {
        "n_fitting": fitted.n,
        "n_certifying": len(right),
        "accuracy_unrefused": sum(right) / len(right),
        "auroc": auroc(scores, right),
        "aurc": aurc(scores, right),
        "ece": ece(scores, right),
        "brier": brier(scores, right),
        "auroc_by_signal": alone,
        "balanced_threshold": balanced_threshold(
            [*fitted.confidence.tolist(), *scores],
            [*fitting[1], *right],
            settings.balanced_precision,
        ),
        "needed_without_error": {
            f"{t:.2f}": needed_for(t, settings.delta) for t in settings.targets
        },
    }
    spec = BundleSpec(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base=BaseReference(
            id=_portable(base, where, out),
            revision=loading.get("revision"),
            dtype=loading.get("dtype", "auto"),
            few_shot=loading.get("few_shot"),
            fingerprint=fingerprint(where) if isinstance(where, Path) else "",
        ),
        languages=languages,
        prompt=prompt,
        prompts={lang: language_pack(lang).wording(prompt) for lang in languages},
        refusal_prefixes={lang: language_pack(lang).refusal_prefix for lang in languages},
        max_new_tokens=max_new_tokens,
        answer_counts=counts,
        knowledge=knowledge,
        calibration=calibration,
        popularity=names,
        popularity_bands=bands,
        operating_points=tuple(points),
        default_profile=settings.default_profile,
        risk_coverage=tuple(tuple(p) for p in risk_coverage(scores, right)),
        figures=figures,
        provenance={
            **(provenance or {}),
            "versions": {p: importlib.metadata.version(p) for p in PACKAGES},
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
    )
    aside = free_place(out)
    shutil.copytree(adapter, aside / "adapter")
    _name_base(aside / "adapter" / "adapter_config.json", spec.base.id)
    applicability.save(aside)
    return Bundle.save(aside, spec, model_card(spec)).move(out)


def _portable(base: str, where: str | Path, out: Path) -> str:
    """How the bundle names its base: relative to itself where both lie in one folder, so that the folder
    can be moved; else in full, so that it can be served from anywhere."""
    if base == EMBEDDED or base in pretrained_models() or not isinstance(where, Path):
        return base
    if is_gguf(base):  # its folder in the cache can be made again from the file
        where = Path(base).resolve()
    beside = out.resolve()
    if where.is_relative_to(beside.parent):
        return Path(os.path.relpath(where, beside)).as_posix()
    return str(where)


def _name_base(path: Path, base: str) -> None:
    """PEFT writes the folder that the base was loaded from into the adapter: put its name instead."""
    if path.is_file():
        write_json(path, {**json.loads(path.read_bytes()), "base_model_name_or_path": base})
