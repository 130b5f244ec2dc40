from kg_builder.matching import REASONS, gold_of, matches
from kg_builder.question import Gold


def test_the_reason_says_why():
    gold = Gold(objects=(("岳飞", "岳鹏举"),), answer_type="person")
    assert matches("岳鹏举", gold)[:3] == ("right", "named", "岳 鹏 举")
    assert matches("不是岳飞", gold).reason == "negated"
    assert matches("岳飞或秦桧", gold).reason == "hedged"
    assert matches("我不知道", gold).reason == "declined"
    assert matches("秦桧", gold).reason == "absent"
    assert matches("", gold).reason == "empty"
    assert {"named", "negated", "hedged", "declined", "absent", "empty"} <= set(REASONS)


def test_all_objects_where_all_are_needed():
    gold = gold_of(["长江", "黄河"], need_all=True)
    assert matches("长江和黄河", gold).verdict == "right"
    assert matches("长江", gold)[:2] == ("wrong", "incomplete")
    assert matches("珠江", gold).reason == "absent"


def test_a_name_late_in_a_long_answer_is_an_aside():
    gold = gold_of("Lyon")
    long = "The capital of France is Paris, a city on the river Seine. " * 6
    assert matches(long + "Another city is Lyon.", gold).reason == "aside"
    assert matches("It is Lyon. " + long, gold).verdict == "right"


def test_the_finer_date_of_a_gold_decides():
    gold = gold_of(["1945", "17 August 1945"])
    assert matches("in 1945", gold).verdict == "right"
    assert matches("on August 17, 1945", gold).verdict == "right"
    assert matches("on September 2, 1945", gold).verdict == "wrong"


def test_what_the_question_denies_the_answer_does_not():
    question = "Which year did the team not take part?"
    assert (
        matches("They did not take part in 1980.", gold_of("1980"), question=question).verdict
        == "right"
    )
    assert matches("They did not take part in 1980.", gold_of("1980")).verdict == "wrong"


def test_a_list_of_guesses_is_no_answer():
    fish = "罗非鱼、石斑鱼、鲈鱼、鲤鱼、鲫鱼"
    assert matches(fish, gold_of("罗非鱼")).reason == "listed"
    assert matches(fish, gold_of(["罗非鱼", "石斑鱼", "鲈鱼", "鲤鱼", "鲫鱼"])).verdict == "right"
    lines = "Some are:\n1. Angola\n2. Benin\n3. Chad\n4. Egypt"
    assert matches(lines, gold_of(["Angola", "Benin", "Chad", "Egypt"])).verdict == "right"


def test_a_date_is_no_list():
    answer = "It opened on April 14, 2019, in Paris, France, and closed on May 19, 2019."
    assert matches(answer, gold_of("April 14, 2019")).verdict == "right"
