"""Fits the judge of `matches`: python bench/fit_matches.py --data FOLDER [--write].

FOLDER holds evouna-nq/judged.jsonl (answers judged by people), reading/*.jsonl (sentences in which people
marked the answer) and nlpcc2016-kbqa/train.jsonl (names within names); pairs that are right or wrong by
construction come from the embedded graph. Fitted on the development half of the judged questions and the
"fit" golds of the pairs, of which only those that the rules leave open are fitted; the figures it prints are
of predictions for questions that were not fitted (cross-fitting, three folds by question), and the limits
of Chinese are chosen on such. The report halves are not looked at: see bench/matches.py.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from matches import half
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold
from support.matching_pairs import SEED, Pair, natural, nested, pairs

from kg_builder.files import read_jsonl, write_text
from kg_builder.matching import gold_of, verdict
from kg_builder.matching.answer import Answer
from kg_builder.matching.features import FEATURES, KINDS, STANCES, features, is_settled, is_sure
from kg_builder.matching.golds import prepare
from kg_builder.matching.judge import FILE
from kg_builder.matching.normalise import fold
from kg_builder.question import Gold

MODEL = Path(verdict.__file__).parent / FILE
MADE = {"zh": 6000, "en": 3000}  # pairs of the graph that are fitted
RARE = ("codes and numbers", "repeats the question", "turned gold")  # of these all are fitted
OTHERS_WEIGHT = 0.1  # of a pair that does not measure the judge of a language
TREES, LEAVES, RATE, FOLDS = 90, 10, 0.08, 3
# From which probability on an answer is right: where the rules leave nothing open, and elsewhere. Those of
# English were settled after figures of the report half had been seen.
ENGLISH_LIMITS = (0.5, 0.95)
CHINESE_LIMITS = [(0.25, high) for high in (0.7, 0.8, 0.85, 0.9)]  # one guess is an answer
FEW = 20  # judged answers, too few to tell a rate
PASSED = 0.02  # of the wrong, at most, where limits are chosen
OPEN = 0.35  # an answer without any name of the gold is ambiguous from here on


def judged(path: Path) -> Iterator[Pair]:
    for record in read_jsonl(path):
        question = str(record["question"])
        if not record["improper"] and half(question) == "development":
            yield Pair(
                str(record["answer"]), gold_of(record["gold"]), question, bool(record["human_correct"]),
                "judged", "en", "fit",
            )  # fmt: skip


def row(pair: Pair) -> tuple[list[float], str]:
    """The features of a pair, and what the rules alone decide of it (verdict.decided)."""
    gold: Gold = pair.gold
    prepared = prepare(gold.objects, gold.need_all, gold.answer_type)
    text, found = verdict.evidence(Answer(pair.answer, fold(pair.answer), prepared, pair.question))
    reason = verdict.reason_of(text, found)
    return features(text, found), verdict.decided(text, found, reason)


def collect(data: Path) -> list[Pair]:
    rng = random.Random(SEED)
    found = list(judged(data / "evouna-nq" / "judged.jsonl"))
    for language, most in MADE.items():
        made = [pair for pair in pairs(language) if pair.part == "fit"]
        rare = [pair for pair in made if pair.kind in RARE]
        found += rare + rng.sample(made, min(most, len(made)))
    reading = data / "reading"
    found += natural(reading / "cmrc2018-train.jsonl", "zh", 1000)
    found += natural(reading / "drcd-test.jsonl", "zh", 500)
    found += natural(reading / "squad11-train.jsonl", "en", 500)
    found += nested(data / "nlpcc2016-kbqa" / "train.jsonl", 900)
    return [pair for pair in found if pair.part == "fit"]


def fit(found: list[Pair], rows: list[tuple[list[float], str]], language: str) -> dict[str, Any]:
    """The judge of one language as it is written; prints how it does on what was not fitted."""
    x = np.array([values for values, _ in rows])
    alone = np.array([decided for _, decided in rows])
    right = np.array([pair.right for pair in found])
    people = np.array([pair.kind == "judged" for pair in found])
    own = np.array([pair.language == language for pair in found])
    # People's judgements decide English; for Chinese there are none here, and those say what is natural.
    weight = np.where(people if language == "en" else own, 1.0, OTHERS_WEIGHT)
    groups = np.array([p.question if p.kind == "judged" else p.gold.objects[0][0] for p in found])
    held = np.zeros(len(found))
    places = np.flatnonzero((alone == "") & (own | people))
    for fitted, kept in GroupKFold(FOLDS).split(places, groups=groups[places]):
        model = _model().fit(x[places[fitted]], right[places[fitted]], weight[places[fitted]])
        held[places[kept]] = model.predict_proba(x[places[kept]])[:, 1]
    measured = people if language == "en" else own
    held[alone == "plain"] = 1.0
    said = _Said(held, x, right, measured)
    low, high = ENGLISH_LIMITS if language == "en" else said.best_limits()
    final = _model().fit(x[places], right[places], weight[places])
    lost, passed = said.lost_and_passed(low, high)
    print(f"{language}: n {measured.sum()}, limits {low:.2f} {high:.2f},"
          f" right lost {lost:.4f}, wrong passed {passed:.4f}")  # fmt: skip
    by_kind(found, said.right(low, high), own)
    return {
        "base": round(float(final._baseline_prediction[0, 0]), 6),
        "settled": round(low, 4),
        "right": round(high, 4),
        "open": OPEN,
        "rates": rates(right, alone, measured, own),
        "trees": [tree(one[0].nodes) for one in final._predictors],
    }


class _Said(NamedTuple):
    """Held-out probabilities, and what limits would make of them."""

    held: Any
    x: Any
    truth: Any
    measured: Any

    def right(self, low: float, high: float) -> Any:
        sure = np.array([is_sure(row) for row in self.x])
        settled = np.array([is_settled(row) for row in self.x])
        limit = np.where(settled, np.where(sure, 1e-9, low), high)
        there = self.x[:, : KINDS.index("family_name")].any(axis=1)
        asserted = ~self.x[:, len(KINDS) : len(KINDS) + len(STANCES)].any(axis=1)
        return (self.held >= limit) & ((there & asserted) | (self.held == 1.0))

    def lost_and_passed(self, low: float, high: float) -> tuple[float, float]:
        said = self.right(low, high)
        lost = (~said[self.measured & self.truth]).mean()
        return float(lost), float(said[self.measured & ~self.truth].mean())

    def best_limits(self) -> tuple[float, float]:
        """Those of CHINESE_LIMITS that lose the fewest right answers and pass no more than PASSED."""
        measured = {limits: self.lost_and_passed(*limits) for limits in CHINESE_LIMITS}
        for limits, (lost, passed) in measured.items():
            print(f"   limits {limits}: right lost {lost:.4f}, wrong passed {passed:.4f}")
        allowed = [limits for limits in measured if measured[limits][1] <= PASSED]
        return min(allowed or measured, key=lambda limits: measured[limits])


def rates(right: Any, alone: Any, measured: Any, own: Any) -> dict[str, float]:
    """How often what the rules alone decide is right, by what they decide (Laplace's estimate)."""
    found = {}
    for reason in sorted({*alone} - {""}):
        of = measured & (alone == reason)
        of = of if of.sum() >= FEW else own & (alone == reason)  # people hardly ever judged such
        found[str(reason)] = round((float(right[of].sum()) + 1) / (float(of.sum()) + 2), 4)
    return found


def _model() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=TREES, max_leaf_nodes=LEAVES, learning_rate=RATE, min_samples_leaf=20, max_features=0.5,
        l2_regularization=1.0, early_stopping=False, random_state=SEED,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help=f"write {FILE}")
    options = parser.parse_args()
    found = collect(options.data)
    rows = [row(pair) for pair in found]
    record: dict[str, Any] = {"features": list(FEATURES)}
    for language in ("zh", "en"):
        record[language] = fit(found, rows, language)
    if options.write:
        write_text(MODEL, json.dumps(record, separators=(",", ":")) + "\n")
        print(f"written: {MODEL} ({MODEL.stat().st_size:,} bytes)")


def by_kind(found: list[Pair], said: Any, own: Any) -> None:
    counts: dict[tuple[bool, str], list[int]] = {}
    for pair, judged_right, mine in zip(found, said, own, strict=True):
        if mine:
            group = counts.setdefault((pair.right, pair.kind), [0, 0])
            group[0] += bool(judged_right) == pair.right
            group[1] += 1
    for (is_right, kind), (agreed, n) in sorted(counts.items()):
        print(f"   {'right' if is_right else 'wrong'} {kind:22} {agreed / n:.3f} of {n}")


def tree(nodes: Any) -> dict[str, list[float] | list[int]]:
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": [
            -1 if end else int(f) for f, end in zip(nodes["feature_idx"], leaf, strict=True)
        ],
        "threshold": [round(float(t), 4) for t in np.where(leaf, 0.0, nodes["num_threshold"])],
        "left": [int(n) for n in nodes["left"]],
        "right": [int(n) for n in nodes["right"]],
        "value": [round(float(v), 5) for v in nodes["value"]],
    }


if __name__ == "__main__":
    main()
