"""Train a span reader: fine-tune an encoder on reading comprehension, or go on with a reader.

    reader-folder/
      config.json, model.safetensors, tokenizer.json   a BertForQuestionAnswering that transformers loads
      manifest.json                                    written last: data, settings, versions

Loss: cross-entropy of start and end, position 0 for "no answer" (Devlin et al. 2019, section 4.3).
Examples are drawn by a generator of the seed and the chunk's number, so that a killed training goes
on from its last checkpoint with the same examples. accelerate spreads batches over processes.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from kg_builder.files import digest, read_manifest, write_json, write_manifest
from retrieval.errors import RetrievalError
from retrieval.reading.dataset import ReadingExample, ReadingPassage
from retrieval.reading.encoding import TOKENIZER, Encoder, Window
from retrieval.reading.mixture import Mixture, MixtureSettings
from retrieval.reading.overlap import LEVELS
from retrieval.reading.span_reader import KIND, is_ours
from retrieval.reading.statements import Statements
from retrieval.reading.weights import load_weights

if TYPE_CHECKING:
    import torch

CHUNK = 640  # examples that are drawn, sorted by length and cut into batches together
CHECKPOINT = "checkpoint"
PROGRESS = "progress.json"
TYPE_NOISE = 0.02  # standard deviation by which the types of one side differ at first
MASKED = -1e4  # added to the score of a token that is padding; finite in half precision too

Report = Callable[[int, float], None]  # examples done, mean loss


class ReaderTrainingError(RetrievalError):
    """A reader cannot be trained, with the reason."""


class ReaderSettings(BaseModel):
    """How to train. ``layers`` are the encoder's layers to keep, from 0; None: all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: tuple[int, ...] | None = None
    examples: int = Field(default=60_000, ge=1)
    chinese: float = Field(default=0.5, ge=0, le=1)  # share of the examples, where both are there
    learning_rate: float = Field(default=2e-4, gt=0)
    warmup: int = Field(default=200, ge=1)  # steps
    weight_decay: float = Field(default=0.01, ge=0)
    batch_tokens: int = Field(default=4096, ge=256)
    window: int = Field(default=224, ge=32, le=448)  # tokens of a text that are read at most
    dropout: float = Field(default=0.0, ge=0, lt=1)
    # Share of the examples in which about half of the matches between question and text are hidden,
    # so that other words for the same thing are learnt.
    hidden_matches: float = Field(default=0.2, ge=0, le=1)
    checkpoint_chunks: int = Field(default=10, ge=1)
    mixture: MixtureSettings = MixtureSettings()
    seed: int = 0


class Order:
    """Which question comes when: the languages in a fixed proportion, each shuffled anew in every pass
    over its questions."""

    def __init__(
        self, questions: dict[bool, list[tuple[int, int]]], chinese: float, seed: int
    ) -> None:
        self._questions = questions
        self._seed = seed
        self._shuffled: dict[tuple[bool, int], list[tuple[int, int]]] = {}
        self._chinese = chinese
        if not questions[True] or not questions[False]:
            self._chinese = float(bool(questions[True]))

    def at(self, place: int) -> tuple[int, int]:
        """(passage, question) of the example number ``place``."""
        before = math.floor(place * self._chinese)
        chinese = math.floor((place + 1) * self._chinese) > before
        held = self._questions[chinese]
        turn, at = divmod(before if chinese else place - before, len(held))
        if (chinese, turn) not in self._shuffled:
            order = list(held)
            random.Random(f"{self._seed}/{chinese}/{turn}").shuffle(order)
            self._shuffled[chinese, turn] = order
        return self._shuffled[chinese, turn][at]


class _Row(NamedTuple):
    window: Window
    start: int  # positions in the window; 0, 0: no answer
    end: int


def train_span_reader(
    passages: Sequence[ReadingPassage],
    base: str,
    folder: Path,
    settings: ReaderSettings | None = None,
    *,
    statements: Statements | None = None,
    report: Report | None = None,
) -> None:
    """Train from ``base`` (a folder, or a hub id) into ``folder``; a finished folder is left as it is.

    Raises ReaderTrainingError where the data hold no question or the base is no encoder.
    """
    settings = settings or ReaderSettings()
    mixture = Mixture(passages, statements, settings.mixture)
    asked = sum(len(questions) for questions in mixture.questions.values())
    if not asked:
        raise ReaderTrainingError("The data hold no question. Give files with passages and qas.")
    key = digest([settings.model_dump(mode="json"), str(base), asked, statements is not None])
    manifest = read_manifest(folder)
    if manifest is not None and manifest.get("key") == key:
        return
    _Training(mixture, base, folder, settings, key).run(report)
    write_manifest(
        folder,
        {
            "key": key,
            "base": str(base),
            "settings": settings.model_dump(mode="json"),
            "passages": len(passages),
            "questions": asked,
        },
    )
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)


class _Training:
    def __init__(
        self,
        mixture: Mixture,
        base: str,
        folder: Path,
        settings: ReaderSettings,
        key: str,
    ) -> None:
        import torch
        from accelerate import Accelerator

        self.mixture, self.base = mixture, base
        self.folder, self.settings, self.key = folder, settings, key
        # Without a GPU it has to be told: it looks for none, and takes each process for alone.
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available())
        self.encoder, tokenizer_file = _tokenizer(base)
        folder.mkdir(parents=True, exist_ok=True)
        if tokenizer_file != folder / TOKENIZER:
            shutil.copyfile(tokenizer_file, folder / TOKENIZER)
        self.order = Order(mixture.questions, settings.chinese, settings.seed)
        self.total = settings.examples
        self.chunks = math.ceil(self.total / CHUNK)

    def run(self, report: Report | None) -> None:
        import torch

        settings = self.settings
        torch.manual_seed(settings.seed)
        model = _model(self.base, settings)
        optimizer = torch.optim.AdamW(
            _groups(model, settings), lr=settings.learning_rate, fused=True
        )
        model, optimizer = self.accelerator.prepare(model, optimizer)
        first, step, loss = self._resumed(model, optimizer)
        model.train()
        saved = first
        for chunk in range(first, self.chunks):
            for rows in self._batches(chunk):
                share = min(1.0, chunk / self.chunks)
                rate = min(1.0, (step + 1) / settings.warmup) * max(0.02, 1 - share)
                for group in optimizer.param_groups:
                    group["lr"] = settings.learning_rate * rate
                value = self._loss(model, rows)
                optimizer.zero_grad()
                self.accelerator.backward(value)
                self.accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                step += 1
                found = float(value.detach())
                if not math.isfinite(found):
                    raise ReaderTrainingError(
                        f"The loss is {found} after {step} steps. Lower the learning rate "
                        f"({settings.learning_rate})."
                    )
                loss = found if step == 1 else 0.98 * loss + 0.02 * found
            if report and self.accelerator.is_main_process:
                report(min(self.total, (chunk + 1) * CHUNK), loss)
            if chunk + 1 - saved >= settings.checkpoint_chunks:
                self._save_checkpoint(model, optimizer, chunk + 1, step, loss)
                saved = chunk + 1
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            trained = self.accelerator.unwrap_model(model)
            trained.config.kind = KIND  # what load_span_reader knows a folder of ours by
            trained.save_pretrained(self.folder)

    # ── checkpoints ──────────────────────────────────────────────────────────────────────────────

    def _save_checkpoint(
        self, model: Any, optimizer: Any, chunk: int, step: int, loss: float
    ) -> None:
        """Written aside and renamed: a kill while it is written leaves the one before."""
        import torch

        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        place = self.folder / CHECKPOINT
        aside = self.folder / f"{CHECKPOINT}.tmp"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        state = {
            "model": self.accelerator.unwrap_model(model).state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        torch.save(state, aside / "state.pt")
        write_json(aside / PROGRESS, {"key": self.key, "chunk": chunk, "step": step, "loss": loss})
        shutil.rmtree(place, ignore_errors=True)
        aside.rename(place)

    def _resumed(self, model: Any, optimizer: Any) -> tuple[int, int, float]:
        """(chunk, step, loss) to go on from; a checkpoint of other settings is not taken."""
        import torch

        place = self.folder / CHECKPOINT
        try:
            progress = json.loads((place / PROGRESS).read_text(encoding="utf-8"))
        except OSError:
            return 0, 0, 0.0
        if progress["key"] != self.key:
            return 0, 0, 0.0
        state = torch.load(place / "state.pt", map_location="cpu", weights_only=True)
        self.accelerator.unwrap_model(model).load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.manual_seed(self.settings.seed + progress["chunk"])
        return progress["chunk"], progress["step"], progress["loss"]

    # ── batches ──────────────────────────────────────────────────────────────────────────────────

    def _batches(self, chunk: int) -> list[list[_Row]]:
        """Batches of one chunk: examples of like length together, the batches in random order."""
        rng = random.Random(f"{self.settings.seed}/{chunk}")
        rows = [row for one in self._asked(chunk) if (row := self._row(one, rng)) is not None]
        rows.sort(key=lambda row: len(row.window.ids))
        batches: list[list[_Row]] = []
        for row in rows:
            longest = len(row.window.ids)
            if batches and (len(batches[-1]) + 1) * longest <= self.settings.batch_tokens:
                batches[-1].append(row)
            else:
                batches.append([row])
        rng.shuffle(batches)
        count, own = self.accelerator.num_processes, self.accelerator.process_index
        return batches[own : len(batches) - len(batches) % count : count]

    def _asked(self, chunk: int) -> list[tuple[int, int]]:
        return [
            self.order.at(p) for p in range(chunk * CHUNK, min(self.total, (chunk + 1) * CHUNK))
        ]

    def _row(self, asked: tuple[int, int], rng: random.Random) -> _Row | None:
        example = self.mixture.draw(*asked, rng)
        if example is None:
            return None
        made = row(example, self.encoder, self.settings.window, rng)
        if made is not None and rng.random() < self.settings.hidden_matches:
            types = hide_matches(made.window.types, rng)
            return made._replace(window=made.window._replace(types=types))
        return made

    def _loss(self, model: Any, rows: list[_Row]) -> torch.Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        ids, types, mask = collate(rows, self.encoder.pad, self.accelerator.device)
        with torch.autocast(ids.device.type, dtype=torch.bfloat16):
            found = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
        device = ids.device
        starts = torch.tensor([r.start for r in rows], device=device)
        ends = torch.tensor([r.end for r in rows], device=device)
        hidden = (1 - mask) * MASKED
        start = cross_entropy(found.start_logits.float() + hidden, starts)
        end = cross_entropy(found.end_logits.float() + hidden, ends)
        return (start + end) / 2


def row(example: ReadingExample, encoder: Encoder, most: int, rng: random.Random) -> _Row | None:
    """An example as one input of at most ``most`` tokens of text, the answer at a random place in it.

    None where the answer has no tokens or more than ``most``.
    """
    inputs = encoder.inputs(example.question, example.title, example.text)
    text = inputs.text
    first = last = -1
    if example.answerable:
        inside = [
            i for i, (a, b) in enumerate(text.offsets) if b > example.start and a < example.end
        ]
        if not inside or inside[-1] - inside[0] >= most:
            return None
        first, last = inside[0], inside[-1]
    start, count = 0, len(text.ids)
    if count > most:
        low, high = (
            (0, count - most) if first < 0 else (max(0, last - most + 1), min(first, count - most))
        )
        start = rng.randint(low, high)
    window = encoder.window(inputs, start, min(count, start + most))
    if first < 0:
        return _Row(window, 0, 0)
    return _Row(window, window.first + first - start, window.first + last - start)


def hide_matches(types: Sequence[int], rng: random.Random) -> list[int]:
    """Token types of which every other run of matches, by chance, says that nothing matches."""
    made: list[int] = []
    for kind, run in groupby(types):
        count = len(list(run))
        made += [kind - kind % LEVELS if rng.random() < 0.5 else kind] * count
    return made


def collate(
    rows: Sequence[_Row], pad: int, device: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, types and mask of shape (rows, longest)."""
    import torch

    shape = len(rows), max(len(r.window.ids) for r in rows)
    ids = torch.full(shape, pad)
    types, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    for i, one in enumerate(rows):
        count = len(one.window.ids)
        ids[i, :count] = torch.tensor(one.window.ids)
        types[i, :count] = torch.tensor(one.window.types)
        mask[i, :count] = 1
    return ids.to(device), types.to(device), mask.to(device)


def _tokenizer(base: str) -> tuple[Encoder, Path]:
    folder = Path(base)
    if folder.is_dir():
        return Encoder.load(folder), folder / TOKENIZER
    from huggingface_hub import hf_hub_download

    try:
        found = Path(hf_hub_download(base, TOKENIZER))
    except Exception as error:  # network, absence, permission: the library has many
        raise ReaderTrainingError(
            f"{base}: neither a folder nor a model that can be downloaded ({error})."
        ) from error
    return Encoder.load(found.parent), found


def _model(base: str, settings: ReaderSettings) -> Any:
    """The base with a head for spans, cut down to the layers that the settings keep."""
    import torch
    from torch import nn
    from transformers import AttentionInterface, AutoConfig, AutoModelForQuestionAnswering

    AttentionInterface.register("zhizhi_products", _attention)
    changes = {
        "attn_implementation": "zhizhi_products",
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": 0.0,
    }
    try:
        if is_ours(Path(base)):  # perhaps with 8 bits a weight, which transformers cannot load
            config = AutoConfig.from_pretrained(base, trust_remote_code=False, **changes)
            model = AutoModelForQuestionAnswering.from_config(
                config, attn_implementation="zhizhi_products"
            )
            weights = load_weights(Path(base))
            model.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items()})
        else:
            model = AutoModelForQuestionAnswering.from_pretrained(
                base, trust_remote_code=False, **changes
            )
    except (OSError, ValueError) as error:
        raise ReaderTrainingError(f"{base}: no encoder to start from ({error}).") from error
    _widen_types(model, 2 * LEVELS)
    if settings.layers is not None:
        held = model.base_model.encoder.layer
        wrong = [layer for layer in settings.layers if not 0 <= layer < len(held)]
        if wrong:
            raise ReaderTrainingError(
                f"{base} has layers 0 to {len(held) - 1}; there is no {wrong}."
            )
        model.base_model.encoder.layer = nn.ModuleList([held[i] for i in settings.layers])
        model.config.num_hidden_layers = len(settings.layers)
    return model


def _widen_types(model: Any, count: int) -> None:
    """Give the encoder a token type for each side and level of overlap, starting from its own types."""
    import torch

    embeddings = model.base_model.embeddings
    old = embeddings.token_type_embeddings.weight.detach()
    if old.shape[0] == count:
        return
    made = torch.nn.Embedding(count, old.shape[1])
    with torch.no_grad():
        sides = old[[0] * LEVELS + [min(1, old.shape[0] - 1)] * LEVELS]
        made.weight.mul_(TYPE_NOISE).add_(sides)
    embeddings.token_type_embeddings = made
    model.config.type_vocab_size = count


def _attention(
    _: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float = 1.0,
    **__: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as two batched products: on a CPU in bfloat16 its backward pass takes a third of the
    time that the fused kernel's takes."""
    import torch

    rows, heads, length, width = query.shape
    flat = (rows * heads, length, width)
    scores = torch.bmm((query * scaling).reshape(flat), key.reshape(flat).transpose(1, 2))
    scores = scores.view(rows, heads, length, length)
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attention_mask, MASKED)
        else:
            scores = scores + attention_mask.clamp_min(MASKED).to(scores.dtype)
    weights = scores.softmax(-1).view(rows * heads, length, length)
    mixed = torch.bmm(weights, value.reshape(flat)).view(rows, heads, length, width)
    return mixed.transpose(1, 2).contiguous(), None


def _groups(model: Any, settings: ReaderSettings) -> Iterator[dict[str, Any]]:
    parameters = list(model.parameters())
    yield {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay}
    yield {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}
