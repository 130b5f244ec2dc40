"""What the published methods of abstention teach, so that they can be compared on equal terms.

Each takes the same questions and the same answers of the model, and a number of examples; what differs is
whom it calls known, and what it has the model say.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from kg_builder.question import Question
from training.engine.local import LocalModel
from training.generation import Generation
from training.label import Label, verdict
from training.language_pack import LanguagePack, language_pack
from training.mix import MixSettings, TuningExample, mix
from training.probe import Probe


def ik_labels(
    questions: Sequence[Question], probes: Sequence[Probe], threshold: float
) -> list[Label]:
    """Known where at least ``threshold`` of the sampled answers are right, else unknown (the Ik threshold of
    Cheng et al., ICML 2024). The answer is a right one: the greedy one, else the first such sample."""
    found = []
    for question, probe in zip(questions, probes, strict=True):
        if not probe.samples:
            raise ValueError(
                f"the probe of {question.id} has no samples to hold against a threshold"
            )
        said = [probe.greedy, *probe.samples]
        judged = [verdict(question, g.text) for g in said]
        share = judged[1:].count("right") / len(probe.samples)
        known = share >= threshold and "right" in judged
        found.append(
            Label(
                question_id=question.id,
                known=known,
                verdict=judged[0],
                answer=said[judged.index("right") if known else 0].text,
                p_correct=share,
                category="HighlyKnown" if share == 1 else "MaybeKnown" if known else "Unknown",
            )
        )
    return found


def natural_mix(
    questions: Sequence[Question], labels: Sequence[Label], examples: int, settings: MixSettings
) -> list[TuningExample]:
    """About ``examples`` examples in the ratio in which known and unknown questions occur, unpaired."""
    known = sum(one.known is True for one in labels)
    unknown = sum(one.known is False for one in labels)
    if not known or not unknown:
        return mix(questions, labels, settings)  # which says what is missing
    chosen = {
        "ratio": unknown / known,
        "per_class": max(1, round(examples * known / (known + unknown))),
        "paired": False,
        "near_duplicate": None,
    }
    return mix(questions, labels, settings.model_copy(update=chosen))


def r_tuning_examples(
    questions: Sequence[Question], labels: Sequence[Label], examples: int, seed: int = 0
) -> list[TuningExample]:
    """R-Tuning (Zhang et al., NAACL 2024): the right answer to every question, known or not, and whether the
    model is sure of it. Teaching answers that it does not know is part of the method."""
    by_id = {q.id: q for q in questions}
    rng = random.Random(seed)
    decided = sorted(
        (one for one in labels if one.known is not None and one.question_id in by_id),
        key=lambda one: one.question_id,
    )
    written = []
    for one in rng.sample(decided, min(examples, len(decided))):
        question = by_id[one.question_id]
        pack = language_pack(question.language)
        sureness = pack.sure if one.known else pack.unsure
        written.append(
            TuningExample(
                question_id=question.id,
                known=bool(one.known),
                prompt=pack.prompt(question.text),
                completion=f"{question.gold.text}{pack.stop}{sureness}",
            )
        )
    return written


def sureness(model: LocalModel, generation: Generation, pack: LanguagePack) -> tuple[str, float]:
    """The answer without its statement of certainty, and P(sure) by the statement's own probability.

    0 where the model states neither.
    """
    for phrase, sure in ((pack.unsure, False), (pack.sure, True)):
        if generation.text.endswith(phrase):
            length = len(model.tokenizer.encode(phrase, add_special_tokens=False))
            ended = generation.finish_reason == "stop"
            stated = generation.token_logprobs[-length - ended :]
            p = math.exp(sum(stated))
            return generation.text.removesuffix(phrase).strip(), p if sure else 1 - p
    return generation.text, 0.0
