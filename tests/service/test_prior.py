from __future__ import annotations

from service.prior import Prior, features


def test_features_are_bigrams_in_chinese_and_words_in_english() -> None:
    assert features("法国首都?") == {"法国", "国首", "首都"}
    assert features("Who wrote Hamlet?") == {"who", "wrote", "hamlet"}
    assert features("") == set()


def test_it_says_nothing_before_it_has_seen_enough() -> None:
    prior = Prior()
    for n in range(19):
        prior.learn(f"{n}的父亲是谁?", known=False)
    assert not prior.looks_unknown("20的父亲是谁?")


def test_it_learns_what_is_not_known() -> None:
    prior = Prior()
    for n in range(60):
        prior.learn(f"第{n}号村的村长是谁?", known=False)
        prior.learn(f"第{n}号国的首都是哪里?", known=True)
    assert prior.looks_unknown("第99号村的村长是谁?")
    assert not prior.looks_unknown("第99号国的首都是哪里?")


def test_a_new_bundle_is_learnt_in_time() -> None:
    prior = Prior()
    for n in range(30_000):
        prior.learn(f"村长{n}", known=False)
        prior.learn("首都是哪里", known=True)
    for _ in range(60_000):
        prior.learn("村长是谁", known=True)
    assert not prior.looks_unknown("村长是谁")
