"""Signals of certainty that are computed from what a generation carries, without further questions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from training.generation import Generation

# In the order in which a calibration stores its weights.
SIGNALS = (
    "refusal_logit",  # log-odds of the refusal prefix after the prompt; larger is less certain
    "sequence_logprob",  # log-probability of the whole answer
    "mean_logprob",
    "min_logprob",  # of the least likely token
    "mean_entropy",  # of the next-token distributions, in nats
    "first_margin",  # P(best) − P(second) at the first token
    "commonness",  # log(1 + how often the model gives this answer to the training questions)
    "agreement",  # 1 unless tuning changed the answer
    "knowledge",  # log-odds of the untuned model's knowing (training.knowledge)
    "popularity",  # of the question's subject (training.popularity)
)

# Beside the signals: 1 where the answer is of another kind than what was asked; it is never given then.
IMPLAUSIBLE = "implausible"

# Signals that grow with uncertainty; turned round where a single one serves as a confidence.
FALLING = {"refusal_logit", "mean_entropy", "commonness"}


def signals(
    generation: Generation,
    refusal_probability: float | None = None,
    answer_counts: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """The signals of an answer.

    ``refusal_probability`` overrides the generation's own. ``answer_counts`` says how often the model
    gave each answer to other questions: one that it gives to everything (唐朝 to whoever lived long ago)
    is likely, and says little. A signal that the engine cannot give is left out; a calibration that
    needs it says so.
    """
    found: dict[str, float] = {}
    p = generation.refusal_probability if refusal_probability is None else refusal_probability
    if p is not None:
        p = min(max(p, 1e-9), 1 - 1e-9)
        found["refusal_logit"] = math.log(p / (1 - p))
    if generation.token_logprobs:
        logprobs = generation.token_logprobs
        found["sequence_logprob"] = sum(logprobs)
        found["mean_logprob"] = sum(logprobs) / len(logprobs)
        found["min_logprob"] = min(logprobs)
    if generation.token_entropies:
        found["mean_entropy"] = sum(generation.token_entropies) / len(generation.token_entropies)
    if generation.token_margins:
        found["first_margin"] = generation.token_margins[0]
    if answer_counts is not None:
        found["commonness"] = math.log1p(answer_counts.get(answer_key(generation.text), 0))
    return found


def answer_key(text: str) -> str:
    """What an answer says first, by which like answers are counted."""
    return re.split("[。.\\n]", text, maxsplit=1)[0].strip().casefold()


def count_answers(texts: Iterable[str], fewest: int = 2) -> dict[str, int]:
    """How often each answer occurs, without those that hardly do."""
    counts = Counter(answer_key(text) for text in texts)
    return {key: count for key, count in counts.most_common() if count >= fewest}


def confidence_of(name: str, value: float) -> float:
    """A single signal as a confidence: larger is surer."""
    return -value if name in FALLING else value
