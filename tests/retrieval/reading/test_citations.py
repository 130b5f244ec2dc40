"""What an answer says, its marks, and whether a passage bears it out."""

from __future__ import annotations

import pytest

from kg_builder.passage import Passage
from retrieval.evidence import Evidence
from retrieval.reading.citations import Claim, cited_answer, claims
from retrieval.reading.reading_pack import reading_pack

ZH = reading_pack("zh")
TEXTS = [
    "临江位于东海道。临江的人口约三十万，面积1200平方公里。",
    "沈云舟字子渡。他的父亲是沈怀远，母亲不详。1432年，他生于临江。",
    "Shen Yunzhou was born in Linjiang in 1432. He never married.",
]
EVIDENCE = [
    Evidence(passage=Passage(id=f"p{n}", title=f"t{n}", text=text, url=f"https://a.example/{n}"), score=1)
    for n, text in enumerate(TEXTS)
]  # fmt: skip
QUESTION = "沈云舟的父亲是谁?"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("沈云舟的父亲是沈怀远[2]。", [("沈云舟的父亲是沈怀远。", (2,))]),
        ("沈云舟的父亲是沈怀远。[2]", [("沈云舟的父亲是沈怀远。", (2,))]),
        ("沈怀远 [2][3]", [("沈怀远", (2, 3))]),
        ("沈怀远【2、3】。他生于临江［1，2］。", [("沈怀远。", (2, 3)), ("他生于临江。", (1, 2))]),
        ("沈怀远。[2]他生于临江。[1]", [("沈怀远。", (2,)), ("他生于临江。", (1,))]),
        ("He was born in Linjiang [3]. He never married. [3]",
         [("He was born in Linjiang.", (3,)), ("He never married.", (3,))]),
        ("[2] 沈怀远", [("沈怀远", (2,))]),
        ("沈怀远", [("沈怀远", ())]),
        ("[2]", []),
        ("", []),
        ("面积是[1200]平方公里", [("面积是[1200]平方公里", ())]),
    ],
)  # fmt: skip
def test_claims(answer: str, found: list[tuple[str, tuple[int, ...]]]) -> None:
    assert claims(answer) == [Claim(*one) for one in found]


def test_offsets_and_quotes() -> None:
    reply = "沈云舟的父亲是沈怀远[2][1]。他是皇帝[2]。他的父亲是沈怀远[2][9]。"
    answer, citations = cited_answer(reply, QUESTION, EVIDENCE, ZH)
    assert answer == "沈云舟的父亲是沈怀远。他的父亲是沈怀远。"
    assert [(c.number, answer[c.start : c.end]) for c in citations] == [
        (2, "沈云舟的父亲是沈怀远。"),
        (2, "他的父亲是沈怀远。"),
    ]
    for citation in citations:
        assert citation.quote in TEXTS[1]
        assert (citation.passage_id, citation.url) == ("p1", "https://a.example/1")


@pytest.mark.parametrize(
    "reply", ["沈怀远。", "沈怀远[1]。", "沈怀远[99]。", "沈怀远[0]。", "[2]", "秦桧[2]。"]
)
def test_without_support_nothing_is_left(reply: str) -> None:
    assert cited_answer(reply, QUESTION, EVIDENCE, ZH) == ("", ())
