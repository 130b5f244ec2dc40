from __future__ import annotations

from typing import Any, get_args

from kg_builder.question import AnswerType
from service.gaps import gap_of, ranked, refusal
from service.language_pack import LANGUAGES, language_pack
from service.time_dependence import is_time_dependent


def test_a_gap_names_subject_attribute_and_document() -> None:
    gap = gap_of("岳云的父亲是谁?", "zh")
    assert (gap.subject, gap.attribute) == ("岳云", "父亲")
    assert gap.document in gap.needed
    assert "岳云的父亲" in gap.needed
    assert refusal(gap, "zh") == "我不知道和“岳云的父亲”相关的信息。"
    assert gap_of("When was Foo Ltd founded?", "en").subject == "Foo Ltd"


def test_a_question_without_a_subject_that_can_be_told() -> None:
    gap = gap_of("怎么退货?", "zh")
    assert gap.subject is None
    assert "怎么退货" in gap.needed
    assert refusal(gap, "zh") == language_pack("zh").refusal


def test_every_kind_of_answer_has_a_kind_of_document() -> None:
    for language in LANGUAGES:
        assert set(language_pack(language).documents) == set(get_args(AnswerType))


def record(text: str, times: int, **more: Any) -> dict[str, Any]:
    given = {"route": "refused", "reason": "insufficient_evidence", "last_asked": "2026-11-02"}
    return {"text": text, "language": "zh", "times": times, **given, **more}


def test_gaps_are_ranked_by_how_often_they_were_asked() -> None:
    found = ranked(
        [
            record("张三的父亲是谁?", 3, last_asked="2026-11-03"),
            record("李四的生日是哪天?", 4),
            record("谁是张三的父亲?", 2),
            record("王五的父亲是谁?", 9, route="retrieval", reason=None),
            record("王五的父亲是谁?", 9, reason="search_unavailable"),
        ]
    )
    assert [(one.gap.subject, one.times) for one in found] == [("张三", 5), ("李四", 4)]
    assert found[0].questions == ["张三的父亲是谁?", "谁是张三的父亲?"]
    assert found[0].last_asked == "2026-11-03"


def test_time_dependence() -> None:
    changing = [
        "现任美国总统是谁?",
        "今天天气怎么样?",
        "最新的iPhone是哪一款?",
        "法国的人口是多少?",
    ]
    changing += ["Who is the current president of France?", "What is the population of Japan?"]
    settled = ["集成电路的发明年份是?", "《今天》的作者是谁?", "蹴鞠最早出现在哪个朝代?"]
    settled += ["Who wrote Nowhere?"]
    assert [q for q in changing if not is_time_dependent(q)] == []
    assert [q for q in settled if is_time_dependent(q)] == []
