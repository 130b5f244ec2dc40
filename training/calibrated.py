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
            refusal_prefix=tuple(bundle.spec.refusal_prefixes.values()),
        )
        return cls(model, bundle.spec, bundle.name)

    def conversation(self, question: str) -> list[Message]:
        """The very wording that the bundle was calibrated with, whatever the language packs say now."""
        language = language_of(question)
        template = self.spec.prompts.get(language)
        if template is None:  # a language it was not calibrated in
            content = language_pack(language).prompt(question, self.spec.prompt)
        else:
            content = template.replace("{question}", question)
        return [{"role": "user", "content": content}]

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
        """The point of a profile, or the one with the lowest target that certifies ``min_precision``.

        Raises BundleError when there is no such profile, or nothing certifies that much.
        """
        if min_precision is not None:
            certified = [
                (p.target_precision, -(p.coverage or 0.0), p)
                for p in self.spec.operating_points
                if p.certified and p.target_precision is not None
            ]
            # By target, not by bound: the bound at a threshold that the same data chose is no promise.
            enough = [entry for entry in certified if entry[0] >= min_precision - 1e-9]
            if not enough:
                raise BundleError(
                    f"No operating point of {self.name} certifies a precision of {min_precision:g}; "
                    + (
                        f"the most that it certifies is {max(e[0] for e in certified):g}. "
                        if certified
                        else "it certifies none at all. "
                    )
                    + "Ask for less, or calibrate on more questions."
                )
            return min(enough, key=lambda entry: entry[:2])[2]
        name = profile or self.spec.default_profile
        if name not in self._points:
            known = ", ".join(sorted(self._points))
            raise BundleError(f"There is no profile {name!r}. There are: {known}.")
        return self._points[name]
