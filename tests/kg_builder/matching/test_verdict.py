from kg_builder.matching import gold_of, matches


def test_names_negations_and_boundaries():
    assert matches("岳雲的父親是岳飛。", gold_of("岳飞")).verdict == "right"
    assert matches("不是岳飞", gold_of("岳飞")).verdict == "wrong"
    assert matches("1968", gold_of("6")).verdict == "wrong"
    assert matches("a philosophical view", gold_of("philosophy")).verdict == "wrong"
    assert matches("甲乙", gold_of(["甲", "丙"], need_all=True)).reason == "incomplete"
