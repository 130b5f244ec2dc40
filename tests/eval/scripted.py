"""Systems that say what they are told to, passed in where models would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kg_builder.question import Gold, Question
from training.attempt import Attempt, OperatingPoint
from training.generation import Generation, Message, Sampling

FIRST, SECOND = "甲乙丙丁戊己庚辛壬癸", "金木水火土日月山川江"
REFUSAL = "我不知道。"


def question(number: int, gold: str = "", relation: str = "capital", **more: object) -> Question:
    gold = gold or f"{FIRST[number % 10]}{SECOND[number // 10 % 10]}城"
    return Question.model_validate(
        {
            "id": f"q{number:03}",
            "text": f"国家{number:03}的首都是?",
            "language": "zh",
            "subject": f"国家{number:03}",
            "subject_id": f"s{number:03}",
            "relation": relation,
            "topic": f"国家{number:03}的首都",
            "gold": Gold(objects=((gold,),)),
            "split": "test",
            **more,
        }
    )


class ScriptedModel:
    """Says ``script[question]`` under any prompt that ends with the question, else ``default``."""

    name = "scripted"

    def __init__(self, script: Mapping[str, str], default: str = "乱说") -> None:
        self.script = script
        self.default = default

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Generation]:
        return [self._one(c[-1]["content"]) for c in conversations]

    def _one(self, prompt: str) -> Generation:
        said = next((a for q, a in self.script.items() if q in prompt), self.default)
        return Generation(text=said, prompt_tokens=len(prompt), completion_tokens=len(said))


class ScriptedAttempter:
    """``script[question]`` is (best answer, confidence, whether it refuses by itself)."""

    name = "scripted@1"

    def __init__(self, script: Mapping[str, tuple[str, float, bool]], threshold: float = 0.5):
        self.script = script
        self.threshold = threshold
        self.asked: list[str] = []

    def attempt(self, questions: Sequence[str]) -> list[Attempt]:
        self.asked += questions
        return [self._one(q) for q in questions]

    def _one(self, question: str) -> Attempt:
        text, confidence, refused = self.script[question]
        return Attempt(
            text=text,
            refused=refused,
            refusal_text=REFUSAL if refused else "",
            confidence=confidence,
            signals={"sequence_logprob": confidence - 1, "mean_entropy": 1 - confidence},
            generation=Generation(text=text, prompt_tokens=10, completion_tokens=len(text)),
        )

    def operating_point(
        self, *, profile: str | None, min_precision: float | None
    ) -> OperatingPoint:
        return OperatingPoint(
            name=profile or "webqa",
            threshold=self.threshold,
            target_precision=0.9,
            certified=False,
            n=10,
            coverage=0.5,
            delta=0.1,
        )
