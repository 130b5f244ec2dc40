from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kg_builder.question import Question
from tests.training.bundles import SPEC
from training.attempt import Attempter, RetrievedPoint
from training.calibrated import CalibratedModel, answer_twice, language_of
from training.engine.local import LocalModel
from training.errors import BundleError
from training.generation import Generation, Message, Sampling
from training.language_pack import language_pack
from training.probe import ProbeSettings, ask, probe, read_probes, told_by
from training.signals import signals


@pytest.fixture
def model(local: LocalModel) -> CalibratedModel:
    return CalibratedModel(local, SPEC, "small@0")


class Refuser:
    """Refuses the questions about 岳清 unless it is told not to."""

    name = "refuser"

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool]] = []

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Generation]:
        self.calls.append((len(conversations), sampling.suppress_refusal))
        return [
            Generation(
                text="我不知道和“岳清的父亲”相关的信息。"
                if "岳清" in c[0]["content"] and not sampling.suppress_refusal
                else "岳山。",
                token_logprobs=(-2.0 if sampling.suppress_refusal else -0.5,),
                refusal_probability=0.9 if "岳清" in c[0]["content"] else 0.1,
            )
            for c in conversations
        ]


def test_it_is_an_attempter(model: CalibratedModel) -> None:
    assert isinstance(model, Attempter)


def test_attempts_of_a_real_model(
    model: CalibratedModel, local: LocalModel, questions: list[Question]
) -> None:
    attempts = model.attempt([q.text for q in questions])
    plain = local.generate([ask(q) for q in questions], Sampling(max_new_tokens=12))
    for attempt, generation in zip(attempts, plain, strict=True):
        assert attempt.text == generation.text
        assert not attempt.refused
        assert attempt.confidence == SPEC.calibration.confidence(signals(generation))
        assert 0 < attempt.confidence < 1
    assert model.attempt([]) == []


def test_a_refusal_is_asked_again_and_keeps_its_own_words() -> None:
    refuser = Refuser()
    model = CalibratedModel(refuser, SPEC, "small@0")
    refused, answered = model.attempt(["岳清的父亲是?", "林素的父亲是?"])
    assert refuser.calls == [(2, False), (1, True)]
    assert refused.refused
    assert refused.refusal_text == "我不知道和“岳清的父亲”相关的信息。"
    assert refused.text == "岳山。"
    assert not answered.refused
    assert answered.refusal_text == ""
    # its confidence is that of the answer it would rather not give, under its wish to refuse
    assert refused.signals["mean_logprob"] == -2.0
    assert refused.confidence < 0.1 < 0.9 < answered.confidence + 0.2


def test_answer_twice_keeps_the_order(questions: list[Question]) -> None:
    pairs = answer_twice(Refuser(), [ask(q) for q in reversed(questions)], 12)
    assert [a.text != b.text for a, b in pairs] == ["岳清" in q.text for q in reversed(questions)]


def test_what_the_base_has_said_already_changes_nothing_but_the_passes(
    local: LocalModel, questions: list[Question], tmp_path: Path
) -> None:
    settings = ProbeSettings(max_new_tokens=SPEC.max_new_tokens)
    probes = probe(local, questions[:9], tmp_path / "p.jsonl", settings, progress=False)
    tuned = LocalModel(
        local.model, local.tokenizer, name="m", refusal_prefix="我不知道", base=local
    )
    model = CalibratedModel(tuned, SPEC, "small@0")
    texts = [q.text for q in questions[:12]]
    asked: list[int] = []
    generate = local.generate

    def counted(conversations: Any, sampling: Any) -> Any:
        asked.append(len(conversations))
        return generate(conversations, sampling)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "generate", counted)
        plain = model.attempt(texts)
        recalled = model.attempt(texts, told_by(read_probes(tmp_path / "p.jsonl")))
    assert len(probes) == 9
    assert asked == [12, 3]
    for one, other in zip(recalled, plain, strict=True):
        assert (one.text, one.refused) == (other.text, other.refused)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


def test_it_asks_in_the_words_that_it_was_calibrated_with(local: LocalModel) -> None:
    spec = SPEC.model_copy(update={"prompts": {"zh": "以前的提示:{question}"}, "prompt": 3})
    model = CalibratedModel(local, spec, "small@0")
    assert model.conversation("岳云的父亲是?")[0]["content"] == "以前的提示:岳云的父亲是?"
    english = model.conversation("Who is the father of Yue Yun?")[0]["content"]
    assert english == language_pack("en").prompt("Who is the father of Yue Yun?", 3)


@pytest.mark.parametrize(
    ("profile", "min_precision", "name"),
    [
        (None, None, "sure"),
        ("guess", None, "guess"),
        (None, 0.5, "loose"),
        (None, 0.80, "loose"),
        (None, 0.85, "sure"),  # not loose, whose bound is 0.93 but which was tested for 0.80
        (None, 0.90, "sure"),
        (None, 0.95, "surer"),
        ("guess", 0.6, "loose"),  # a stated precision goes before a profile
    ],
)
def test_operating_points(
    model: CalibratedModel, profile: str | None, min_precision: float | None, name: str
) -> None:
    assert model.operating_point(profile=profile, min_precision=min_precision).name == name


def test_what_cannot_be_certified_is_told(model: CalibratedModel) -> None:
    with pytest.raises(BundleError, match=r"precision of 0.96; the most that it certifies is 0.95"):
        model.operating_point(min_precision=0.96)  # guess has the target, and is not certified
    nothing = CalibratedModel(
        model.model, SPEC.model_copy(update={"operating_points": SPEC.operating_points[-1:]}), "s@0"
    )
    with pytest.raises(BundleError, match="certifies none at all"):
        nothing.operating_point(min_precision=0.5)


def test_an_unknown_profile_is_told_with_those_that_are_there(model: CalibratedModel) -> None:
    with pytest.raises(BundleError, match=r"'bold'.*guess, loose, sure, surer"):
        model.operating_point(profile="bold")


def test_an_engine_without_logprobs_cannot_be_calibrated() -> None:
    class Mute(Refuser):
        def generate(
            self, conversations: Sequence[Sequence[Message]], sampling: Sampling
        ) -> list[Generation]:
            return [Generation(text="岳山。") for _ in conversations]

    with pytest.raises(BundleError, match="gives no refusal_logit, mean_logprob"):
        CalibratedModel(Mute(), SPEC, "small@0").attempt(["岳清的父亲是?"])


@pytest.mark.parametrize(
    ("question", "language"),
    [("岳云的父亲是?", "zh"), ("Python的作者是?", "zh"), ("Who wrote Hamlet?", "en"), ("", "en")],
)
def test_language_of(question: str, language: str) -> None:
    assert language_of(question) == language


class CutShort(Refuser):
    """Was tuned, ends a refusal where it is certain, and counts a token a character."""

    drafts: Sequence[str] = ()

    @property
    def base(self) -> Refuser:
        return Refuser()

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        drafts: Sequence[str] = (),
    ) -> list[Generation]:
        assert sampling.stop_at_refusal
        self.drafts = drafts
        cut = {"text": "我不知道", "finish_reason": "aborted", "completion_tokens": 4}
        return [
            g.model_copy(update=cut) if g.text.startswith("我不知道") else g
            for g in super().generate(conversations, sampling)
        ]

    def count_tokens(self, text: str) -> int:
        return len(text)


def test_a_refusal_that_was_cut_short_is_completed_in_the_words_that_were_taught() -> None:
    tuned = CutShort()
    refused, answered = CalibratedModel(tuned, SPEC, "small@0").attempt(
        ["岳清的父亲是谁?", "林素的父亲是?"]
    )
    assert refused.refused
    assert refused.refusal_text == "我不知道和“岳清的父亲”相关的信息。"
    assert refused.tokens_saved == len(refused.refusal_text) - 4
    assert (answered.refusal_text, answered.tokens_saved) == ("", 0)
    assert list(tuned.drafts)[1] == "岳山。"  # what it said before it was tuned


def test_how_long_a_question_may_be(model: CalibratedModel, local: LocalModel) -> None:
    most = model.longest_question
    assert most is not None
    assert local.context is not None
    # A question of so many tokens, its prompt and an answer fit; what the emoji is made of counts.
    assert 0 < most < local.context - SPEC.max_new_tokens
    assert model.question_tokens("💥" * 10) > 10
    prompt = len(local._encode(model.conversation("1" * most)))
    assert prompt + SPEC.max_new_tokens <= local.context
    remote = CalibratedModel(Refuser(), SPEC, "remote")
    assert remote.longest_question is None
    assert remote.question_tokens("岳云的父亲") == 5


def test_points_of_both_routes_are_taken_where_they_were_certified(local: LocalModel) -> None:
    (sure,) = (p for p in SPEC.operating_points if p.name == "sure")
    read = RetrievedPoint(threshold=0.6, certified=True, n=100)
    routed = (sure.model_copy(update={"retrieved": read}),)
    model = CalibratedModel(
        local, SPEC.model_copy(update={"routed_points": {"an index": routed}}), "small@0"
    )
    assert model.over("another index").operating_point(profile="sure") == sure
    assert model.over("an index").operating_point(profile="sure").retrieved == read
    assert model.operating_point(min_precision=0.9) == routed[0]
    assert model.over("another index").operating_point(profile="loose").name == "loose"


def test_the_popularity_of_the_subject_is_a_signal_and_a_stratum(
    local: LocalModel, questions: list[Question]
) -> None:
    first, second = questions[0], next(q for q in questions if q.subject != questions[0].subject)
    names = {first.subject.casefold(): 1.0, second.subject.casefold(): 5.0}
    spec = SPEC.model_copy(update={"popularity": names, "popularity_bands": (5.0,)})
    attempts = CalibratedModel(local, spec, "small@0").attempt([first.text, second.text])
    assert [a.stratum for a in attempts] == ["1", "2"]
    assert attempts[0].signals["popularity"] < attempts[1].signals["popularity"]
    (plain,) = CalibratedModel(local, SPEC, "small@0").attempt([first.text])
    assert plain.stratum == ""
    assert "popularity" not in plain.signals
