from __future__ import annotations

import json
from pathlib import Path

import pytest

from kg_builder.question import AnswerType, Gold, Question, Split
from training.applicability import FILE, Applicability, to_simplified, written_in
from training.domain import FAR, Domain, edits, key, masked
from training.errors import BundleError
from training.plausibility import form

PEOPLE = ["岳飞", "李白", "杜甫", "白居易", "努尔哈赤", "王维", "孟浩然", "苏轼", "韩愈", "陆游"]
BOOKS = [
    "背影",
    "红楼梦",
    "西游记",
    "水浒传",
    "三国演义",
    "狂人日记",
    "子夜",
    "边城",
    "围城",
    "骆驼祥子",
]

BIRTH = ["{s}的出生年份是?", "{s}出生于哪一年?"]
FATHER = ["{s}的父亲是?", "{s}的父亲是谁?"]
AUTHOR = ["{s}的作者是?", "谁写了{s}?"]


def question(
    subject: str, relation: str, wordings: list[str], answer: str, kind: AnswerType, split: Split
) -> Question:
    first, *others = (wording.replace("{s}", subject) for wording in wordings)
    return Question(
        id=f"{subject}-{relation}",
        text=first,
        paraphrases=tuple(others),
        language="zh",
        subject=subject,
        subject_id=subject,
        relation=relation,
        topic=subject,
        gold=Gold(objects=((answer,),), answer_type=kind),
        split=split,
    )


def graph() -> list[Question]:
    made: list[Question] = []
    for i in range(40):
        person = PEOPLE[i] if i < len(PEOPLE) else f"某{chr(0x4E00 + 7 * i)}{chr(0x5200 + 11 * i)}"
        book = f"《{BOOKS[i] if i < len(BOOKS) else person + '集'}》"
        split: Split = "train" if i % 2 else "calibration"
        made += [
            question(person, "birth_year", BIRTH, f"{700 + i}年", "date", split),
            question(person, "father", FATHER, f"父{chr(0x5B00 + i)}", "person", split),
            question(book, "author", AUTHOR, f"作{chr(0x5C00 + i)}", "person", split),
        ]
    return made


@pytest.fixture(scope="module")
def applicability() -> Applicability:
    return Applicability.of(graph())


@pytest.mark.parametrize(
    ("asked", "put"),
    [
        ("岳飞的父亲是?", "岳飞的父亲是?"),
        ("岳飞的父亲是谁？", "岳飞的父亲是?"),
        ("岳飛的父親是誰?", "岳飞的父亲是?"),
        ("岳飞的父亲亲是谁?", "岳飞的父亲是?"),  # a slip of the finger
        ("岳飞的父是亲谁?", "岳飞的父亲是?"),
        ("谁写了背影", "《背影》的作者是?"),
    ],
)
def test_a_question_is_put_in_the_calibrated_wording(
    applicability: Applicability, asked: str, put: str
) -> None:
    prepared = applicability.prepare(asked)
    assert (prepared.text, prepared.objection) == (put, None)


@pytest.mark.parametrize(
    ("question", "objection"),
    [
        ("白度表示什么意思?", "outside_calibration"),
        ("秦始皇的车牌代码是?", "outside_calibration"),
        ("司马岐的父亲是谁?", "outside_calibration"),  # nobody's name
        ("《背影》的出生年份是?", "outside_calibration"),  # books are not born
        ("大家了解土卫三的表面重力吗？", "outside_calibration"),
        ("Who is the father of Yue Fei?", "other_language"),
        ("岳飛の父は誰ですか、おしえてください", "other_language"),
        ("Кто отец Юэ Фэя?", "other_language"),
    ],
)
def test_questions_from_outside(
    applicability: Applicability, question: str, objection: str
) -> None:
    assert applicability.prepare(question).objection == objection


def test_another_letter_may_be_another_meaning(applicability: Applicability) -> None:
    assert applicability.prepare("岳飞的岳父是谁?").text != "岳飞的父亲是?"


@pytest.mark.parametrize(
    ("question", "answer", "implausible"),
    [
        ("《背影》的作者是?", "1925年。", True),
        ("岳飞出生于哪一年?", "上杭", True),
        ("努尔哈赤的父亲是?", "努尔哈赤。", True),
        ("努尔哈赤的父亲是?", "。", True),
        ("努尔哈赤的父亲是?", "", True),
        ("努尔哈赤的父亲是?", "努尔哈赤的父亲是？", True),
        ("努尔哈赤的父亲是?", "塔克世。", False),
        ("努尔哈赤的父亲是?", "努尔哈赤的父亲是塔克世。", False),
        ("岳飞出生于哪一年?", "1103年。", False),
    ],
)
def test_answers_of_another_kind(
    applicability: Applicability, question: str, answer: str, implausible: bool
) -> None:
    assert applicability.objects_to(question, answer) is implausible


def test_it_survives_being_written(applicability: Applicability, tmp_path: Path) -> None:
    assert Applicability.load(tmp_path) is None
    path = tmp_path / FILE
    path.write_text(applicability.model_dump_json(), encoding="utf-8")
    again = Applicability.load(tmp_path)
    assert again == applicability
    assert again.prepare("岳飛的父親是誰?").text == "岳飞的父亲是?"


@pytest.mark.parametrize("text", ['{"format": 99}', "[]", "{", '{"format": 1}'])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match="zhizhi bundle applicability"):
        Applicability.load(tmp_path)


def test_scripts() -> None:
    assert [written_in(t) for t in ("法国?", "France?", "東京タワーはどこですか", "12?")] == [
        "zh", "en", None, "en",
    ]  # fmt: skip
    assert to_simplified("乾隆帝的父親是誰?") == "乾隆帝的父亲是谁?"


def test_keys_and_edits() -> None:
    assert key("《Hamlet》 的 作者，是 誰？") == "hamlet的作者是谁"
    assert key("New  York's") == "new york s"
    assert masked("岳飞的父亲是?", "岳飞") == "\0的父亲是"
    assert masked("岳飞的父亲是?", "李白") == ""
    assert [edits("父亲是", other, FAR) for other in ("父亲是", "亲父是", "父是", "母亲是谁")] == [
        0, 1, 1, 2,
    ]  # fmt: skip
    assert edits("一二三四五六", "七八九十", 3) == 3


def test_forms_of_answers() -> None:
    given = ["1925年", "前770年", "1,925.5", "朱自清", "H2O", ".fr", "詹姆斯·瓦特"]
    assert [form(g) for g in given] == ["9年", "前9年", "9", "文", "a9O", "a", "文"]


def test_names_of_two_things_are_not_guessed() -> None:
    twice = [*graph(), question("背影", "birth_year", ["{s}的出生年份是?"], "1年", "date", "train")]
    domain = Domain.of(twice)
    assert domain.calibrated_wording(domain.link("背影的作者是"), "zh") == "《背影》的作者是?"
    again = Domain.of(
        [*graph(), question("背影", "author", ["{s}的作者是?"], "某", "person", "train")]
    )
    assert again.calibrated_wording(again.link("背影的作者是"), "zh") is None


def test_the_shipped_weights_say_what_they_were_learnt_from() -> None:
    from training.novelty import PATH, default_novelty

    assert json.loads(PATH.read_text("utf-8"))["outside"] == default_novelty().outside
    assert default_novelty().inside > 1000
