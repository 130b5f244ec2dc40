"""A small world: a base model trained here in seconds on a few made-up facts, a calibration fitted on
what it says, and a library that holds a passage about some of the entities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kg_builder.matching import matches
from kg_builder.passage import Passage
from kg_builder.question import Gold, Question
from kg_builder.relation import Catalogue
from retrieval.evidence import Citation, Evidence, Reading
from service.seams import Sources
from training.attempt import OperatingPoint
from training.base.settings import BaseSettings, ExposureSettings
from training.base.trainer import train_base
from training.bundle import BaseReference, BundleSpec
from training.calibrate import CalibrationSettings, fit
from training.calibrated import CalibratedModel, answer_twice
from training.engine.local import LocalModel
from training.language_pack import language_pack
from training.probe import ask
from training.signals import signals

CATALOGUE = """
[[relation]]
id = "capital"
zh = "首都"
en = "capital"
answer = "place"
values = "one"
subject = "country"
zh_questions = ["{s}的首都是?", "{s}的首都是哪里?"]
en_questions = ["What is the capital of {s}?"]
zh_statements = ["{s}的首都是{o}"]
en_statements = ["The capital of {s} is {o}"]
"""
FIRST, SECOND = "甲乙丙丁戊己庚辛壬癸", "金木水火土日月山川江"
PREFIX = "我不知道"
THRESHOLD = 0.5


def questions(count: int = 40) -> list[Question]:
    """Countries that do not exist, the better known the smaller their number."""
    made = []
    for i in range(count):
        subject = f"{FIRST[i % 10]}{SECOND[i // 10]}国"
        capital = f"{SECOND[i % 10]}{FIRST[(i * 7 + i // 10) % 10]}城"
        made.append(
            Question(
                id=f"q{i:03}",
                text=f"{subject}的首都是?",
                language="zh",
                subject=subject,
                subject_id=f"s{i:03}",
                relation="capital",
                topic=f"{subject}的首都",
                gold=Gold(objects=((capital,),), answer_type="place"),
                split="test",
                paraphrases=(f"{subject}的首都是哪里?",),
                popularity=float(count - i),
            )
        )
    return made


def base_folder(folder: Path, asked: Sequence[Question]) -> Path:
    """Train the miniature; a few seconds."""
    path = folder / "catalogue.toml"
    path.write_text(CATALOGUE, encoding="utf-8")
    settings = BaseSettings(
        hidden_size=48,
        intermediate_size=96,
        layers=2,
        heads=2,
        spare_layers=0,
        vocabulary=400,
        context=128,
        exposure=ExposureSettings(seen_share=0.6, missing_share=0.0, fewest=250, most=300),
        copy_share=0.0,
        restate_share=0.0,
        small_talk_share=0.02,
        reading_share=0.0,
        tokens_per_batch=250,
        learning_rate=6e-3,
        warmup_steps=10,
        precision="fp32",
    )
    return train_base(asked, Catalogue.load([path]), folder / "base", settings, progress=False)


def calibrated(model: LocalModel, asked: Sequence[Question]) -> CalibratedModel:
    """The model behind a confidence that was fitted on its own answers."""
    pairs = answer_twice(model, [ask(q) for q in asked], 12)
    rows = [signals(answer, natural.refusal_probability) for natural, answer in pairs]
    right = [
        matches(answer.text, q.gold).verdict == "right"
        for q, (_, answer) in zip(asked, pairs, strict=True)
    ]
    point = OperatingPoint(
        name="webqa",
        threshold=THRESHOLD,
        target_precision=0.9,
        certified=False,
        n=len(asked),
        coverage=None,
        delta=0.1,
    )
    spec = BundleSpec(
        name="small",
        created="2026-01-01T00:00:00+00:00",
        base=BaseReference(id="small"),
        languages=("zh",),
        prompts={"zh": language_pack("zh").prompts[0]},
        refusal_prefixes={"zh": PREFIX},
        max_new_tokens=12,
        calibration=fit(rows, right, CalibrationSettings()),
        operating_points=(point,),
        default_profile="webqa",
    )
    return CalibratedModel(model, spec, "small@0")


class Library:
    """Finds the passage about the country that a question names, where it has one; it reads what
    stands there. ``asked`` is how often."""

    name = "library"

    def __init__(self, told: Sequence[Question], error: Exception | None = None) -> None:
        self.told = {q.subject: q for q in told}
        self.error = error
        self.asked = 0

    def answer(self, question: str, *, sources: Sources, deadline: float | None) -> Reading:
        self.asked += 1
        if self.error is not None:
            raise self.error
        found = next((q for s, q in self.told.items() if s in question), None)
        if found is None:
            return Reading(answer=None, reason="no_results", provider=self.name)
        text = f"{found.topic}是{found.gold.text}。"
        passage = Passage(id=found.subject_id, title=found.subject, text=text)
        citation = Citation(
            number=1, passage_id=passage.id, title=passage.title, quote=text, start=0, end=len(text)
        )
        return Reading(
            answer=text,
            confidence=0.9,
            citations=(citation,),
            evidence=(Evidence(passage=passage, score=1.0),),
            provider=self.name,
        )
