"""What the support check lets through: python bench/support_check.py FILE… [--json] [--limit N].

Each FILE is JSON Lines of passages with questions, in either layout: qas of q and a, or of question and
answers. True and false claims are made of them by ``retrieval.reading.support_cases``, with other wordings
than the weights were fitted on; of data that was trained on, --held-out 40 takes the articles that were left
out. Per kind of claim: how many there are, and the share judged wrongly, with its
95% Wilson interval: of the true ones lost, of the false ones passed. Both totals are means over the kinds.
``wrong passage`` is the true claim beside another passage.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from retrieval.documents import language_of
from retrieval.reading.dataset import ReadingPassage, hold_out, read_reading_data
from retrieval.reading.reading_pack import reading_pack
from retrieval.reading.span_reader import load_span_reader
from retrieval.reading.support import span_opinion, support
from retrieval.reading.support_cases import Case, balanced, cases
from retrieval.reading.support_training import SEED
from training.intervals import wilson

LIMIT = 300  # of every kind
PASSAGES = 600  # that claims are made about, a sample of larger files


def report_cases(passages: list[ReadingPassage], limit: int, held_out: int) -> list[Case]:
    """The cases of all passages, or of the ``held_out`` articles that training leaves out."""
    shuffled = hold_out(passages, held_out)[1] if held_out else list(passages)
    random.Random(SEED).shuffle(shuffled)
    found = list(cases(shuffled[:PASSAGES], "report", SEED))
    random.Random(SEED).shuffle(found)
    others = [
        case._replace(kind="wrong passage", true=False, title=other.title, text=other.text)
        for case, other in zip(found, reversed(found), strict=True)
        if case.kind == "answer in the question" and case.title != other.title
    ]
    return balanced([*found, *others], limit)


def measure(made: list[Case]) -> dict[str, Any]:
    counts: dict[tuple[bool, str], list[int]] = {}
    opinion = span_opinion(load_span_reader())
    started = time.perf_counter()
    for case in made:
        pack = reading_pack(language_of(case.text))
        quote = support(case.claim, case.question, case.text, pack, case.title, opinion)
        group = counts.setdefault((case.true, case.kind), [0, 0])
        group[0] += (quote is None) == case.true
        group[1] += 1
    spent = time.perf_counter() - started
    rows: dict[str, Any] = {}
    for truth, name in ((True, "true_lost"), (False, "false_passed")):
        kinds = {
            kind: {
                "n": n,
                "share": round(wrong / n, 3),
                "interval": [round(end, 3) for end in wilson(wrong, n)],
            }
            for (true, kind), (wrong, n) in sorted(counts.items())
            if true == truth
        }
        if kinds:
            mean = sum(row["share"] for row in kinds.values()) / len(kinds)
            total = sum(row["n"] for row in kinds.values())
            rows[name] = {"mean": round(mean, 3), "n": total, "kinds": kinds}
    rows["ms_per_claim"] = round(1000 * spent / max(len(made), 1), 1)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--limit", type=int, default=LIMIT, help="claims of every kind")
    parser.add_argument("--held-out", type=int, default=0, help="articles left out of the training")
    given = parser.parse_args()
    found = {
        path.name: measure(report_cases(read_reading_data([path]), given.limit, given.held_out))
        for path in given.files
    }
    if given.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for name, rows in found.items():
        print(f"{name}   {rows['ms_per_claim']} ms a claim")
        for side in ("true_lost", "false_passed"):
            if side not in rows:
                continue
            print(f"  {side.replace('_', ' ')}: {rows[side]['mean']:.1%} of {rows[side]['n']}")
            for kind, row in rows[side]["kinds"].items():
                low, high = row["interval"]
                print(f"    {kind:24} {row['share']:6.1%}  ({low:.1%}–{high:.1%})  n {row['n']}")


if __name__ == "__main__":
    main()
