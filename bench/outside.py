"""Where the promise ends: bench/outside.py --run RUN [--data FOLDER] [--limit N] [--inside N] [--json].

From outside: how many questions of other data sets get a wrong direct answer, none of which the weights in
training/novelty.json were learnt from. Inside: held-out questions of the run as they are, with a slip of the
finger, in other wordings and in traditional characters, before and after the bundle knows where it applies.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from eval.outside import inside, outside, read_outside
from kg_builder.files import read_jsonl
from kg_builder.question import Question
from training.bundle import Bundle
from training.calibrated import CalibratedModel

# File, whether one half of it was learnt from.
SETS = {
    "nlpcc": ("nlpcc2016-kbqa/train.jsonl", True),
    "chinese_simpleqa": ("chinese-simpleqa/questions.jsonl", False),
    "cmrc_dev": ("cmrc2018/passages.jsonl", False),
    "drcd": ("reading/drcd-test.jsonl", False),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--profile", default="webqa")
    parser.add_argument(
        "--limit", type=int, default=2000, help="questions of each set from outside"
    )
    parser.add_argument(
        "--inside", type=int, default=400, help="questions of each slice from inside"
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    model = CalibratedModel.load(Bundle.load(asked.run / "bundle"))
    point = model.operating_point(profile=asked.profile)
    sets = {
        name: read_outside(asked.data / file, half=half, limit=asked.limit)
        for name, (file, half) in SETS.items()
        if (asked.data / file).is_file()
    }
    rows = read_jsonl(asked.run / "graph" / "questions.jsonl")
    test = [q for r in rows if (q := Question.model_validate(r)).split == "test"]
    found: dict[str, Any] = {
        "bundle": model.name,
        "profile": point.name,
        "outside": outside(model, sets, point),
        "inside": inside(model, test, point, asked.inside),
    }
    if asked.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    for name, one in found["outside"].items():
        low, high = one["interval"]
        print(
            f"{name:18} n {one['n']:5}  direct {one['direct']:4}  right {one['direct_right']:4}  "
            f"wrong {one['wrong_share']:.2%} [{low:.2%}, {high:.2%}]"
        )
    for name, one in found["inside"].items():
        print(f"{name:18} n {one['n']:5}  {one['before']} → {one['after']}  kept {one['kept']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
