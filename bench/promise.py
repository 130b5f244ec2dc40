"""Does what a bundle certifies hold? python bench/promise.py --run RUN --json

Every held-out question of the run (calibration and test) is put to its model, ``--looked-up`` of them to
its index as well; what came of it is kept under RUN/promise, so that the rest can be repeated in minutes.
Printed:

    certificate        the whole procedure on ``--draws`` draws of entities, by target: how often the promise
                       is broken, how often there is one, what it covers, and what an oracle would cover;
                       `compared` holds COIN and LEC on the same draws
    all_or_nothing     the same where each entity is right as a whole or wrong as a whole
    interval_coverage  how often the printed 95% intervals hold the truth, in both worlds
    slices             precision at the default profile on the test split, by popularity and relation
    routes             the same for direct and retrieved answers
    outside            question sets given by --outside NAME=FILE: what is answered directly, and how wrongly

Intervals count by entity. The test split has no say in any threshold.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tqdm import tqdm

from eval.breakdown import popularity_bands
from eval.figures import entity_of, share
from eval.promise import Population, bootstrap, hold, interval_coverage, oracle_coverage
from eval.question_set import read_question_set
from eval.run import shuffled
from kg_builder.errors import UserError
from kg_builder.files import digest, read_jsonl, read_manifest, write_jsonl, write_manifest
from kg_builder.question import Question
from retrieval.chain import RetrievalChain
from service.backend import binding
from training.attempt import OperatingPoint
from training.calibrated import CalibratedModel
from training.certificate import NEVER, Answers
from training.label import verdict
from zhizhi.evaluating import recipe_of
from zhizhi.pipeline import told
from zhizhi.serving import open_run

CHUNK = 256
FEWEST = 100  # answers that a slice is judged on


@dataclass
class Held:
    """The held-out questions with what became of them, aligned."""

    questions: list[Question]
    rows: list[dict[str, Any]]

    def population(self) -> Population:
        entities = [entity_of(q) for q in self.questions]
        strata = [row["stratum"] for row in self.rows]
        read = [row["retrieved"] for row in self.rows]
        return Population(
            Answers.of(
                [r["confidence"] for r in self.rows],
                [r["right"] for r in self.rows],
                entities,
                strata,
            ),
            Answers.of(
                [r and r["confidence"] for r in read],
                [r and r["right"] for r in read],
                entities,
                strata,
            ),
            Answers.of([0.0 if r else None for r in read], [True] * len(read), entities).above(0.0),
            tuple(row["signals"] for row in self.rows),
        )


def collect(
    run: Path, model: CalibratedModel, chain: RetrievalChain, looked_up: int, progress: bool
) -> Held:
    """Ask model and index what is not in RUN/promise already."""
    folder = run / "promise"
    read = [Question.model_validate(r) for r in read_jsonl(run / "graph" / "questions.jsonl")]
    questions = [q for q in read if q.split in ("calibration", "test")]
    key = digest([model.name, chain.identity, [q.id for q in questions]])
    rows: dict[str, dict[str, Any]] = {}
    if (read_manifest(folder) or {}).get("key") == key:
        rows = {row["question_id"]: row for row in read_jsonl(folder / "outcomes.jsonl")}
    known = told(recipe_of(run), run)
    missing = [q for q in questions if q.id not in rows]
    for start in tqdm(range(0, len(missing), CHUNK), desc="ask", disable=not progress):
        chunk = missing[start : start + CHUNK]
        for question, attempt in zip(
            chunk, model.attempt([q.text for q in chunk], known), strict=True
        ):
            rows[question.id] = {
                "question_id": question.id,
                "confidence": attempt.confidence,
                "right": verdict(question, attempt.text) == "right",
                "stratum": attempt.stratum,
                "signals": attempt.signals,
                "retrieved": None,
            }
    wanted = [q for q in shuffled(questions, 0)[:looked_up] if rows[q.id]["retrieved"] is None]
    for question in tqdm(wanted, desc="retrieve", disable=not progress):
        reading = chain.answer(question.text, sources="index")
        given = reading.answer is not None
        rows[question.id]["retrieved"] = {
            "confidence": reading.confidence if given else None,
            "right": given and verdict(question, reading.answer or "") == "right",
        }
    if missing or wanted:
        write_jsonl(folder / "outcomes.jsonl", [rows[q.id] for q in questions])
        write_manifest(folder, {"key": key})
    return Held(questions, [rows[q.id] for q in questions])


def slices(held: Held, point: OperatingPoint) -> dict[str, Any]:
    """Precision of the direct answers at ``point`` on the test split, by popularity and by relation."""
    test = [i for i, q in enumerate(held.questions) if q.split == "test"]
    given = [i for i in test if _given(held.rows[i], point)]
    bands = popularity_bands([held.questions[i].popularity for i in given])
    relations = [held.questions[i].relation for i in given]
    return {
        "popularity": _by(held, given, bands),
        "relation": _by(held, given, relations, FEWEST),
    }


def _given(row: dict[str, Any], point: OperatingPoint) -> bool:
    return row["confidence"] >= point.threshold and row["stratum"] not in point.closed


def _by(
    held: Held, given: Sequence[int], names: Sequence[str | None], fewest: int = 1
) -> dict[str, Any]:
    found = {}
    for name in sorted({name for name in names if name}):
        chosen = [i for i, one in zip(given, names, strict=True) if one == name]
        if len(chosen) >= fewest:
            found[name] = _precision(held, chosen, [held.rows[i]["right"] for i in chosen])
    return found


def _precision(held: Held, chosen: Sequence[int], right: Sequence[bool]) -> dict[str, Any]:
    figures = share(right, [entity_of(held.questions[i]) for i in chosen], 0.95)
    return {"n": figures["n"], "precision": figures["value"], "interval": figures["interval"]}


def routes(held: Held, point: OperatingPoint) -> dict[str, Any]:
    """Precision by route at ``point`` on the test split: retrieved answers are those to questions that were
    looked up and are not answered directly."""
    test = [i for i, q in enumerate(held.questions) if q.split == "test"]
    direct = [i for i in test if _given(held.rows[i], point)]
    threshold = NEVER if point.retrieved is None else point.retrieved.threshold
    left = [i for i in test if not _given(held.rows[i], point) and held.rows[i]["retrieved"]]
    read = [
        i
        for i in left
        if (c := held.rows[i]["retrieved"]["confidence"]) is not None and c >= threshold
    ]
    return {
        "direct": _precision(held, direct, [held.rows[i]["right"] for i in direct])
        | {"asked": len(test)},
        "retrieved": _precision(held, read, [held.rows[i]["retrieved"]["right"] for i in read])
        | {"asked": len(left), "certified": bool(point.retrieved and point.retrieved.certified)},
    }


def outside(model: CalibratedModel, point: OperatingPoint, files: Sequence[str]) -> dict[str, Any]:
    """What of questions from elsewhere is answered directly at ``point``, with whatever gate the bundle
    has: {name: n, direct, direct_right, wrong_share}."""
    found = {}
    for given in files:
        name, _, path = given.rpartition("=")
        questions = read_question_set(Path(path)).questions
        attempts = model.attempt([q.text for q in questions])
        pairs = [(q, a) for q, a in zip(questions, attempts, strict=True) if point.admits(a)]
        right = sum(verdict(q, a.text) == "right" for q, a in pairs)
        found[name or Path(path).stem] = {
            "n": len(questions),
            "direct": len(pairs),
            "direct_right": right,
            "wrong_share": (len(pairs) - right) / len(questions) if questions else None,
        }
    return found


def promise(args: argparse.Namespace) -> dict[str, Any]:
    recipe = recipe_of(args.run)
    model, chain = open_run(args.run)
    held = collect(args.run, model, chain, args.looked_up, sys.stderr.isatty())
    point = binding(model.operating_point(), chain)
    population = held.population()
    entities = len({entity_of(q) for q in held.questions if q.split == "calibration"})
    settings = recipe.calibration.model_copy(
        update={"targets": tuple(args.targets), "profiles": {}}
    )
    wholes = population.all_or_nothing()
    certificate = bootstrap(
        population, entities, settings, draws=args.draws, compared=min(args.draws, args.compared)
    )
    strict = bootstrap(wholes, entities, settings, draws=args.draws)
    tested = len({entity_of(q) for q in held.questions if q.split == "test"})
    read = NEVER if point.retrieved is None else point.retrieved.threshold
    served = hold(population, population.direct.confidence, point.threshold, read, point.closed)
    return {
        "run": str(args.run),
        "bundle": model.name,
        "n": {
            "questions": len(held.questions),
            "entities": population.entities,
            "calibration_entities": entities,
            "looked_up": int(population.looked_up.sum()),
            "draws": args.draws,
        },
        "delta": settings.delta,
        "certificate": {
            f"{one['target']:g}": one | oracle_coverage(population, one["target"])
            for one in certificate.values()
        },
        "all_or_nothing": {f"{one['target']:g}": one for one in strict.values()},
        "interval_coverage": {
            name: interval_coverage(world, tested, point, draws=args.draws)
            for name, world in (("entities", population), ("all_or_nothing", wholes))
        },
        "point": point.model_dump(mode="json"),
        "served": {"direct": served.direct_share, "answered": served.share},
        "slices": slices(held, point),
        "routes": routes(held, point),
        "outside": outside(model, point, args.outside),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a finished run")
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--draws", type=int, default=1000, help="draws of entities")
    parser.add_argument(
        "--compared", type=int, default=200, help="draws on which COIN and LEC are tried"
    )
    parser.add_argument("--looked-up", type=int, default=3000, help="questions put to the index")
    parser.add_argument("--targets", type=float, nargs="+", default=[0.8, 0.9, 0.95, 0.97])
    parser.add_argument("--outside", action="append", default=[], metavar="NAME=FILE")
    args = parser.parse_args()
    print(json.dumps(promise(args), ensure_ascii=False, indent=None if args.json else 2))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"{error}")
