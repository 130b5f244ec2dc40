from __future__ import annotations

from pathlib import Path

from kg_builder.question import Question
from tests.training.test_mix import world
from training.boundary import (
    ALL,
    UNRATED,
    bands_of,
    boundary_map,
    boundary_table,
    write_boundary,
)
from training.intervals import wilson


def rated(questions: list[Question], popularity: list[float | None]) -> list[Question]:
    return [
        q.model_copy(update={"popularity": p}) for q, p in zip(questions, popularity, strict=True)
    ]


def test_cells_by_hand() -> None:
    questions, labels = world({"父亲": 3, "母亲": 1}, {"父亲": 1, "母亲": 3})
    questions = rated(questions, [2, 2, 1, 2, 1, 1, 2, None])
    labels[2] = labels[2].model_copy(update={"known": None})
    cells = {(c.relation, c.band): c for c in boundary_map(questions, labels)}
    father = cells["父亲", ALL]
    assert (father.n, father.known, father.aside) == (3, 2, 1)
    assert father.share == 2 / 3
    assert father.interval == wilson(2, 3)
    assert cells["父亲", "2"].share == 1.0
    assert cells["父亲", "1"].share == 0.0
    assert cells["母亲", UNRATED].n == 1
    assert cells[ALL, ALL].n == 7
    assert sum(c.n for k, c in cells.items() if k[0] == ALL and k[1] != ALL) == 7


def test_relations_by_falling_share_and_all_of_them_last() -> None:
    questions, labels = world({"甲": 1, "乙": 3}, {"甲": 3, "乙": 1})
    cells = boundary_map(rated(questions, [1.0] * 8), labels)
    assert list(dict.fromkeys(c.relation for c in cells)) == ["乙", "甲", ALL]


def test_few_degrees_of_popularity_are_kept() -> None:
    questions, _ = world({"父亲": 5}, {})
    bands = bands_of(rated(questions, [10, 30, 20, None, 10]))
    assert list(bands.values()) == ["1", "3", "2", UNRATED, "1"]


def test_many_are_parted_into_equal_shares_with_ties_together() -> None:
    questions, _ = world({"父亲": 100}, {})
    bands = list(bands_of(rated(questions, [float(i) for i in range(100)]), 5).values())
    assert [bands.count(str(b)) for b in range(1, 6)] == [20] * 5
    assert bands[0] == "1"
    assert bands[-1] == "5"
    tied = bands_of(rated(questions, [0.0] * 94 + [1.0, 2, 3, 4, 5, 6]), 5)
    assert list(tied.values()).count("1") == 94


def test_table_and_picture(tmp_path: Path) -> None:
    questions, labels = world({"父亲": 3, "首都": 1}, {"父亲": 1, "首都": 3})
    questions = rated(questions, [2, 2, 1, 2, 1, 1, 2, None])
    cells = boundary_map(questions, labels)
    table = boundary_table(cells)
    assert "| relation | band 1 | band 2 | band – | all | 95% |" in table
    assert "| 父亲 | 50% of 2 | 100% of 2 | – | 75% of 4 | 30%–95% |" in table
    assert len({line.count("|") for line in table.splitlines()}) == 1
    write_boundary(cells, tmp_path / "map")
    assert (tmp_path / "map" / "boundary.md").read_text() == table
    assert (tmp_path / "map" / "boundary.png").read_bytes().startswith(b"\x89PNG")


def test_questions_without_a_label_are_left_out() -> None:
    questions, labels = world({"父亲": 3}, {"父亲": 3})
    assert boundary_map(questions, labels[:2])[-1].n == 2
