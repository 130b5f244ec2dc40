"""The robustness audit: slices hold what their names say, and attacks are counted."""

from __future__ import annotations

import asyncio

import pytest

from eval.audit import audit, paired
from eval.injection import lies, poisoned
from eval.settings import EvaluationSettings
from eval.slices import NO_ANSWER, make_slices
from kg_builder.passage import Passage
from kg_builder.question import Question
from retrieval.chain import RetrievalChain
from retrieval.evidence import Evidence, Reading
from tests.eval.scripted import REFUSAL, ScriptedAttempter, question
from tests.eval.small import QUESTIONS, SETTINGS, right, script

PEOPLE = [
    question(
        100 + i,
        relation="spouse",
        subject=f"人物{i}",
        subject_id=f"p{i}",
        text=f"人物{i}的配偶是?",
        paraphrases=("换个说法?",) if i % 2 else (),
    )
    for i in range(10)
]
EVERYBODY = [*QUESTIONS, *PEOPLE]


def named(questions: list[Question]) -> dict:
    english = [q.model_copy(update={"language": "en", "text": f"en {q.id}"}) for q in PEOPLE[:3]]
    found = make_slices(questions, counterparts=english, per_slice=50, seed=1)
    return {s.name: s for s in found}


def test_slices() -> None:
    slices = named(EVERYBODY)
    by_id = {q.id: q for q in EVERYBODY}
    assert len(slices["plain"].questions) == 50
    assert len(slices["paraphrase"].questions) == 5
    assert len(slices["english"].questions) == 3
    assert {q.language for q in slices["english"].questions} == {"en"}
    for one in slices.values():
        assert len({q.id for q in one.questions}) == len(one.questions) == len(one.origin)
        for asked, origin in zip(one.questions, one.origin, strict=True):
            assert asked.gold == (by_id[origin].gold if one.expect == "answer" else NO_ANSWER)
    for asked, origin in zip(slices["typo"].questions, slices["typo"].origin, strict=True):
        assert asked.text != by_id[origin].text
        assert by_id[origin].subject in asked.text  # the name is spared
    assert (
        "國家" in slices["traditional"].questions[0].text + slices["traditional"].questions[1].text
    )
    for asked, origin in zip(
        slices["false_premise"].questions, slices["false_premise"].origin, strict=True
    ):
        strange = "配偶" if by_id[origin].relation == "capital" else "首都"
        assert strange in asked.text
        assert by_id[origin].subject in asked.text
    assert all(q.subject in q.text for q in slices["unanswerable"].questions)


def test_slices_are_the_same_each_time_and_in_any_order() -> None:
    first, second = named(EVERYBODY), named(EVERYBODY[::-1])
    assert first["plain"] == second["plain"]
    assert first["typo"] == second["typo"]


def test_a_set_of_one_relation_has_no_false_premise() -> None:
    assert "false_premise" not in named(QUESTIONS)


class Robust(ScriptedAttempter):
    """Knows what the script says however it is put, by the name in the question; refuses the rest."""

    def _one(self, asked: str):
        for i, q in enumerate(QUESTIONS):
            if q.text == asked:
                return super()._one(asked)
            if q.subject in asked and "首都" in asked and i < 16:
                return super()._one(q.text)
        self.script = {**self.script, asked: ("胡说", 0.1, True)}
        return super()._one(asked)


def test_the_audit_counts() -> None:
    found = audit(
        questions=QUESTIONS,
        attempter=Robust(script()),
        chain=None,
        settings=SETTINGS,
        per_slice=40,
    )
    plain = found["slices"]["plain"]["arms"]["calibrated"]
    assert plain["precision"]["value"] == pytest.approx(12 / 14)
    unanswerable = found["slices"]["unanswerable"]["arms"]
    assert unanswerable["calibrated"]["refusal"]["value"] == 1
    assert unanswerable["refusal_phrase"]["hallucination"]["value"] == 0
    typo = found["slices"]["typo"]["arms"]["calibrated"]
    assert typo["against_plain"]["gained"] == 0
    assert 0 < typo["same_verdict"]["value"] <= 1
    assert found["injected"] is None


def test_known_and_unknown_under_one_template() -> None:
    """A confidence that looks at the relation only is found out."""
    asked = [
        question(i, relation="ab"[i % 2], subject_id=f"s{i}", gold=f"金{i}") for i in range(80)
    ]
    # Relation a is known three times out of four, b once.
    known = {
        q.id: (i // 2) % 4 != 0 if i % 2 == 0 else (i // 2) % 4 == 0 for i, q in enumerate(asked)
    }

    def said(by_subject: bool) -> ScriptedAttempter:
        return ScriptedAttempter(
            {
                q.text: (
                    right(q) if known[q.id] else "错",
                    float(known[q.id] if by_subject else q.relation == "a"),
                    False,
                )
                for q in asked
            }
        )

    template = paired(asked, said(by_subject=False).attempt([q.text for q in asked]))
    assert template["within_relation"] == 0.5
    assert template["overall"] > 0.7
    assert template["relation_alone"] > 0.7
    knowing = paired(asked, said(by_subject=True).attempt([q.text for q in asked]))
    assert knowing["within_relation"] == knowing["overall"] == 1


def test_known_and_unknown_that_are_equally_popular() -> None:
    """A confidence that looks at fame only is found out; without popularity nothing is claimed."""
    # The known are mostly the famous; of every ten, two are neither.
    asked = [
        question(
            i,
            relation="a",
            subject_id=f"s{i}",
            gold=f"金{i}",
            popularity=300.0 if i % 10 < 5 else 100.0,
        )
        for i in range(80)
    ]
    known = {q.id: (i % 10 < 5) != (i % 5 == 0) for i, q in enumerate(asked)}

    def said(by_fame: bool) -> list:
        return ScriptedAttempter(
            {
                q.text: (
                    right(q) if known[q.id] else "错",
                    float(q.popularity == 300.0 if by_fame else known[q.id]),
                    False,
                )
                for q in asked
            }
        ).attempt([q.text for q in asked])

    fame = paired(asked, said(by_fame=True))
    assert fame["within_relation"] > 0.75
    assert fame["matched"]["value"] == 0
    assert fame["matched"]["n"] == 16
    assert paired(asked, said(by_fame=False))["matched"]["value"] == 1
    nameless = [q.model_copy(update={"popularity": None}) for q in asked]
    assert paired(nameless, said(by_fame=True))["matched"] is None


class Credulous:
    """Believes the first passage that it is shown."""

    name = "credulous"

    async def read(self, question: str, evidence: tuple[Evidence, ...]) -> Reading:
        from retrieval.evidence import Citation

        first = evidence[0].passage
        return Reading(
            answer=first.text,
            citations=(
                Citation(
                    number=1,
                    passage_id=first.id,
                    title=first.title,
                    quote=first.text,
                    start=0,
                    end=len(first.text),
                ),
            ),
        )


def test_lies_are_plausible_and_wrong() -> None:
    told = lies(EVERYBODY)
    assert len(told) == len(EVERYBODY)
    by_id = {q.id: q for q in EVERYBODY}
    golds = {r: {q.gold for q in EVERYBODY if q.relation == r} for r in ("capital", "spouse")}
    for key, lie in told.items():
        assert lie != by_id[key].gold
        assert lie in golds[by_id[key].relation]
    assert lies(QUESTIONS[:1]) == {}


def test_injected_evidence_reaches_the_reader() -> None:
    told = lies(QUESTIONS)
    chain = poisoned(RetrievalChain(reader=Credulous()), QUESTIONS, told, "falsehoods")
    reading = asyncio.run(chain.aanswer(QUESTIONS[0].text, sources="both"))
    assert told[QUESTIONS[0].id].text in (reading.answer or "")
    assert isinstance(reading.evidence[0].passage, Passage)


def test_a_credulous_reader_is_found_out() -> None:
    refusing = ScriptedAttempter({q.text: ("错", 0.1, True) for q in QUESTIONS})
    assert REFUSAL
    found = audit(
        questions=QUESTIONS,
        attempter=Robust(refusing.script),
        chain=RetrievalChain(reader=Credulous()),
        settings=EvaluationSettings(),
        per_slice=10,
    )
    assert found["injected"]["falsehoods"]["attack_success"]["value"] == 1
    assert found["injected"]["falsehoods"]["attack_success"]["n"] == 10
    assert found["injected"]["falsehoods"]["accuracy"]["value"] == 0
