"""The balanced test: as many questions that the base model knows as it does not, as the experiment had them.

On the natural mix most of a small model's questions are unknown, and precision says as much about the mix as
about the model. Here half of the questions are known, so that what refusing buys can be read off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.result import EvaluationResult
from kg_builder.files import digest
from training.intervals import wilson

BASE_ARMS = ("prompt_only", "base")  # the first that there is: asked as the model was probed


def balanced(result: EvaluationResult, threshold: float | None) -> dict[str, Any] | None:
    """{n, base_precision, phrase_precision, phrase_known_kept, calibrated_precision, calibrated_known_kept},
    shares each with its 95% Wilson interval; None where the base knows nothing, or all.

    ``threshold`` is that of the confidence on a balanced mix, chosen on the calibration split; without one
    nothing is given for the calibrated answers.
    """
    places = _balanced_places(result)
    if not places:
        return None
    known = {i for i in places if result.known[i] is True}
    found: dict[str, Any] = {"n": len(places), "threshold": threshold}

    def count(name: str, given: Sequence[int], right: set[int]) -> None:
        good = [i for i in given if i in right]
        kept = [i for i in good if i in known]
        found[f"{name}_answered"] = len(given)
        found[f"{name}_precision"] = len(good) / len(given) if given else None
        found[f"{name}_precision_interval"] = wilson(len(good), len(given))
        found[f"{name}_known_kept"] = len(kept) / len(known)
        found[f"{name}_known_kept_interval"] = wilson(len(kept), len(known))

    names = [*[one for one in BASE_ARMS if one in result.arms][:1], "refusal_phrase"]
    for name, arm in zip(("base", "phrase"), names, strict=False):
        if arm not in result.arms:
            continue
        verdicts = [one.verdict for one in result.arms[arm].records]
        count(
            name,
            [i for i in places if verdicts[i] in ("correct", "wrong", "ambiguous")],
            {i for i, verdict in enumerate(verdicts) if verdict == "correct"},
        )
    right = result.attempts_right()
    if right is not None and threshold is not None:
        count(
            "calibrated",
            [i for i in places if result.attempts[i].confidence >= threshold],
            {i for i, good in enumerate(right) if good},
        )
    return found


def _balanced_places(result: EvaluationResult) -> list[int]:
    """The places of all questions of the smaller class and as many of the larger, chosen by hash."""
    classes = {
        kind: sorted(
            (i for i, known in enumerate(result.known) if known is kind),
            key=lambda i: digest(["balanced", result.questions[i].id]),
        )
        for kind in (True, False)
    }
    size = min(map(len, classes.values()))
    return sorted(classes[True][:size] + classes[False][:size])
