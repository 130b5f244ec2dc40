"""Methods: the published methods of abstention beside ours, on the same base, questions and budget.

Everything starts from a finished run: its questions, its base model, its labels and its bundle. A method that
is trained gets as many examples and steps as ours had, with the same adapters; a threshold that a method
needs is chosen on the calibration split; all are measured on the same test split, whose entities none has
seen. What a method said is kept under its name, so that a killed comparison goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from kg_builder.errors import UserError
from kg_builder.files import digest, read_jsonl, read_manifest, write_jsonl
from kg_builder.question import Question
from training.bundle import Bundle, fingerprint
from training.calibrate import calibration_parts
from training.engine.local import LocalModel
from training.generation import Sampling
from training.label import Label
from training.language_pack import is_refusal, language_pack
from training.mix import MixSettings, TuningExample, mix
from training.probe import Probe, ProbeSettings, ask, probe
from training.selective import point_at_precision
from zhizhi.recipe import Recipe, validated
from zhizhi.stage import Stages
from zhizhi.untuned import untuned_signals

SAMPLES = 10
TEMPERATURE, TOP_P = (
    1.0,
    0.9,
)  # as semantic entropy was measured with (Farquhar et al., Nature 2024)
PRECISION = 0.90  # a threshold is chosen for this
IK = (0.1, 0.5, 1.0)
PLAIN_PROMPT = 2  # the wording under which a base model always answers


class Outcome(BaseModel):
    """What a method made of one question.

    ``text`` is its best answer even where it refuses; ``confidence`` ranks the answers, the larger the surer
    (None: it has none); ``refused`` is its own decision, None where a threshold has to decide.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    text: str
    confidence: float | None
    refused: bool | None


@dataclass(frozen=True)
class Method:
    """A name for the table, where it comes from, what it costs, and how it answers."""

    title: str
    source: str
    calls: int  # of the language model to decide on one question
    answer: Callable[[Comparison, Path, Sequence[Question]], list[Outcome]]


@dataclass
class Comparison:
    """A finished run, taken apart into what every method starts from."""

    run: Path
    out: Path
    progress: bool = True
    recipe: Recipe = field(init=False)
    bundle: Bundle = field(init=False)

    def __post_init__(self) -> None:
        self.bundle = Bundle.load(self.run / "bundle")
        told = self.bundle.spec.provenance.get("recipe")
        if not isinstance(told, dict) or read_manifest(self.run / "probe") is None:
            raise UserError(
                f"{self.run} holds no finished training run, which this comparison starts from. "
                f"Make one: zhizhi train --out {self.run}"
            )
        self.recipe = validated(Recipe, told, f"the recipe of {self.bundle.folder}")
        self.base = self.bundle.base_path()

    @cached_property
    def split(self) -> dict[str, list[Question]]:
        from zhizhi.pipeline import chosen_questions

        read = [Question.model_validate(r) for r in read_jsonl(self.run / "graph/questions.jsonl")]
        return chosen_questions(self.recipe, read)

    @cached_property
    def labels(self) -> list[Label]:
        return [Label.model_validate(r) for r in read_jsonl(self.run / "probe/labels.jsonl")]

    @cached_property
    def examples(self) -> int:
        """How many examples ours was taught."""
        return sum(1 for _ in read_jsonl(self.run / "sft/examples.jsonl"))

    @property
    def watched(self) -> dict[str, Sequence[Question]]:
        """What the checkpoint is chosen on, as the run did."""
        return {"calibration": calibration_parts(self.split["calibration"])[0]}

    def of_training(self, labels: Sequence[Label]) -> list[Label]:
        wanted = {q.id for q in self.split["train"]}
        return [one for one in labels if one.question_id in wanted]

    @cached_property
    def key(self) -> str:
        """What every method's results depend on."""
        settings = self.recipe.model_dump(mode="json", include={"probe", "sft", "mix", "label"})
        asked = {name: [q.id for q in part] for name, part in self.split.items()}
        identity = fingerprint(self.base) if isinstance(self.base, Path) else str(self.base)
        return digest([settings, asked, identity, self.bundle.digest])

    def model(self, adapter: Path | None = None, **options: Any) -> LocalModel:
        prefixes = tuple(language_pack(one).refusal_prefix for one in self.recipe.languages)
        return LocalModel.load(
            self.base,
            adapter=adapter,
            **self.recipe.loading,
            refusal_prefix=prefixes,
            **options,
        )

    @property
    def sampling(self) -> Sampling:
        return Sampling(max_new_tokens=self.recipe.probe.max_new_tokens)

    @property
    def probing(self) -> ProbeSettings:
        return self.recipe.probe.model_copy(
            update={"samples": SAMPLES, "temperature": TEMPERATURE, "top_p": TOP_P}
        )

    def probes(self, questions: Sequence[Question]) -> list[Probe]:
        """The base's greedy and sampled answers; asked once for all methods."""
        ledger = self.out / "samples" / "probes.jsonl"
        identity = fingerprint(self.base) if isinstance(self.base, Path) else str(self.base)
        if not hasattr(self, "_base_model"):
            self._base_model = self.model(name=identity)
        return probe(self._base_model, questions, ledger, self.probing, progress=self.progress)

    def tune(
        self, folder: Path, examples: Sequence[TuningExample], labels: Sequence[Label]
    ) -> Path:
        """Tune adapters as the run did, on other examples; return the adapter."""
        from training.sft import tune

        write_jsonl(folder / "examples.jsonl", examples)
        tune(
            self.base,
            examples,
            self.watched,
            labels,
            folder,
            self.recipe.sft,
            loading=self.recipe.loading,
            progress=self.progress,
        )
        return folder / "adapter"


# ---- how each answers ------------------------------------------------------------------------------


def _own_words(
    c: Comparison, questions: Sequence[Question], adapter: Path | None, prompt: int = 0
) -> list[Outcome]:
    """By its own refusal, ranked by how unlikely that was; behind a refusal stands the best answer."""
    model = c.model(adapter)
    conversations = [ask(q, prompt) for q in questions]
    natural = model.generate(conversations, c.sampling)
    refused = [i for i, g in enumerate(natural) if is_refusal(g.text)]
    again = model.generate(
        [conversations[i] for i in refused],
        c.sampling.model_copy(update={"suppress_refusal": True}),
    )
    behind = dict(zip(refused, again, strict=True))
    return [
        Outcome(
            question_id=q.id,
            text=behind.get(i, g).text,
            confidence=1 - (g.refusal_probability or 0.0),
            refused=i in behind,
        )
        for i, (q, g) in enumerate(zip(questions, natural, strict=True))
    ]


def base(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    found = c.model().generate([ask(q, PLAIN_PROMPT) for q in questions], c.sampling)
    return [
        Outcome(question_id=q.id, text=g.text, confidence=None, refused=is_refusal(g.text))
        for q, g in zip(questions, found, strict=True)
    ]


def prompt_only(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    return _own_words(c, questions, None)


def log_probability(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    found = c.model().generate([ask(q) for q in questions], c.sampling)
    return [
        Outcome(question_id=q.id, text=g.text, confidence=sum(g.token_logprobs), refused=None)
        for q, g in zip(questions, found, strict=True)
    ]


def self_consistent(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    from training.baselines import self_consistency

    outcomes = []
    for question, one in zip(questions, c.probes(questions), strict=True):
        most = self_consistency([g.text for g in one.samples])
        outcomes.append(
            Outcome(
                question_id=question.id, text=most.answer, confidence=most.agreement, refused=None
            )
        )
    return outcomes


def by_semantic_entropy(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    from training.baselines import semantic_entropy

    return [
        Outcome(
            question_id=question.id,
            text=one.greedy.text,
            confidence=-semantic_entropy(one.samples, by_likelihood=True),
            refused=None,
        )
        for question, one in zip(questions, c.probes(questions), strict=True)
    ]


def r_tuning(c: Comparison, folder: Path, questions: Sequence[Question]) -> list[Outcome]:
    from training.methods import r_tuning_examples, sureness

    labels = c.of_training(c.labels)
    adapter = c.tune(folder, r_tuning_examples(c.split["train"], labels, c.examples), c.labels)
    model = c.model(adapter)
    outcomes = []
    found = model.generate([ask(q) for q in questions], c.sampling)
    for question, generation in zip(questions, found, strict=True):
        text, sure = sureness(model, generation, language_pack(question.language))
        outcomes.append(
            Outcome(question_id=question.id, text=text, confidence=sure, refused=sure < 0.5)
        )
    return outcomes


def idk_sft(threshold: float) -> Callable[[Comparison, Path, Sequence[Question]], list[Outcome]]:
    def answer(c: Comparison, folder: Path, questions: Sequence[Question]) -> list[Outcome]:
        return _own_words(c, questions, _idk_adapter(c, folder, threshold))

    return answer


def _idk_adapter(c: Comparison, folder: Path, threshold: float) -> Path:
    from training.methods import ik_labels, natural_mix

    train = c.split["train"]
    labels = ik_labels(train, c.probes(train), threshold)
    examples = natural_mix(train, labels, c.examples, MixSettings(seed=c.recipe.mix.seed))
    return c.tune(folder, examples, c.labels)


def craft(c: Comparison, folder: Path, questions: Sequence[Question]) -> list[Outcome]:
    """The middle band is dropped, then the unknown questions that a rehearsal makes it answer."""
    from training.label import label
    from training.rehearsal import RehearsalSettings, rehearse

    train = c.split["train"]
    probes = c.probes(train)
    labels = [label(q, p, c.recipe.label) for q, p in zip(train, probes, strict=True)]
    filtered = rehearse(
        c.base,
        train,
        labels,
        folder / "rehearsal",
        sft=c.recipe.sft,
        probing=c.probing.model_copy(update={"samples": 4}),
        judging=c.recipe.label,
        settings=RehearsalSettings(known=c.examples // 2, seed=c.recipe.seed),
        loading=c.recipe.loading,
        progress=c.progress,
    )
    settings = MixSettings(per_class=c.examples // 2, paired=False, seed=c.recipe.mix.seed)
    return _own_words(c, questions, c.tune(folder, mix(train, filtered, settings), c.labels))


def idk_dpo(c: Comparison, folder: Path, questions: Sequence[Question]) -> list[Outcome]:
    """SFT on one half of the budget, preferences on the other."""
    from training.methods import ik_labels, natural_mix
    from training.preference import PreferenceSettings, prefer, preference_pairs

    train = c.split["train"]
    probes = c.probes(train)
    labels = ik_labels(train, probes, 0.5)
    settings = MixSettings(seed=c.recipe.mix.seed)
    examples = natural_mix(train, labels, c.examples, settings)
    half = len(examples) // 2
    adapter = c.tune(folder / "sft", examples[:half], c.labels)
    pairs = preference_pairs(examples[half:], train, labels, probes)
    preferring = PreferenceSettings(
        # At a quarter of it, without the SFT term, preferences unlearn refusing (docs/experiments.md).
        learning_rate=c.recipe.sft.learning_rate / 40,
        sft_weight=0.1,
        evaluations=4,
    )
    prefer(
        c.base,
        adapter,
        pairs,
        c.watched,
        c.labels,
        folder,
        preferring,
        loading=c.recipe.loading,
        progress=c.progress,
    )
    return _own_words(c, questions, folder / "adapter")


def ours(c: Comparison, _: Path, questions: Sequence[Question]) -> list[Outcome]:
    from training.calibrated import CalibratedModel

    model = CalibratedModel.load(c.bundle)
    point = model.operating_point(profile=None)
    return [
        Outcome(
            question_id=q.id,
            text=a.text,
            confidence=a.confidence,
            refused=not point.admits(a),
        )
        for q, a in zip(questions, model.attempt([q.text for q in questions]), strict=True)
    ]


def _mixed(title: str, **changes: Any) -> Method:
    """Tuned as the run was, on a mixture with these changes; by its own refusal."""

    def answer(c: Comparison, folder: Path, questions: Sequence[Question]) -> list[Outcome]:
        settings = c.recipe.mix.model_copy(update=changes)
        examples = mix(c.split["train"], c.of_training(c.labels), settings)
        return _own_words(c, questions, c.tune(folder, examples, c.labels))

    return Method(title, "this project", 1, answer)


METHODS: dict[str, Method] = {
    "base": Method("base", "the model as it is", 1, base),
    "prompt_only": Method("prompt only", "the experiment's prompt, untuned", 1, prompt_only),
    "log_probability": Method("log-probability threshold", "of the answer", 1, log_probability),
    "untuned_signals": Method(
        "untuned signals combined", "ours without tuning", 1, untuned_signals
    ),
    "self_consistency": Method(
        f"self-consistency of {SAMPLES}", "Wang et al., ICLR 2023", SAMPLES, self_consistent
    ),
    "semantic_entropy": Method(
        "semantic entropy", "Kuhn et al., ICLR 2023", SAMPLES + 1, by_semantic_entropy
    ),
    "r_tuning": Method("R-Tuning", "Zhang et al., NAACL 2024", 1, r_tuning),
    **{
        f"idk_{threshold:g}": Method(
            f"Idk-SFT, Ik {threshold:g}", "Cheng et al., ICML 2024", 1, idk_sft(threshold)
        )
        for threshold in IK
    },
    "craft": Method("CRaFT filtering", "Zhu et al., AAAI 2025", 1, craft),
    "idk_dpo": Method("Idk-DPO", "Cheng et al., ICML 2024", 1, idk_dpo),
    "ours": Method("ours", "the bundle of the run", 2, ours),
}


# The run's own mixture is ours; each of these changes one thing in it.
SWEEP: dict[str, Method] = {
    "base": METHODS["base"],
    "as_the_run": _mixed("as the run"),
    **{
        f"ratio_{r:g}": _mixed(f"{r:g} unknown for each known", ratio=r)
        for r in (0.25, 0.5, 1, 2, 4)
    },
    **{f"per_class_{n}": _mixed(f"{n} a class", per_class=n) for n in (50, 200, 800, 2000)},
    "fixed_form": _mixed("answers in a fixed form", answers="fixed"),
    "unpaired": _mixed("unpaired", paired=False),
}


def answer_all(
    comparison: Comparison, methods: Mapping[str, Method], names: Sequence[str] = ()
) -> None:
    """Answer the calibration and the test questions with every method, or with those named. What is done is
    skipped."""
    unknown = [name for name in names if name not in methods]
    if unknown:
        raise UserError(f"There is no {unknown[0]!r}. There are: {', '.join(methods)}.")
    chosen = [name for name in methods if not names or name in names]
    stages = Stages(comparison.out, len(chosen))
    for name in chosen:
        method = methods[name]

        def work(folder: Path, method: Method = method) -> dict[str, Any]:
            asked = [*comparison.split["calibration"], *comparison.split["test"]]
            outcomes = method.answer(comparison, folder, asked)
            write_jsonl(folder / "outcomes.jsonl", outcomes)
            return {"outcomes": len(outcomes)}

        stages.run(name, f"{method.title} ({method.source})", [comparison.key, name], work)


def decided(
    outcomes: Sequence[Outcome], calibration: Sequence[Outcome], right: Sequence[bool]
) -> list[bool]:
    """Whether each is refused: by the method itself, or by the threshold that reached PRECISION on the
    ``calibration`` outcomes, of which ``right`` tells the right ones."""
    if all(one.refused is not None for one in outcomes):
        return [bool(one.refused) for one in outcomes]
    confidence = [one.confidence or 0.0 for one in calibration]
    reached = point_at_precision(confidence, right, PRECISION)
    threshold = reached.threshold if reached else float("inf")
    return [(one.confidence or 0.0) < threshold for one in outcomes]
