"""CalibratedModel: a bundle at work. It answers, says how sure it is, and knows its operating points."""

from __future__ import annotations

from collections.abc import Sequence

from kg_builder.question import Language
from training.attempt import Attempt, OperatingPoint
from training.bundle import Bundle, BundleSpec
from training.errors import BundleError
from training.generation import Generation, Message, Model, Sampling
from training.language_pack import is_refusal, language_pack
from training.signals import signals


def language_of(question: str) -> Language:
    """Chinese where there is any ideograph, else English."""
    return "zh" if any("\u3400" <= c <= "\u9fff" for c in question) else "en"


def answer_twice(
    model: Model, conversations: Sequence[Sequence[Message]], max_new_tokens: int
) -> list[tuple[Generation, Generation]]:
    """What the model says by itself, and its best answer.

    They are one and the same unless the model refused: only then it is asked again with the refusal
    suppressed, so that a confidence can be given for what it would have said.
    """
    natural = model.generate(conversations, Sampling(max_new_tokens=max_new_tokens))
    refused = [i for i, g in enumerate(natural) if is_refusal(g.text)]
    again = model.generate(
        [conversations[i] for i in refused],
        Sampling(max_new_tokens=max_new_tokens, suppress_refusal=True),
    )
    answers = dict(zip(refused, again, strict=True))
    return [(g, answers.get(i, g)) for i, g in enumerate(natural)]


class CalibratedModel:
    """The Attempter made of a model and the bundle's calibration."""

    def __init__(self, model: Model, spec: BundleSpec, name: str) -> None:
        self.model = model
        self.spec = spec
        self.name = name
        self._points = {point.name: point for point in spec.operating_points}

    @classmethod
    def load(cls, bundle: Bundle, *, device: str | None = None) -> CalibratedModel:
        """Load the bundle's model in this process."""
        from training.engine.local import LocalModel

        model = LocalModel.load(
            bundle.base_path(),
            adapter=bundle.adapter,
            revision=bundle.spec.base.revision,
            dtype=bundle.spec.base.dtype,
            device=device,
            name=bundle.name,
            refusal_prefix=bundle.spec.refusal_prefixes[bundle.spec.languages[0]],
        )
        return cls(model, bundle.spec, bundle.name)

    def conversation(self, question: str) -> list[Message]:
        pack = language_pack(language_of(question))
        return [{"role": "user", "content": pack.prompt(question, self.spec.prompt)}]

    def attempt(self, questions: Sequence[str]) -> list[Attempt]:
        """One attempt per question, in order."""
        conversations = [self.conversation(q) for q in questions]
        attempts = []
        for natural, answer in answer_twice(self.model, conversations, self.spec.max_new_tokens):
            refused = is_refusal(natural.text)
            found = signals(answer, natural.refusal_probability)
            attempts.append(
                Attempt(
                    text=answer.text,
                    refused=refused,
                    refusal_text=natural.text if refused else "",
                    confidence=self.spec.calibration.confidence(found),
                    signals=found,
                    generation=answer,
                )
            )
        return attempts

    def operating_point(
        self, *, profile: str | None = None, min_precision: float | None = None
    ) -> OperatingPoint:
        """The point of a profile, or the one with the largest coverage that certifies ``min_precision``.

        Raises BundleError when there is no such profile, or nothing certifies that much.
        """
        if min_precision is not None:
            enough = [
                p
                for p in self.spec.operating_points
                if p.certified and p.bound is not None and p.bound >= min_precision
            ]
            if not enough:
                best = max((p.bound or 0.0 for p in self.spec.operating_points), default=0.0)
                raise BundleError(
                    f"No operating point of {self.name} certifies a precision of {min_precision:.2f}; "
                    f"the best certified bound is {best:.3f}."
                )
            return max(enough, key=lambda p: p.coverage or 0.0)
        name = profile or self.spec.default_profile
        if name not in self._points:
            known = ", ".join(sorted(self._points))
            raise BundleError(f"There is no profile {name!r}. There are: {known}.")
        return self._points[name]
