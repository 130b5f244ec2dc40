"""Mix: fine-tuning examples, known questions with the model's own answers and unknown ones with refusals."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.phrasing import gives_away
from kg_builder.question import Question
from training.errors import TrainingError
from training.label import Label
from training.language_pack import language_pack
from training.near import conflicting

# Prompt wordings beside the experiment's own get this share of a question's further examples.
OTHER_PROMPTS = 0.6


class MixSettings(BaseModel):
    """How many examples of each class, and in which words."""

    model_config = ConfigDict(extra="forbid")

    per_class: int | None = Field(200, ge=1)  # None: as many as there are of the smaller class
    ratio: float = Field(1.0, gt=0)  # unknown examples for each known one
    answers: Literal["own", "fixed"] = "own"  # the model's own words, or 「S的P是O」 (the ablation)
    # The same number of known and unknown within every relation, as far as there are.
    paired: bool = True
    wordings: int = Field(1, ge=1)  # how often each question occurs, each time worded differently
    refusals: int = Field(1, ge=1)  # how many of the language pack's refusals are used
    # Questions with opposite labels whose subjects are at least this alike are left out; None: none.
    near_duplicate: float | None = Field(0.8, gt=0, le=1)
    seed: int = 0


class TuningExample(BaseModel):
    """One fine-tuning example, as prompt and completion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    known: bool
    prompt: str
    completion: str


def mix(
    questions: Sequence[Question], labels: Sequence[Label], settings: MixSettings
) -> list[TuningExample]:
    """Pick known and unknown questions and write their examples, shuffled.

    An unknown question never comes with an answer: teaching what a model does not know teaches it to
    make things up (Gekhman et al. 2024). Raises TrainingError when one class is empty.
    """
    by_id = {q.id: q for q in questions}
    classes: dict[bool, list[Label]] = {True: [], False: []}
    for one in labels:
        if one.known is not None and one.question_id in by_id:
            classes[one.known].append(one)
    for known, name in ((True, "known"), (False, "unknown")):
        if not classes[known]:
            raise TrainingError(
                f"None of the {len(labels)} training questions is {name} to the model, so there is "
                "nothing to contrast. Use a graph whose facts it knows in part, or another model."
            )
    _drop_unfit(classes, by_id, settings)
    rng = random.Random(settings.seed)
    known_count = min(
        settings.per_class or len(classes[True]),
        len(classes[True]),
        int(len(classes[False]) / settings.ratio) or 1,
    )
    unknown_count = min(max(1, round(known_count * settings.ratio)), len(classes[False]))
    picked = _pick(classes, by_id, known_count, unknown_count, settings.paired, rng)
    examples = [
        example
        for one in picked
        for example in write_examples(by_id[one.question_id], one, settings, rng)
    ]
    rng.shuffle(examples)
    return examples


def _drop_unfit(
    classes: dict[bool, list[Label]], by_id: dict[str, Question], settings: MixSettings
) -> None:
    """Leave out what would teach the wrong thing; TrainingError where nothing of a class remains."""
    # A topic that names the answer (「北京大学的城市」) would put it into the refusal.
    classes[False] = [one for one in classes[False] if not _tells(by_id[one.question_id])]
    if settings.near_duplicate is not None:
        torn = conflicting(
            [by_id[one.question_id] for one in classes[True]],
            [by_id[one.question_id] for one in classes[False]],
            settings.near_duplicate,
        )
        for known, members in classes.items():
            classes[known] = [one for one in members if one.question_id not in torn]
    for known, name in ((True, "known"), (False, "unknown")):
        if not classes[known]:
            raise TrainingError(
                f"No {name} question is left to train on: each names its own answer, or is a "
                "near-duplicate of one with the opposite label. Raise mix.near_duplicate, or use a "
                "larger graph."
            )


def _tells(question: Question) -> bool:
    return any(
        gives_away(question.topic, name) for names in question.gold.objects for name in names
    )


def _pick(
    classes: dict[bool, list[Label]],
    by_id: dict[str, Question],
    known_count: int,
    unknown_count: int,
    paired: bool,
    rng: random.Random,
) -> list[Label]:
    for members in classes.values():
        members.sort(key=lambda one: one.question_id)
        rng.shuffle(members)
    wanted = {True: known_count, False: unknown_count}
    if not paired:
        return [one for known in (True, False) for one in classes[known][: wanted[known]]]
    # Questions are taken in pairs of one relation first, so that the template does not give the class
    # away; the rest fills up what is missing.
    groups: dict[bool, dict[str, list[Label]]] = {True: defaultdict(list), False: defaultdict(list)}
    for known, members in classes.items():
        for one in members:
            question = by_id[one.question_id]
            groups[known][f"{question.language} {question.relation}"].append(one)
    pairs: list[dict[bool, Label]] = []
    rest: dict[bool, list[Label]] = {True: [], False: []}
    for key in sorted({*groups[True], *groups[False]}):
        both = list(zip(groups[True][key], groups[False][key], strict=False))
        pairs += [{True: known, False: unknown} for known, unknown in both]
        for known in (True, False):
            rest[known] += groups[known][key][len(both) :]
    rng.shuffle(pairs)
    chosen = []
    for known in (True, False):
        rng.shuffle(rest[known])
        chosen += ([pair[known] for pair in pairs] + rest[known])[: wanted[known]]
    return chosen


def write_examples(
    question: Question, found: Label, settings: MixSettings, rng: random.Random
) -> list[TuningExample]:
    """The examples of one labelled question: ``wordings`` of them."""
    pack = language_pack(question.language)
    texts = [question.text, *question.paraphrases]
    refusals = min(settings.refusals, len(pack.refusals))
    examples = []
    for i in range(settings.wordings):
        # The first is the experiment's own: its prompt with the main wording.
        text = texts[0] if i == 0 else rng.choice(texts)
        prompt = 0 if i == 0 or rng.random() >= OTHER_PROMPTS else rng.randrange(len(pack.prompts))
        if not found.known:
            completion = pack.refusal(question.topic, rng.randrange(refusals))
        elif settings.answers == "fixed":
            completion = pack.fixed_answer(question.topic, question.gold.text)
        else:
            completion = found.answer
        examples.append(
            TuningExample(
                question_id=question.id,
                known=bool(found.known),
                prompt=pack.prompt(text, prompt),
                completion=completion,
            )
        )
    return examples
