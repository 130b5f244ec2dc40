from kg_builder.question import Question
from training.question_prior import BOUND, fit_question_prior, terms
from training.selective import balanced_threshold


def test_what_a_model_knows_by_kind_is_told_from_the_words(questions: list[Question]) -> None:
    known = {q.id: q.relation == "capital" for q in questions if q.split == "train"}
    prior = fit_question_prior(questions, known)
    assert prior is not None
    assert prior.n == len(known)
    others = [q for q in questions if q.split != "train"]
    capitals = [prior.log_odds(q.text) for q in others if q.relation == "capital"]
    fathers = [prior.log_odds(q.text) for q in others if q.relation == "father"]
    assert min(capitals) > 0 > max(fathers)
    assert abs(prior.log_odds("")) <= BOUND
    assert type(prior).model_validate_json(prior.model_dump_json()) == prior


def test_where_all_is_known_there_is_nothing_to_tell(questions: list[Question]) -> None:
    assert fit_question_prior(questions, {q.id: True for q in questions}) is None


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
