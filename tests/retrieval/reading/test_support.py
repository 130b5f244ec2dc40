"""Which claims a passage bears out: cases written by hand, with invented names, in natural wording.

The weights of the check are fitted on claims made by rules from real passages; none of them is here.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

from retrieval.documents import language_of
from retrieval.reading.reading_pack import reading_pack
from retrieval.reading.span_reader import load_span_reader
from retrieval.reading.support import Opinion, candidates, span_opinion, support
from retrieval.reading.support_features import Claimed
from retrieval.reading.support_lexicon import support_lexicon


class Pair(NamedTuple):
    title: str
    passage: str
    question: str
    true: str
    false: str


def pairs() -> list[Pair]:
    path = Path(__file__).with_name("support_cases.tsv")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [Pair(*row) for row in rows]


PAIRS = pairs()

# Claims of either kind that the check may judge wrongly: a relation named by another word, and a wrong one
# between the right names, are beyond it. bench/support_check.py measures them.
MOST_WRONG = 0.2

# What has to hold: numbers in other forms, other numbers, other members of a series.
NAMED = ("10天", "12%", "860名", "六百", "四百", "一号", "二号")


@pytest.fixture(scope="module")
def opinion() -> Opinion:
    return span_opinion(load_span_reader())


def supported(claim: str, pair: Pair, opinion: Opinion) -> str | None:
    pack = reading_pack(language_of(pair.question))
    return support(claim, pair.question, pair.passage, pack, pair.title, opinion)


def test_there_are_enough_cases() -> None:
    languages = [language_of(pair.question) for pair in PAIRS]
    assert min(languages.count("zh"), languages.count("en")) >= 18
    assert len(PAIRS) >= 42


def test_true_claims_are_supported_by_words_of_the_passage(opinion: Opinion) -> None:
    quotes = {pair.true: supported(pair.true, pair, opinion) for pair in PAIRS}
    lost = [claim for claim, quote in quotes.items() if quote is None]
    assert len(lost) <= MOST_WRONG * len(PAIRS), lost
    assert all(quotes[pair.true] is None or quotes[pair.true] in pair.passage for pair in PAIRS)


def test_false_claims_are_not(opinion: Opinion) -> None:
    passed = [pair.false for pair in PAIRS if supported(pair.false, pair, opinion)]
    assert len(passed) <= MOST_WRONG * len(PAIRS), passed


def named() -> list[Pair]:
    return [p for p in PAIRS if any(n in p.true or n in p.false for n in NAMED)]


def test_another_number_or_member_of_a_series_is_never_supported(opinion: Opinion) -> None:
    assert [pair.false for pair in named() if supported(pair.false, pair, opinion)] == []


@pytest.mark.xfail(
    reason="a unit said otherwise (860名, 八百六十人) can cost a true claim its support"
)
def test_a_number_in_another_form_is_supported(opinion: Opinion) -> None:
    assert [pair.true for pair in named() if not supported(pair.true, pair, opinion)] == []


ZH, EN = reading_pack("zh"), reading_pack("en")
FATHER = "沈云舟的父亲是谁?"
TEXTS = [
    "临江位于东海道。临江的人口约三十万，面积1200平方公里。",
    "沈云舟字子渡。他的父亲是沈怀远，母亲不详。1432年，他生于临江。",
    "Shen Yunzhou was born in Linjiang in 1432. He never married.",
]


@pytest.mark.parametrize(
    ("claim", "text", "quote"),
    [
        ("沈云舟的父亲是沈怀远。", TEXTS[1], "他的父亲是沈怀远，母亲不详。"),
        ("沈怀远", TEXTS[1], "他的父亲是沈怀远，母亲不详。"),
        ("沈怀远。", TEXTS[0], None),
        ("陆九思。", TEXTS[1], None),
        ("他生于1433年。", TEXTS[1], None),
        ("他的父亲不是沈怀远。", "他的父亲是沈怀远。", None),
        pytest.param(
            "他字子渡，父亲是沈怀远。",
            TEXTS[1],
            "沈云舟字子渡。他的父亲是沈怀远，母亲不详。",
            marks=pytest.mark.xfail(reason="more than was asked counts against a claim"),
        ),
        ("。", TEXTS[1], None),
    ],
)
def test_the_quote_that_bears_it_out(
    claim: str, text: str, quote: str | None, opinion: Opinion
) -> None:
    assert support(claim, FATHER, text, ZH, "沈云舟", opinion) == quote


def test_support_in_english() -> None:
    where = "Where was Shen Yunzhou born?"
    assert support("He was born in Linjiang.", where, TEXTS[2], EN, "Shen Yunzhou")
    assert support("He was born in Shanghai.", where, TEXTS[2], EN, "Shen Yunzhou") is None
    assert support("He was not born in Linjiang.", where, "He was born in Linjiang.", EN) is None


def test_the_opinion_of_a_reader_counts() -> None:
    text = "沈怀远与柳如烟同年到达临江。"
    claimed = Claimed("沈怀远", "谁与柳如烟同年到达临江?", "zh", support_lexicon("zh"))

    def score(span: str | None, odds: float) -> float:
        [(_, features)] = candidates(claimed, text, "", lambda *_: (span, odds))
        return support_lexicon("zh").score(features)

    assert score("沈怀远", 5.0) > score(None, 0.0) > score("沈怀远", -5.0)
    assert score("沈怀远", 5.0) > score("陆九思", 5.0)
