"""CalibratedModel: a bundle at work. It answers, says how sure it is, and knows its operating points."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kg_builder.question import Language
from training.applicability import Applicability, Prepared, written_in
from training.attempt import Attempt, OperatingPoint
from training.bundle import Bundle, BundleSpec
from training.errors import BundleError
from training.generation import Generation, Message, Model, Sampling, TokenCounter, TunedModel
from training.knowledge import KnowledgeScore
from training.language_pack import is_refusal, language_pack
from training.popularity import Popularity
from training.probe import Told, ask_or_recall
from training.signals import IMPLAUSIBLE, answer_key, signals

logger = logging.getLogger(__name__)

NO_APPLICABILITY = (
    "Bundle %s was made before bundles knew where their promise ends: questions from outside, and answers of "
    "the wrong kind, are not told from others. Make that known: zhizhi bundle applicability RUN"
)

BYTES_PER_TOKEN = 3  # of UTF-8: a Chinese character, most of an English word
TEMPLATE_TOKENS = 16  # of a chat template around one turn


def language_of(question: str) -> Language:
    """Chinese where there is any ideograph, else English."""
    return "zh" if any("\u3400" <= c <= "\u9fff" for c in question) else "en"


def answer_twice(
    model: Model,
    conversations: Sequence[Sequence[Message]],
    max_new_tokens: int,
    told: Told | None = None,
) -> list[tuple[Generation, Generation]]:
    """What the model says by itself, and the answer whose certainty counts.

    Where the engine can run the model as it was before tuning, that is the second: tuning bends the
    probabilities of answers, and the untuned ones rank right above wrong better (docs/experiments.md).
    It is asked first, since the tuned model mostly says the same, which one pass can tell; not at all where
    it has ``told`` already.
    Elsewhere the model is asked again, with the refusal suppressed, only where it refused. A refusal ends
    where it is certain.
    """
    sampling = Sampling(max_new_tokens=max_new_tokens)
    ending = sampling.model_copy(update={"stop_at_refusal": True})
    if isinstance(model, TunedModel) and model.base is not None:
        answered = ask_or_recall(model.base, conversations, sampling, told or {})
        natural = model.generate(conversations, ending, [g.text for g in answered])
        return list(zip(natural, answered, strict=True))
    natural = model.generate(conversations, ending)
    refused = [i for i, g in enumerate(natural) if is_refusal(g.text)]
    again = model.generate(
        [conversations[i] for i in refused], sampling.model_copy(update={"suppress_refusal": True})
    )
    answers = dict(zip(refused, again, strict=True))
    return [(g, answers.get(i, g)) for i, g in enumerate(natural)]


@dataclass(frozen=True)
class Features:
    """What the confidence in an answer is made of, alike where it is calibrated and where it is given."""

    answer_counts: Mapping[str, int]
    knowledge: KnowledgeScore | None
    popularity: Popularity
    applicability: Applicability | None

    def consider(
        self, question: str, asked: Prepared, natural: Generation, answer: Generation
    ) -> tuple[str, bool, dict[str, float]]:
        """The best answer, whether the model refused to give it, and how sure it is.

        The best answer is what the model says by itself, or what it said before it learnt to refuse.
        """
        refused = is_refusal(natural.text)
        text = answer.text if refused else natural.text
        found = signals(answer, natural.refusal_probability, self.answer_counts)
        found["agreement"] = float(refused or answer_key(natural.text) == answer_key(answer.text))
        odds = None if self.knowledge is None else self.knowledge.log_odds(asked.text, answer)
        if odds is not None:
            found["knowledge"] = odds
        if self.popularity:
            found["popularity"] = self.popularity.signal(question)
        found[IMPLAUSIBLE] = float(
            self.applicability is not None
            and self.applicability.objects_to(question, text, asked.link)
        )
        return text, refused, found


class CalibratedModel:
    """The Attempter made of a model and the bundle's calibration.

    What ``applicability`` objects to is not put to the model, or not given as its answer; without one only
    the language of a question is looked at.
    """

    def __init__(
        self,
        model: Model,
        spec: BundleSpec,
        name: str,
        applicability: Applicability | None = None,
    ) -> None:
        self.model = model
        self.applicability = applicability
        self.spec = spec
        self.name = name
        self._points = {point.name: point for point in spec.operating_points}
        self._popularity = Popularity(spec.popularity, spec.popularity_bands)
        self._features = Features(
            spec.answer_counts, spec.knowledge, self._popularity, applicability
        )

    @classmethod
    def load(cls, bundle: Bundle, *, device: str | None = None) -> CalibratedModel:
        """Load the bundle's model in this process."""
        from training.engine.local import LocalModel

        model = LocalModel.load(
            bundle.base_path(),
            adapter=bundle.adapter,
            revision=bundle.spec.base.revision,
            dtype=bundle.spec.base.dtype,
            few_shot=bundle.spec.base.few_shot,
            device=device,
            name=bundle.name,
            refusal_prefix=tuple(bundle.spec.refusal_prefixes.values()),
        )
        return cls.of(model, bundle)

    @classmethod
    def of(cls, model: Model, bundle: Bundle) -> CalibratedModel:
        """The bundle's calibration with a model that runs it, here or elsewhere."""
        if bundle.applicability is None:
            logger.warning(NO_APPLICABILITY, bundle.name)
        return cls(model, bundle.spec, bundle.name, bundle.applicability)

    def over(self, evidence: str) -> CalibratedModel:
        """This model with the points that were certified together with answers retrieved from ``evidence``
        (RetrievalChain.identity); with those for direct answers alone where there are none."""
        points = self.spec.routed_points.get(evidence, self.spec.operating_points)
        self._points = {point.name: point for point in points}
        return self

    def conversation(self, question: str) -> list[Message]:
        """The very wording that the bundle was calibrated with, whatever the language packs say now."""
        language = language_of(question)
        template = self.spec.prompts.get(language)
        if template is None:  # a language it was not calibrated in
            content = language_pack(language).prompt(question, self.spec.prompt)
        else:
            content = template.replace("{question}", question)
        return [{"role": "user", "content": content}]

    def question_tokens(self, question: str) -> int:
        """How many tokens the question is made of; an estimate, 3 bytes each, where the tokenizer is not at
        hand."""
        if isinstance(self.model, TokenCounter):
            return self.model.count_tokens(question)
        return -(-len(question.encode("utf-8", "replace")) // BYTES_PER_TOKEN)

    @cached_property
    def longest_question(self) -> int | None:
        """The most tokens of a question that the context has room for; None where the engine does not
        tell its context."""
        context = getattr(self.model, "context", None)
        if context is None or not isinstance(self.model, TokenCounter):
            return None
        prompts = [self.conversation(text)[0]["content"] for text in ("?", "问")]
        spent = max(map(self.model.count_tokens, prompts)) + TEMPLATE_TOKENS
        return max(1, int(context) - self.spec.max_new_tokens - spent)

    def attempt(self, questions: Sequence[str], told: Told | None = None) -> list[Attempt]:
        """One attempt per question, in order. ``told`` is what the untuned model is known to say."""
        prepared = [self.prepare(q) for q in questions]
        asked = [one for one in prepared if one.objection is None]
        conversations = [self.conversation(one.text) for one in asked]
        new_tokens = self.spec.max_new_tokens
        pairs = iter(answer_twice(self.model, conversations, new_tokens, told) if asked else [])
        return [
            self._attempt(question, one, *next(pairs))
            if one.objection is None
            else self._not_asked(question, one)
            for question, one in zip(questions, prepared, strict=True)
        ]

    def prepare(self, question: str) -> Prepared:
        """What the model is asked in place of ``question``, or the objection to asking it."""
        if self.applicability is not None:
            return self.applicability.prepare(question)
        other = written_in(question) not in self.spec.languages
        return Prepared(question, None, "other_language" if other else None)

    def _attempt(
        self, question: str, asked: Prepared, natural: Generation, answer: Generation
    ) -> Attempt:
        text, refused, found = self._features.consider(question, asked, natural, answer)
        refusal_text, saved = self._refusal(question, natural) if refused else ("", 0)
        implausible = bool(found[IMPLAUSIBLE])
        return Attempt(
            text=text,
            refused=refused,
            refusal_text=refusal_text,
            confidence=self.spec.calibration.confidence(found),
            signals=found,
            generation=answer,
            tokens_saved=saved,
            objection="implausible_answer" if implausible and not refused else None,
            stratum=self._popularity.band(question) if self._popularity else "",
        )

    def _not_asked(self, question: str, asked: Prepared) -> Attempt:
        """A refusal that costs no token."""
        pack = language_pack(language_of(question))
        return Attempt(
            text="",
            refused=True,
            refusal_text=pack.refusal(pack.topic(question)),
            confidence=0.0,
            signals={},
            generation=Generation(text=""),
            objection=asked.objection,
        )

    def _refusal(self, question: str, natural: Generation) -> tuple[str, int]:
        """The refusal as a whole, and how many tokens of it did not have to be generated."""
        if natural.finish_reason != "aborted":
            return natural.text, 0
        pack = language_pack(language_of(question))
        text = pack.refusal(pack.topic(question))
        if not isinstance(self.model, TokenCounter):
            return text, 0
        return text, max(0, self.model.count_tokens(text) - natural.completion_tokens)

    def operating_point(
        self, *, profile: str | None = None, min_precision: float | None = None
    ) -> OperatingPoint:
        """The point of a profile, or the one with the lowest target that certifies ``min_precision``.

        Raises BundleError when there is no such profile, or nothing certifies that much.
        """
        if min_precision is not None:
            certified = [
                (p.target_precision, -(p.coverage or 0.0), p)
                for p in self._points.values()
                if p.certified and p.target_precision is not None
            ]
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
