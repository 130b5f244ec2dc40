import json
from pathlib import Path

import pytest

from kg_builder.files import FileError
from kg_builder.matching import MatchError, agree, score_file

_JUDGED = Path(__file__).parents[4] / "shared" / "data" / "evouna-nq" / "judged.jsonl"


def _write(path, records):
    path.write_text(
        "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8"
    )
    return path


def test_counts_and_agreement(tmp_path):
    path = _write(
        tmp_path / "a.jsonl",
        [
            {"a": "岳飞", "g": "岳飞", "ok": True, "m": "x"},
            {"a": "秦桧", "g": ["岳飞", "岳鹏举"], "ok": False, "m": "x"},
            {
                "a": "岳飞或秦桧",
                "g": {"objects": [["岳飞"]], "answer_type": "person"},
                "ok": True,
                "m": "y",
            },
            {"a": "不是岳飞", "g": "岳飞", "ok": None, "m": "y"},
            {"a": "岳飞", "g": "岳飞", "ok": True, "m": "y", "skip": True},
        ],
    )
    report = score_file(path, "a", "g", "ok", by="m", leave_out="skip")
    assert (report.n, report.left_out) == (4, 1)
    assert report.verdicts == {"right": 1, "wrong": 2, "ambiguous": 1}
    assert report.agreement is not None
    assert report.agreement.n == 3
    assert report.agreement.accuracy == 1.0
    assert report.agreement.strict_accuracy == pytest.approx(2 / 3)
    assert (report.agreement.ambiguous, report.agreement.ambiguous_right) == (1, 1)
    assert report.systems["y"].n == 2
    assert json.loads(report.model_dump_json())["reasons"]["named"] == 1


def test_the_question_of_a_record_is_used(tmp_path):
    record = {"a": "1706年", "g": "1706-01-17", "question": "富兰克林生于哪一年?"}
    assert score_file(_write(tmp_path / "a.jsonl", [record]), "a", "g").verdicts["right"] == 1


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"g": "x"}, ("record 1", "'a'", "g")),
        ({"a": 3, "g": "x"}, ("'a'", "int")),
        ({"a": "x", "g": []}, ("'g'",)),
        ({"a": "x", "g": {"objects": []}}, ("'g'", "objects")),
        ({"a": "x", "g": "x", "ok": "yes"}, ("'ok'", "'yes'")),
    ],
)
def test_a_record_that_cannot_be_judged_is_named(tmp_path, record, words):
    path = _write(tmp_path / "a.jsonl", [{"ok": True} | record])
    with pytest.raises(MatchError) as error:
        score_file(path, "a", "g", "ok")
    assert all(word in str(error.value) for word in words)


def test_a_missing_file_is_the_users_mistake(tmp_path):
    with pytest.raises(FileError, match=r"none\.jsonl"):
        score_file(tmp_path / "none.jsonl", "a", "g")


def test_agreement_of_nothing_is_not_a_number():
    agreement = agree([("ambiguous", True)])
    assert agreement.accuracy is None
    assert agreement.passed is None
    assert agreement.recall == 0.0


@pytest.mark.slow
def test_people_agree():
    if not _JUDGED.exists():
        pytest.skip(f"{_JUDGED} is not here: third-party judgements are not part of the project")
    report = score_file(
        _JUDGED, "answer", "gold", "human_correct", by="model", leave_out="improper"
    )
    assert report.agreement is not None
    assert report.agreement.accuracy >= 0.94
    assert report.agreement.passed <= 0.04
    assert report.agreement.ambiguous <= 0.13 * report.n
