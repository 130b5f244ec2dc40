import itertools

import pytest

from kg_builder.relation import Catalogue
from retrieval.wording import WordingTable, ask_keys, asked_type, sentence_key, subject_key


@pytest.fixture(scope="module")
def table() -> WordingTable:
    return WordingTable(Catalogue.load())


def readings(table: WordingTable, question: str) -> set[tuple[str, str]]:
    return {(a.relation, a.subject.rstrip("?.")) for a in table.ask(question)}


@pytest.mark.parametrize(
    "question",
    [
        "沈云舟的父亲是?",
        "请问沈云舟的父亲是谁？",
        "你知道沈雲舟的父親是誰吗",
        "告诉我,谁是沈云舟的父亲",
    ],
)
def test_wordings_politeness_and_script(table: WordingTable, question: str) -> None:
    assert ("father", "沈云舟") in readings(table, question)


def test_every_wording_of_the_catalogue_is_read(table: WordingTable) -> None:
    for relation in Catalogue.load():
        for wordings, names in (
            (relation.zh_questions, ("沈云舟", "《怎么办？》", "C.罗")),
            (relation.en_questions, ("Ann Lee", "Arsenal F.C.", "What Is to Be Done?")),
        ):
            for wording, name in itertools.product(wordings, names):
                question = wording.replace("{s}", name)
                assert (relation.id, subject_key(name).rstrip("?.")) in readings(table, question), (
                    question
                )


def test_every_statement_of_the_catalogue_is_found(table: WordingTable) -> None:
    for relation in Catalogue.load():
        for wordings, subject, thing, stop in (
            (relation.zh_statements, "沈云舟", "碧落", "。"),
            (relation.en_statements, "Ann Lee", "Green Hill", "."),
        ):
            for wording in wordings:
                sentence = wording.replace("{s}", subject).replace("{o}", thing)
                text = sentence_key(sentence + stop)
                told = table.tell(text, subject_key(subject))
                found = [text[t.start : t.end] for t in told if relation.id in t.relations]
                assert found == [thing.lower()], sentence


def test_names_that_look_like_politeness(table: WordingTable) -> None:
    assert ("located_in_province", "那曲") in readings(table, "那曲在哪个省?")
    assert ask_keys("那么,那曲呢?")[-1] == "那曲"


def test_articles_do_not_hide_a_subject(table: WordingTable) -> None:
    assert ("capital", "united states") in readings(
        table, "What is the capital of the United States?"
    )
    told = table.tell(
        sentence_key("The capital of the United States is Washington, D.C.."), "united states"
    )
    assert {r for t in told for r in t.relations} >= {"capital"}


def test_the_wording_with_more_words_wins(table: WordingTable) -> None:
    sentence = sentence_key("“相看两不厌”是《独坐敬亭山》中的名句。")
    (told,) = table.tell(sentence, "相看两不厌")
    assert told.relations == {"famous_line_source"}
    assert sentence[told.start : told.end] == "独坐敬亭山"


@pytest.mark.parametrize(
    ("question", "relation"),
    [
        ("沈云舟的爸爸是谁", "father"),
        ("沈云舟他老爸叫什么名字", "father"),
        ("沈云舟的父亲的老婆是谁", None),  # two steps
        ("沈云舟的老婆是谁", "spouse"),
        ("沈云舟出生于哪一年的", "birth_year"),
        ("沈云舟多高", "height"),
        ("沈云舟的体重", None),
        ("沈云舟今天吃了什么", None),
        ("沈云舟是个怎样的人", None),
    ],
)
def test_nearest_wordings(table: WordingTable, question: str, relation: str | None) -> None:
    assert table.ask(question) == [], "it is one of the catalogue's wordings"
    found = [asked.relation for asked in table.ask(question, ["沈云舟"])]
    assert (relation in found) if relation else not found
    assert all(asked.similarity < 1 for asked in table.ask(question, ["沈云舟"]))


def test_an_interrogative_rules_out_other_kinds_of_answer(table: WordingTable) -> None:
    assert asked_type("沈云舟出生于哪一年") == "date"
    assert asked_type("how many people") == "number"
    assert asked_type("是什么") is None
    for question in ("沈云舟生于何地呀", "沈云舟的出生地究竟在哪里"):
        found = [table.answer_type(a.relation) for a in table.ask(question, ["沈云舟"])]
        assert "date" not in found


@pytest.mark.parametrize("question", ["", "?", "。。。", "的", "是谁", "x" * 5000])
def test_nothing_is_read_into_nothing(table: WordingTable, question: str) -> None:
    assert table.ask(question) == []
