from __future__ import annotations

import math

import pytest

from tests.training.test_mix import world
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.generation import Generation
from training.language_pack import is_refusal, language_pack
from training.methods import ik_labels, natural_mix, r_tuning_examples, sureness
from training.mix import MixSettings
from training.probe import Probe

PACK = language_pack("zh")


def said(question_id: str, greedy: str, *samples: str) -> Probe:
    return Probe(
        question_id=question_id,
        greedy=Generation(text=greedy),
        samples=tuple(Generation(text=text) for text in samples),
    )


def test_the_ik_threshold_is_held_against_the_samples() -> None:
    questions, _ = world({"父亲": 1}, {"父亲": 2})
    gold = [q.gold.text for q in questions]
    probes = [
        said(questions[0].id, gold[0], *[gold[0]] * 6, *["某某"] * 4),
        said(questions[1].id, "某某", "某某", gold[1], *["某某"] * 8),
        said(questions[2].id, gold[2], *["某某"] * 10),
    ]

    def known(threshold: float) -> list[bool | None]:
        return [one.known for one in ik_labels(questions, probes, threshold)]

    assert known(0.1) == [True, True, False]
    assert known(0.5) == [True, False, False]
    assert known(0.7) == [False, False, False]
    second = ik_labels(questions, probes, 0.1)[1]
    assert (second.answer, second.p_correct) == (
        gold[1],
        0.1,
    )  # a right sample, not the greedy answer
    with pytest.raises(ValueError, match="no samples"):
        ik_labels(questions[:1], [said(questions[0].id, gold[0])], 0.5)


def test_the_natural_mix_keeps_the_ratio_in_which_they_occur() -> None:
    questions, labels = world({"父亲": 60, "首都": 0}, {"父亲": 0, "首都": 30})
    examples = natural_mix(questions, labels, 45, MixSettings())
    assert len(examples) == pytest.approx(45, abs=1)
    assert sum(e.known for e in examples) == pytest.approx(30, abs=1)
    with pytest.raises(TrainingError, match="unknown"):
        natural_mix(*world({"父亲": 3}, {}), 10, MixSettings())


def test_r_tuning_teaches_every_right_answer_and_how_sure_to_be() -> None:
    questions, labels = world({"父亲": 5}, {"父亲": 5})
    by_id = {q.id: q for q in questions}
    examples = r_tuning_examples(questions, labels, 8)
    assert len({e.question_id for e in examples}) == 8
    for example in examples:
        gold = by_id[example.question_id].gold.text
        assert example.completion == f"{gold}。{PACK.sure if example.known else PACK.unsure}"
        assert not is_refusal(example.completion)  # it is an answer, whatever it says of itself
    assert r_tuning_examples(questions, list(reversed(labels)), 8) == examples


def test_sureness_is_the_statements_own_probability(local: LocalModel) -> None:
    def generated(text: str, *last: float, finish: str = "stop") -> Generation:
        return Generation(
            text=text,
            token_logprobs=(-3.0, *last),
            finish_reason=finish,  # type: ignore[arg-type]
        )

    sure = len(local.tokenizer.encode(PACK.sure, add_special_tokens=False))
    unsure = len(local.tokenizer.encode(PACK.unsure, add_special_tokens=False))
    stated = [-0.1] * sure
    text, p = sureness(local, generated(f"岳山。{PACK.sure}", *stated, 0.0), PACK)
    assert (text, p) == ("岳山。", pytest.approx(math.exp(-0.1 * sure)))
    text, p = sureness(local, generated(f"岳山。{PACK.unsure}", *[-0.1] * unsure, 0.0), PACK)
    assert (text, p) == ("岳山。", pytest.approx(1 - math.exp(-0.1 * unsure)))
    cut = generated(f"岳山。{PACK.sure}", *stated, finish="length")  # no end token
    assert sureness(local, cut, PACK)[1] == pytest.approx(math.exp(-0.1 * sure))
    assert sureness(local, generated("岳山。"), PACK) == ("岳山。", 0.0)
