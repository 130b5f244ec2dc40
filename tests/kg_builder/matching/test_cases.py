"""The table of cases: each rule in Chinese and English, with the verdict that a person expects."""

from pathlib import Path

import pytest

from kg_builder.files import read_jsonl
from kg_builder.matching import matches
from kg_builder.question import Gold

_LINES = (Path(__file__).parent / "cases.tsv").read_text(encoding="utf-8").splitlines()[1:]


def _gold(text: str, options: str) -> Gold:
    words = options.split()
    return Gold(
        objects=tuple(tuple(names.split(" / ")) for names in text.split(" ; ")),
        need_all="all" in words,
        answer_type=next((word for word in words if word != "all"), "term"),
    )


@pytest.mark.parametrize("line", _LINES)
def test_case(line):
    expected, answer, gold, options, question, rule = line.split("\t")
    match = matches(answer, _gold(gold, options), question=question)
    assert match.verdict == expected, (rule, match)


def test_cases_of_kinds_that_people_judged():
    """No wrong answer passes, and of the right ones no more than one in twenty is lost."""
    cases = list(read_jsonl(Path(__file__).parents[2] / "data" / "matching_cases.jsonl"))
    lost = 0
    for case in cases:
        match = matches(
            case["answer"], Gold.model_validate(case["gold"]), question=case["question"]
        )
        if case["should"] == "right":
            lost += match.verdict != "right"
        else:
            assert match.verdict != "right", (case, match)
    assert lost <= len(cases) // 20


def test_the_table_covers_both_languages():
    assert len(_LINES) >= 150
    assert sum(line.isascii() for line in _LINES) >= 60
    assert sum(not line.isascii() for line in _LINES) >= 90
