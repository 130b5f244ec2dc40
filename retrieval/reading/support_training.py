"""What the support check has learnt: python -m retrieval.reading.support_training FILE [--out FILE].

FILE is JSON Lines of passages with questions, answers and their places, all in one language:
``cmrc2018-train.jsonl`` or ``squad11-train.jsonl``. Word counts and answer shapes come
from some of the passages, the weights from cases about others. ``HELD_OUT`` articles are left out, as
`zhizhi reader train` leaves them, so that ``bench/support_check.py`` can report on them. Equal files and
seeds give equal results.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kg_builder.question import Language
from retrieval.documents import language_of
from retrieval.reading.dataset import ReadingPassage, hold_out, is_kept_back, read_reading_data
from retrieval.reading.span_reader import load_span_reader
from retrieval.reading.support import Opinion, candidates, span_opinion
from retrieval.reading.support_cases import Case, balanced, cases
from retrieval.reading.support_features import Claimed, cues, shapes
from retrieval.reading.support_lexicon import SupportLexicon, lexicon_path
from retrieval.reading.text_analysis import analyse
from retrieval.sentences import sentences

SEED = 13
HELD_OUT = 40  # articles, of data with several passages an article
LEAST = {"zh": 3, "en": 5}  # sentences that a word has to stand in to be counted
COUNTED = {"zh": 1200, "en": 1500}  # passages that words are counted in
CLAIMED = {"zh": 500, "en": 600}  # other passages that the cases are about, at most
CALIBRATION = 0.08  # share of the articles that `zhizhi reader train` kept back
CASES = 150  # of every kind
PENALTY = 1.0  # of the logistic regression, on the squares of its weights
_SOURCES = {
    "zh": ("CMRC 2018 train", "CC BY-SA 4.0"),
    "en": ("SQuAD 1.1 train without the held-out articles", "CC BY-SA 4.0"),
}

Matrix = NDArray[np.float64]


def train(sources: Sequence[ReadingPassage], opinion: Opinion | None = None) -> SupportLexicon:
    """Everything that the check needs for the language of the passages; ``opinion`` as ``support`` has it."""
    language = language_of(sources[0].text)
    shuffled = list(sources)
    random.Random(SEED).shuffle(shuffled)
    counted, claimed = COUNTED[language], CLAIMED[language]
    data, licence = _SOURCES[language]
    lexicon = SupportLexicon(
        language=language,
        data=data,
        licence=licence,
        weights={},
        intercept=0.0,
        threshold=0.0,
        **_words(shuffled[:counted], language),
    )
    # The span reader's opinion of passages that it learnt from is better than of any other.
    kept_back = [source for source in shuffled[counted:] if is_kept_back(source.title, CALIBRATION)]
    made = list(cases(kept_back[:claimed], "fit", SEED))
    random.Random(SEED).shuffle(made)
    return fit(balanced(made, CASES), lexicon, opinion)


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def _words(sources: Sequence[ReadingPassage], language: Language) -> dict[str, object]:
    counts: Counter[str] = Counter()
    total = 0
    answered: list[tuple[list[str], list[str]]] = []
    phrases: list[list[str]] = []
    for source in sources:
        pieces = [piece.text for piece in sentences(source.text)]
        for piece in pieces:
            total += 1
            counts.update(analyse(piece, language).keys)
        for one in source.questions:
            answer = min(one.answers, key=len)
            asked = analyse(one.text, language)
            new = [u for u in analyse(answer, language).units if u.key not in asked.keys]
            kinds = shapes(new, analyse(answer, language))
            answered.append((cues(one.text, asked, language), kinds))
            phrases.append(kinds)
    kept = {word: n for word, n in sorted(counts.items()) if n >= LEAST[language]}
    return {
        "sentences": total,
        "counts": kept,
        "answer_shapes": _answer_shapes(answered, phrases),
    }


def _answer_shapes(
    answered: Sequence[tuple[list[str], list[str]]], phrases: Sequence[list[str]]
) -> dict[str, dict[str, float]]:
    usual = Counter(kind for kinds in phrases for kind in kinds)
    total = sum(usual.values())
    by_cue: dict[str, Counter[str]] = defaultdict(Counter)
    for keys, kinds in answered:
        for key in keys:
            by_cue[key].update(kinds)
    table: dict[str, dict[str, float]] = {}
    for cue, seen in sorted(by_cue.items()):
        count = sum(seen.values())
        if count < 20:
            continue
        row = {}
        for kind, n in sorted(usual.items()):
            p = (seen[kind] + 5 * n / total) / (count + 5)
            row[kind] = round(max(-3.0, min(2.0, math.log(p / (n / total)))), 2)
        table[cue] = row
    return table


# ── weights ──────────────────────────────────────────────────────────────────────────────────────


def fit(
    made: Sequence[Case], lexicon: SupportLexicon, opinion: Opinion | None = None
) -> SupportLexicon:
    """The lexicon with weights for these cases.

    A case stands for its best stretch, which depends on the weights: so they are fitted again on the
    stretches that the weights before choose. Every kind counts as much as another of its truth.
    """
    language = lexicon.language
    pool = [
        [
            features
            for _, features in candidates(
                Claimed(c.claim, c.question, language, lexicon), c.text, c.title, opinion
            )
        ]
        for c in tqdm(made, desc="compare", mininterval=5)
    ]
    return weigh(made, pool, lexicon)


def weigh(
    made: Sequence[Case], pool: Sequence[list[dict[str, float]]], lexicon: SupportLexicon
) -> SupportLexicon:
    """The lexicon with weights for cases and the features of their stretches; one without any is left out."""
    kept = [case for case, rows in zip(made, pool, strict=True) if rows]
    pool = [rows for rows in pool if rows]
    names = sorted(pool[0][0])
    stacked = [np.array([[row[name] for name in names] for row in rows]) for rows in pool]
    truth = np.array([case.true for case in kept], dtype=np.float64)
    sizes = Counter((case.kind, case.true) for case in kept)
    kinds = Counter(true for _, true in sizes)
    shares = np.array([1 / (sizes[c.kind, c.true] * kinds[c.true]) for c in kept])
    shares *= len(kept) / shares.sum()
    weights = np.array([-1.0 if name in _FIRST else 0.0 for name in names])
    intercept = 0.0
    for _ in range(6):
        chosen = np.array([rows[int(np.argmax(rows @ weights))] for rows in stacked])
        weights, intercept = _logistic(chosen, truth, shares)
    scores = np.array([float(np.max(rows @ weights)) + intercept for rows in stacked])
    return lexicon.model_copy(
        update={
            "weights": {n: round(float(w), 4) for n, w in zip(names, weights, strict=True)},
            "intercept": round(float(intercept), 4),
            "threshold": round(_equal_errors(scores, truth, shares), 4),
        }
    )


# What chooses stretches before there are weights.
_FIRST = ("new_missing", "asked_missing_soft", "echo_missing")


def _logistic(rows: Matrix, truth: Matrix, shares: Matrix) -> tuple[Matrix, float]:
    """Weights and intercept of a logistic regression in which case i counts ``shares[i]``."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / PENALTY, max_iter=1000).fit(rows, truth, sample_weight=shares)
    return np.asarray(model.coef_[0], np.float64), float(model.intercept_[0])


def _equal_errors(scores: Matrix, truth: Matrix, shares: Matrix) -> float:
    """The threshold at which as many of the true are lost as of the false passed."""
    true, false = truth > 0.5, truth < 0.5

    def gap(threshold: float) -> float:
        lost = float(shares[true & (scores < threshold)].sum() / shares[true].sum())
        passed = float(shares[false & (scores >= threshold)].sum() / shares[false].sum())
        return abs(lost - passed)

    return float(min(np.unique(np.round(scores, 2)), key=gap))


def save(lexicon: SupportLexicon, path: Path) -> None:
    """One JSON file, keys in order."""
    path.write_text(
        json.dumps(lexicon.model_dump(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        + "\n",
        encoding="utf-8",
    )


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, help="where to write; default: beside this module")
    given = parser.parse_args(None if arguments is None else list(arguments))
    passages, _ = hold_out(read_reading_data([given.file]), HELD_OUT)
    lexicon = train(passages, span_opinion(load_span_reader()))
    save(lexicon, given.out or lexicon_path(lexicon.language))


if __name__ == "__main__":
    main()
