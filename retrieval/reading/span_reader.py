"""SpanReader: a question and passages in; for each the best spans and a no-answer score out.

EmbeddedSpanReader       the one that comes with the project, or any folder that `zhizhi reader train`
                         made; by torch where it is installed, else by numpy alone, so
                         that a server needs no torch
TransformersSpanReader   any question-answering model of transformers, from a folder or the hub
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kg_builder.files import sha256_file
from retrieval.errors import RetrievalError
from retrieval.reading.encoding import Encoder, Window
from retrieval.reading.network import Network
from retrieval.reading.torch_network import TorchNetwork
from retrieval.reading.weights import WEIGHTS, load_weights

Engine = Literal["auto", "torch", "numpy"]
FOLDER = Path(__file__).parent / "model"
KIND = "zhizhi-span-reader"
CONFIG = "config.json"
LONGEST = 40  # tokens of an answer
# A span of n tokens beyond the first has to be better by LENGTH · log(1 + n): people mark the words that
# answer, and a reader that is unsure where these end takes too many (docs/experiments.md).
LENGTH = 0.3
SPANS = 3  # of one passage, none of which overlaps a better one


class SpanReaderError(RetrievalError):
    """A span reader cannot be loaded, with the reason."""


class Text(NamedTuple):
    """What is read: a passage's title and its text, or a part of it."""

    title: str
    text: str


class Span(NamedTuple):
    """``text[start:end]`` of the passage with its log-probability, log p(start) + log p(end)."""

    start: int
    end: int
    log_probability: float


class SpanPrediction(NamedTuple):
    """The spans of one text, best first, and the log-probability that it does not answer."""

    spans: tuple[Span, ...]
    no_answer: float

    @property
    def score(self) -> float:
        """The no-answer score turned round: log p(best span) − log p(no answer); SQuAD 2.0's
        threshold is put on it. −inf where there is no span."""
        return self.spans[0].log_probability - self.no_answer if self.spans else -np.inf


@runtime_checkable
class SpanReader(Protocol):
    """Safe to share between threads. ``name`` identifies the weights."""

    name: str

    def predict(self, question: str, texts: Sequence[Text]) -> list[SpanPrediction]: ...


class EmbeddedSpanReader:
    """A BertForQuestionAnswering with an XLM-R tokenizer: by torch where it is installed, else numpy."""

    def __init__(
        self, network: Network | TorchNetwork, encoder: Encoder, name: str, parameters: int
    ) -> None:
        self._network = network
        self._encoder = encoder
        self.name = name
        self.parameters = parameters

    @classmethod
    def load(cls, folder: Path = FOLDER, engine: Engine = "auto") -> EmbeddedSpanReader:
        """Raises SpanReaderError, WeightsError or RetrievalError where a file is missing or damaged."""
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            digest = sha256_file(folder / WEIGHTS)
        except (OSError, ValueError) as error:
            raise SpanReaderError(
                f"{folder}: no span reader ({error}). Train one: zhizhi reader train DATA --out {folder}"
            ) from error
        tensors = load_weights(folder)
        return cls(
            TorchNetwork(config, tensors)
            if engine == "torch" or (engine == "auto" and _torch_is_installed())
            else Network(config, tensors),
            Encoder.load(folder),
            f"span-{digest[:12]}",
            sum(tensor.size for tensor in tensors.values()),
        )

    def predict(self, question: str, texts: Sequence[Text]) -> list[SpanPrediction]:
        windows: list[Window] = []
        owners: list[int] = []
        for number, text in enumerate(texts):
            for window in self._encoder.windows(question, text.title, text.text):
                windows.append(window)
                owners.append(number)
        if not windows:
            return []
        found: list[list[SpanPrediction]] = [[] for _ in texts]
        for owner, window, scores in zip(
            owners, windows, self._network.scores(windows), strict=True
        ):
            found[owner].append(decode(scores.start, scores.end, window.offsets, window.first))
        return [best_window(predictions) for predictions in found]


class TransformersSpanReader:
    """A question-answering model of transformers with a fast tokenizer, in batches, where torch runs best."""

    def __init__(self, source: str, *, device: str | None = None, limit: int = 384) -> None:
        import torch
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            self._model = AutoModelForQuestionAnswering.from_pretrained(
                source, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise SpanReaderError(
                f"{source}: no question-answering model that transformers can load ({error}). Give a folder "
                "or a hub id."
            ) from error
        if not self._tokenizer.is_fast:
            raise SpanReaderError(
                f"{source}: its tokenizer tells no offsets. Take one with a fast one."
            )
        self.name = source
        self._limit = min(limit, self._tokenizer.model_max_length)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device).eval()
        self.parameters = sum(p.numel() for p in self._model.parameters())

    def predict(self, question: str, texts: Sequence[Text]) -> list[SpanPrediction]:
        import torch

        if not texts:
            return []
        # The title stands before the text, as a first sentence; what is read there is no answer.
        heads = [f"{text.title}\n" if text.title.strip() else "" for text in texts]
        encoded = self._tokenizer(
            [question] * len(texts),
            [head + text.text for head, text in zip(heads, texts, strict=True)],
            truncation="only_second",
            max_length=self._limit,
            stride=min(96, self._limit // 4),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )
        offsets = encoded.pop("offset_mapping").tolist()
        owners = encoded.pop("overflow_to_sample_mapping").tolist()
        with torch.inference_mode():
            found = self._model(**encoded.to(self._device))
        starts = found.start_logits.float().cpu().numpy()
        ends = found.end_logits.float().cpu().numpy()
        predictions: list[list[SpanPrediction]] = [[] for _ in texts]
        for row, owner in enumerate(owners):
            head = len(heads[owner])
            sequence = encoded.sequence_ids(row)
            held = [
                i
                for i, part in enumerate(sequence)
                if part == 1 and offsets[row][i][0] >= head and offsets[row][i][1] > head
            ]
            if not held:
                predictions[owner].append(SpanPrediction((), 0.0))
                continue
            first, last = held[0], held[-1] + 1
            places = [(a - head, b - head) for a, b in offsets[row][first:last]]
            predictions[owner].append(decode(starts[row, :last], ends[row, :last], places, first))
        return [best_window(group) for group in predictions]


def _torch_is_installed() -> bool:
    return importlib.util.find_spec("torch") is not None


def decode(
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    offsets: Sequence[tuple[int, int]],
    first: int,
) -> SpanPrediction:
    """Logits of one input to spans in characters. Position 0 is "no answer" (Devlin et al. 2019)."""
    count = len(offsets)
    starts = _log_softmax(np.concatenate([start[:1], start[first : first + count]]))
    ends = _log_softmax(np.concatenate([end[:1], end[first : first + count]]))
    nothing = float(starts[0] + ends[0])
    if not count:
        return SpanPrediction((), nothing)
    joint = starts[1:, None] + ends[None, 1:]
    allowed = np.triu(np.ones((count, count), bool)) & ~np.triu(
        np.ones((count, count), bool), LONGEST
    )
    longer = np.maximum(np.arange(count)[None, :] - np.arange(count)[:, None], 0)
    ranked = np.where(allowed, joint - LENGTH * np.log1p(longer), -np.inf)
    spans: list[Span] = []
    for _ in range(SPANS):
        place = int(ranked.argmax())
        a, b = divmod(place, count)
        if not np.isfinite(ranked[a, b]):
            break
        spans.append(Span(offsets[a][0], offsets[b][1], float(joint[a, b])))
        ranked[: b + 1, a:] = -np.inf  # whatever overlaps it
    return SpanPrediction(tuple(spans), nothing)


def best_window(predictions: Sequence[SpanPrediction]) -> SpanPrediction:
    """Of a text's windows the one that answers most surely."""
    return max(predictions, key=lambda one: one.score)


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), np.float32)


def load_span_reader(source: str | Path | None = None) -> SpanReader:
    """The default one, a folder of ours, or a model of transformers by folder or hub id."""
    if source is None or not str(source):
        return EmbeddedSpanReader.load()
    folder = Path(source)
    if is_ours(folder):
        return EmbeddedSpanReader.load(folder)
    return TransformersSpanReader(str(source))


def is_ours(folder: Path) -> bool:
    """Whether a folder holds a reader that `zhizhi reader train` made."""
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return config.get("kind") == KIND
