import pytest

from kg_builder.matching import Names, gold_of, matches
from kg_builder.matching.normalise import plain
from kg_builder.matching.surroundings import EDGE, INSIDE, JOINED, NAME, NOUN, WORD, around


@pytest.mark.parametrize(
    ("text", "name", "left", "right"),
    [
        ("作者是李白写的", "李白", WORD, WORD),
        ("印度尼西亚", "印度", EDGE, INSIDE),
        ("巴布亚新几内亚", "几内亚", INSIDE, EDGE),
        ("南苏丹", "苏丹", NAME, EDGE),
        ("清华大学附属中学", "清华大学", EDGE, NOUN),
        ("北京市", "北京", EDGE, EDGE),
        ("It is New Mexico.", "mexico", NAME, EDGE),
        ("It is Apple Records", "apple", WORD, NAME),
        ("the capital, Lima, is", "lima", EDGE, EDGE),
    ],
)
def test_what_stands_beside_a_name(text: str, name: str, left: int, right: int) -> None:
    start = plain(text).find(name)
    found = around(plain(text), text, start, start + len(name))
    assert (found.left, found.right) == (left, right)


def test_another_given_name_joins() -> None:
    text = plain("乔治·沃克·布什")
    assert around(text, text, 6, 8, plain("乔治·布什")).left == JOINED
    assert around(text, text, 6, 8, plain("布什")).left == WORD


def test_of_two_known_names_the_longer_one_is_meant() -> None:
    gold = gold_of("阿图什", answer_type="place")
    assert matches("上阿图什镇", gold, names=Names(["上阿图什镇"])).verdict != "right"
    known = Names(["阿图什市"])
    same = gold_of("阿图什市", answer_type="place")
    assert matches("阿图什市", same, names=known).verdict == "right"
