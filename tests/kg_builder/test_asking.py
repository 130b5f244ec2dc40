from kg_builder.asking import (
    CHANGING,
    GIVEN_AWAY,
    HELD_OUT,
    NO_OBJECT_NAME,
    NO_SUBJECT_NAME,
    QuestionSettings,
    build_questions,
)
from kg_builder.fact import Entity, Fact, Object
from kg_builder.graph import Graph, load_embedded
from kg_builder.passages import build_passages
from kg_builder.phrasing import gives_away
from kg_builder.relation import Catalogue, Relation
from kg_builder.splits import LEAK, Shares, split_of

CATALOGUE = Catalogue(
    Relation.model_validate(
        {
            "id": identity,
            "zh": zh,
            "en": identity,
            "values": values,
            "answer": answer,
            "zh_questions": [
                "{s}的Z是?".replace("Z", zh),
                "谁知道{s}的Z?".replace("Z", zh),
                "{s}Z?",
            ],
            "en_questions": ["What is {s}'s thing?", "the thing of {s}?"],
            "zh_statements": ["{s}的Z是{o}".replace("Z", zh), "{o}是{s}的Z".replace("Z", zh)],
            "en_statements": ["The thing of {s} is {o}"],
        }
    )
    for identity, zh, values, answer in (
        ("capital", "首都", "one", "place"),
        ("country", "所属国家", "one", "place"),
        ("currency", "货币", "many", "thing"),
        ("president", "总统", "changing", "person"),
    )
)


def thing(zh: str, en: str = "", *aliases: str, popularity: float | None = None) -> Entity:
    labels = {"zh": zh, "en": en} if en else {"zh": zh}
    return Entity.model_validate(
        {"id": zh, "labels": labels, "aliases": {"zh": aliases}, "popularity": popularity}
    )


FRANCE = thing("法国", "France", "法兰西", popularity=5)
PARIS = thing("巴黎", "Paris")
ODD = thing("巴拿马", "", popularity=4)


def fact(subject: Entity, relation: str, *objects: Entity) -> Fact:
    bare = tuple(Object(**one.model_dump(exclude={"popularity"})) for one in objects)
    return Fact(subject_id=subject.id, relation_id=relation, objects=bare, source="test")


def graph(*facts: Fact) -> Graph:
    return Graph([FRANCE, PARIS, ODD], facts, "test")


def test_a_fact_becomes_a_question() -> None:
    (question,) = build_questions(graph(fact(FRANCE, "capital", PARIS)), CATALOGUE, "zh").questions
    assert question.text == "法国的首都是?"
    assert set(question.paraphrases) == {"谁知道法国的首都?", "法国Z?"}
    assert question.topic == "法国的首都"
    assert question.gold.objects == (("巴黎", "Paris"),)
    assert question.gold.answer_type == "place"
    assert (question.subject_id, question.popularity, question.source) == ("法国", 5, "test")
    assert question.split == split_of("法国")


def test_both_languages_share_subject_and_split() -> None:
    facts = graph(fact(FRANCE, "capital", PARIS))
    (english,) = build_questions(facts, CATALOGUE, "en").questions
    (chinese,) = build_questions(facts, CATALOGUE, "zh").questions
    assert english.text == "What is France's thing?"
    assert english.paraphrases == ("The thing of France?",)
    assert english.gold.objects == (("Paris", "巴黎"),)
    assert (english.subject_id, english.split) == (chinese.subject_id, chinese.split)
    assert english.id != chinese.id


def test_what_cannot_be_asked_fairly_is_dropped_and_counted() -> None:
    euro, mint = thing("欧元"), thing("巴拿马城", "Panama City")
    facts = graph(
        fact(FRANCE, "president", thing("甲", "A")),
        fact(ODD, "capital", mint),
        fact(FRANCE, "currency", euro),
        fact(FRANCE, "country", thing("法国人", "the France of old")),
    )
    report = build_questions(facts, CATALOGUE, "en").report
    assert report.dropped.counts == {
        CHANGING: 1,
        NO_SUBJECT_NAME: 1,
        NO_OBJECT_NAME: 1,
    }
    assert report.questions == 1
    assert report.dropped.samples[NO_SUBJECT_NAME] == ["巴拿马 | capital | Panama City"]
    asked = build_questions(
        facts, CATALOGUE, "en", settings=QuestionSettings(include_changing=True)
    )
    assert asked.report.questions == 2


def test_the_answer_in_the_question() -> None:
    facts = graph(fact(ODD, "country", thing("巴拿马")))
    assert build_questions(facts, CATALOGUE, "zh").report.dropped.counts == {GIVEN_AWAY: 1}
    assert gives_away("北京的简称是?", "京")
    assert not gives_away("What is the symbol of carbon?", "C")
    assert gives_away("Who founded Ford Motor?", "ford")
    assert not gives_away("philosophical", "philosophy")


def test_a_reverse_fact_in_another_split_is_dropped_from_the_lower_split() -> None:
    pairs = [(a, b) for a, b in zip(range(40), range(40, 80), strict=True)]
    things = [thing(f"物{number:02}") for number in range(80)]
    facts = [fact(things[a], "capital", things[b]) for a, b in pairs]
    facts += [fact(things[b], "country", things[a]) for a, b in pairs]
    result = build_questions(Graph(things, facts), CATALOGUE, "zh")
    apart = [(a, b) for a, b in pairs if split_of(things[a].id) != split_of(things[b].id)]
    assert result.report.dropped.counts == {LEAK: len(apart)}
    assert apart
    where = {(q.subject_id, q.gold.text): q.split for q in result.questions}
    for subject, answer in where:
        assert where.get((answer, subject), where[subject, answer]) == where[subject, answer]


def test_adding_facts_moves_nothing() -> None:
    few = graph(fact(FRANCE, "capital", PARIS))
    more = graph(fact(FRANCE, "currency", thing("欧元")), fact(FRANCE, "capital", PARIS))
    (before,) = build_questions(few, CATALOGUE, "zh").questions
    assert before in build_questions(more, CATALOGUE, "zh").questions


def test_held_out_relations_are_asked_in_the_test_split_only() -> None:
    things = [thing(f"物{number}") for number in range(60)]
    facts = [
        fact(one, relation, thing(f"值{number}{relation}"))
        for number, one in enumerate(things)
        for relation in ("capital", "country", "currency")
    ]
    settings = QuestionSettings(
        held_out_share=0.4, shares=Shares(train=0.5, calibration=0, test=0.5)
    )
    for seed in range(20):
        result = build_questions(Graph(things, facts), CATALOGUE, "zh", seed, settings)
        if 0 < len(result.report.held_out) < 3:
            break
    asked = {q.relation for q in result.questions if q.split == "train"}
    assert asked == {"capital", "country", "currency"} - set(result.report.held_out)
    assert result.report.dropped.counts[HELD_OUT] > 0
    assert {q.relation for q in result.questions if q.split == "test"} >= asked


def test_the_seed_turns_the_paraphrases_and_nothing_else() -> None:
    facts = graph(fact(FRANCE, "capital", PARIS))
    orders = {build_questions(facts, CATALOGUE, "zh", seed).questions[0].paraphrases
              for seed in range(12)}  # fmt: skip
    assert len(orders) == 2
    assert len({build_questions(facts, CATALOGUE, "zh", s).questions[0].id for s in (1, 2)}) == 1


def test_an_empty_graph_gives_no_questions() -> None:
    result = build_questions(Graph([], []), CATALOGUE, "zh")
    assert (result.questions, result.report.questions) == ((), 0)
    assert build_passages(Graph([], []), CATALOGUE, "zh") == []


def test_passages_tell_all_facts_of_an_entity() -> None:
    facts = graph(
        fact(FRANCE, "capital", PARIS), fact(FRANCE, "currency", thing("欧元"), thing("法郎"))
    )
    (passage,) = build_passages(facts, CATALOGUE, "zh")
    assert passage.title == "法国"
    assert passage.url == "kg://test/%E6%B3%95%E5%9B%BD"
    assert passage.entities == ("法国", "巴黎")
    sentences = passage.text.split("。")
    assert sentences[0] in ("法国的首都是巴黎", "巴黎是法国的首都")
    assert "欧元、法郎" in sentences[1]
    assert sentences[2] == "法国又称法兰西"
    (english,) = build_passages(facts, CATALOGUE, "en")
    assert english.text == "The thing of France is Paris."  # the currencies have no English names


def test_the_embedded_graph_gives_questions_in_both_languages() -> None:
    embedded, catalogue = load_embedded(), Catalogue.load()
    for language in ("zh", "en"):
        result = build_questions(embedded, catalogue, language)
        assert result.report.questions + result.report.dropped.total == len(embedded)
        assert len({question.id for question in result.questions}) == len(result.questions)
