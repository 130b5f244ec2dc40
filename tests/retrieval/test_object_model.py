import json

import pytest

from retrieval.object_model import BACKGROUND, ObjectModel, parts

PAIRS = (
    [("city", a + b) for a, b in zip("甲乙丙丁戊己庚辛子丑", "州城安阳平江山川宁口", strict=True)]
    + [("country", f"{c}国") for c in "中法美德英"] * 6
    + [("year", f"{y}年") for y in range(1800, 1830)]
)
TOGETHER = ["city", "country", "year"]


@pytest.fixture(scope="module")
def model() -> ObjectModel:
    rivals = [("city", "country"), ("city", "year"), ("country", "year")]
    return ObjectModel.fit(PAIRS, rivals, {"龙郡": "town", "甲州": "town", "乙城": "town"})


def test_known_names_and_forms_decide(model: ObjectModel) -> None:
    assert model.fits("法国", "country", TOGETHER) > 0.95
    assert model.fits("法国", "city", TOGETHER) < 0.01
    assert model.fits("壬州", "city", TOGETHER) > 0.5
    assert model.fits("1999年", "country", TOGETHER) < 0.01
    assert model.fits("甲州、乙城", "city", TOGETHER) > 0.95


def test_a_closed_list_gives_little_to_names_it_lacks() -> None:
    dynasties = [("dynasty", d) for d in "唐宋元明清"] * 20
    towns = [("town", t) for t in "涿滁亳歙黟蓟鄄莒滕邹郓鄂虢睢蔚忻沁霍隰绛"]
    model = ObjectModel.fit(dynasties + towns, [("dynasty", "town")])
    assert model.fits("唐", "dynasty", ["dynasty", "town"]) > 0.9
    assert model.fits("郯", "town", ["dynasty", "town"]) > 0.7


def test_what_a_name_is_itself_counts(model: ObjectModel) -> None:
    assert model.posterior("龙郡", TOGETHER)["city"] > model.posterior("虎郡", TOGETHER)["city"]


def test_words_of_one_relation_leave_no_doubt(model: ObjectModel) -> None:
    assert model.fits("随便什么", "city", ["city"]) == 1


def test_nothing_learnt_is_nothing_known() -> None:
    assert ObjectModel({}).fits("法国", "country", TOGETHER) == 0


def test_allies_lend_their_weight() -> None:
    names = [("capital", f"{c}京") for c in "东西南北汴"] + [
        ("seat", f"{c}京") for c in "上中下"
    ] * 5
    allied = ObjectModel.fit(names)
    rivals = ObjectModel.fit(names, [("capital", "seat")])
    assert allied.fits("上京", "capital", ["capital", "seat"]) > 0.9
    assert rivals.fits("上京", "capital", ["capital", "seat"]) < 0.5


def test_shares_add_up_and_survive_json(model: ObjectModel) -> None:
    shares = model.posterior("壬州", TOGETHER)
    assert sum(shares.values()) == pytest.approx(1)
    assert BACKGROUND in shares
    again = ObjectModel.from_json(json.loads(json.dumps(model.as_json())))
    assert again.posterior("壬州", TOGETHER) == pytest.approx(shares)


def test_lists_of_objects() -> None:
    assert parts("《甲》、乙; 丙 , ") == ["甲", "乙", "丙"]
    assert parts("") == []
