"""Baselines of certainty that need further questions: agreement of samples, semantic entropy, P(True).

Each is a pure function of what a model said, or asks it once more; none is trained. The higher the number the
surer, entropies excepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from kg_builder.matching import gold_of, matches
from kg_builder.question import Question
from training.generation import Generation, Message
from training.language_pack import is_refusal, language_pack

# Whether two answers to one question say the same.
Same = Callable[[str, str], bool]

REFUSED = "refused"  # all refusals are one answer, however they are worded


class Consistency(NamedTuple):
    """The answer that most samples give, and the share of the samples that give it."""

    answer: str
    agreement: float


class Chooser(Protocol):
    """An engine that tells how likely given beginnings of an answer are."""

    def probability(
        self, conversations: Sequence[Sequence[Message]], options: Sequence[str]
    ) -> list[list[float]]: ...


def same_answer(a: str, b: str) -> bool:
    """Whether one answer is right by the other: 「岳飞。」 and 「岳云的父亲是岳飞。」 say the same, and so do
    a coarse and a fine date that agree."""
    if a.strip() == b.strip():
        return True
    if not a.strip() or not b.strip():
        return False
    return any(
        matches(text, gold_of(_core(other))).verdict == "right" for text, other in ((a, b), (b, a))
    )


def _core(text: str) -> str:
    """The first sentence without its stop: what an answer is judged by."""
    for stop in "。\n":
        text = text.strip().partition(stop)[0]
    return text.strip().rstrip(".!！")


def clusters(texts: Sequence[str], same: Same = same_answer) -> list[list[int]]:
    """Indices of ``texts`` by meaning, the first of each cluster standing for it; refusals are one cluster.

    Greedy, as in semantic entropy (Kuhn et al., ICLR 2023).
    """
    found: list[list[int]] = []
    refused: list[int] = []
    for i, text in enumerate(texts):
        if is_refusal(text):
            refused.append(i)
            continue
        for cluster in found:
            if same(texts[cluster[0]], text):
                cluster.append(i)
                break
        else:
            found.append([i])
    return [*found, refused] if refused else found


def self_consistency(texts: Sequence[str], same: Same = same_answer) -> Consistency:
    """The largest cluster's first answer and its share (Wang et al., ICLR 2023); ties go to the earlier.

    Put the greedy answer first: it then stands for its cluster. Raises ValueError where there is no text.
    """
    if not texts:
        raise ValueError("self-consistency needs at least one answer")
    largest = max(clusters(texts, same), key=lambda cluster: (len(cluster), -cluster[0]))
    return Consistency(texts[largest[0]], len(largest) / len(texts))


def agreement_with(answer: str, texts: Sequence[str], same: Same = same_answer) -> float:
    """Share of ``texts`` that say the same as ``answer``; 1.0 where there is none to disagree."""
    if not texts:
        return 1.0
    if is_refusal(answer):
        return sum(map(is_refusal, texts)) / len(texts)
    return sum(not is_refusal(text) and same(answer, text) for text in texts) / len(texts)


def semantic_entropy(
    samples: Sequence[Generation], same: Same = same_answer, *, by_likelihood: bool = False
) -> float:
    """Entropy in nats over the meanings of sampled answers (Farquhar et al., Nature 2024).

    A meaning's probability is its share of the samples (the discrete variant), or, ``by_likelihood``, its
    share of the length-normalised likelihoods (Kuhn et al., ICLR 2023), which needs log-probabilities.
    Raises ValueError without samples, or where an engine gave none.
    """
    if not samples:
        raise ValueError("semantic entropy needs at least one sample")
    weights = [1.0] * len(samples)
    if by_likelihood:
        if not all(sample.token_logprobs for sample in samples):
            raise ValueError("the samples have no log-probabilities; use the discrete variant")
        weights = [math.exp(sum(s.token_logprobs) / len(s.token_logprobs)) for s in samples]
    total = sum(weights)
    masses = [sum(weights[i] for i in c) / total for c in clusters([s.text for s in samples], same)]
    return -sum(mass * math.log(mass) for mass in masses if mass > 0) + 0.0


def p_true(
    model: Chooser,
    questions: Sequence[Question],
    answers: Sequence[str],
    brainstormed: Sequence[Sequence[str]] = (),
) -> list[float]:
    """P(True): the probability that the model calls its own answer right (Kadavath et al. 2022), normalised
    over the two options.

    ``brainstormed`` holds further samples per question, which are shown to the model first; showing them
    sharpens its judgement. 0.5 where it gives neither option any probability.
    """
    if len(questions) != len(answers):
        raise ValueError(f"{len(answers)} answers for {len(questions)} questions")
    found: list[float] = [0.5] * len(questions)
    for language in dict.fromkeys(q.language for q in questions):
        pack = language_pack(language)
        own = [i for i, q in enumerate(questions) if q.language == language]
        conversations: list[list[Message]] = []
        for i in own:
            ideas = "\n".join(brainstormed[i]) if brainstormed else ""
            template = pack.p_true_with_ideas if ideas else pack.p_true
            content = template.replace("{question}", questions[i].text)
            content = content.replace("{answer}", answers[i]).replace("{ideas}", ideas)
            conversations.append([{"role": "user", "content": content}])
        for i, (yes, no) in zip(
            own, model.probability(conversations, pack.p_true_options), strict=True
        ):
            found[i] = yes / (yes + no) if yes + no > 0 else 0.5
    return found
