import pytest

from kg_builder.question import Question
from training.generation import Generation
from training.knowledge import fit_knowledge, terms
from training.selective import balanced_threshold


def said(logprob: float) -> Generation:
    return Generation(
        text="x",
        token_logprobs=(logprob, logprob),
        token_entropies=(-logprob, -logprob),
        token_margins=(0.5, 0.5),
    )


def test_kind_and_certainty_tell_what_is_known(questions: list[Question]) -> None:
    known = {q.id: q.relation == "capital" for q in questions if q.split == "train"}
    answers = {q.id: said(-1.0) for q in questions}
    score = fit_knowledge(questions, answers, known)
    assert score is not None
    assert score.n == len(known)
    others = [q for q in questions if q.split != "train"]
    odds = {q.id: score.log_odds(q.text, answers[q.id]) or 0.0 for q in others}
    capitals = [odds[q.id] for q in others if q.relation == "capital"]
    assert min(capitals) > max(odds[q.id] for q in others if q.relation == "father")
    assert type(score).model_validate_json(score.model_dump_json()) == score
    assert (
        score.log_odds("?", Generation(text="x")) is None
    )  # an engine that tells no probabilities

    # Where the words tell nothing, the certainty does.
    known = {q.id: i % 2 == 0 for i, q in enumerate(questions)}
    answers = {q.id: said(-0.1 if known[q.id] else -2.0) for q in questions}
    score = fit_knowledge(questions, answers, known)
    assert score is not None
    sure, unsure = (score.log_odds("谁?", said(p)) for p in (-0.1, -2.0))
    assert sure is not None
    assert sure > (unsure or 0.0)


@pytest.mark.parametrize("known", [True, False])
def test_where_all_is_alike_there_is_nothing_to_tell(
    questions: list[Question], known: bool
) -> None:
    answers = {q.id: said(-1.0) for q in questions}
    assert fit_knowledge(questions, answers, {q.id: known for q in questions}) is None


def test_terms_are_words_pairs_and_openings_of_both_languages() -> None:
    assert {"who", "who wrote", "^who wrote hamlet"} <= terms("Who wrote Hamlet?")
    assert {"首", "首 都", "^法 国 的"} <= terms("法国的首都是?")


def test_a_balanced_threshold_weighs_right_and_wrong_alike() -> None:
    confidence = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    right = [True, False, True, False, False, False]
    # At .7 both right ones and one of four wrong ones: 1 / (1 + 1/4).
    assert balanced_threshold(confidence, right, 0.8) == 0.7
    assert balanced_threshold(confidence, right, 0.81) == 0.9
    assert balanced_threshold([0.5, 0.5], [True, False], 0.6) is None
    assert balanced_threshold([0.5], [True], 0.5) is None
