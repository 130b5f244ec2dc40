"""Plan: what a recipe will do and how much memory it will take, without loading a weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from training.mix import MixSettings
from training.probe import ProbeSettings
from training.sft_settings import SFTSettings
from training.shape import ModelShape, shape_of

GIB = 1 << 30
BF16, FP32 = 2, 4
ADAM = 2 * FP32  # two moments of every trainable weight
# NF4 with double quantisation: 4 bits and 0.127 bits of constants a weight (Dettmers et al. 2023).
NF4 = 4.127 / 8
# Tokens that probing keeps in one batch (LocalModel.tokens_per_batch).
PROBING_TOKENS = 16_384
SPARE = 0.9  # of a device's memory; the rest goes to fragmentation, kernels and the driver


class Hardware(BaseModel):
    """What a recipe is meant to be tuned on."""

    model_config = ConfigDict(extra="forbid")

    devices: int = Field(1, ge=1)
    sharded: bool = False  # FSDP parts weights, gradients and optimiser over the devices
    memory: float | None = Field(None, gt=0)  # GiB of one device


class Memory(BaseModel):
    """Bytes on one device at the peak. An estimate, good to about a fifth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: int
    trainable: int = 0  # adapters (none when tuned in full: they are the weights)
    gradients: int = 0
    optimiser: int = 0
    activations: int = 0
    logits: int = 0
    cache: int = 0

    @property
    def total(self) -> int:
        return sum(self.model_dump().values())


class Plan(BaseModel):
    """Counts and memory of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    method: str
    parameters: int
    trainable_parameters: int
    questions: dict[str, int]
    probed: int  # answers the probe asks for
    examples: int  # at most: a class may have fewer
    steps: int
    devices: int
    sharded: bool  # FSDP: weights, gradients and optimiser are parted over the devices
    probing: Memory | None  # None: on a server
    tuning: Memory
    device_memory: int | None

    @property
    def fits(self) -> bool | None:
        """Whether both fit one device; None where its memory is not known."""
        if self.device_memory is None:
            return None
        most = max(self.tuning.total, 0 if self.probing is None else self.probing.total)
        return most <= SPARE * self.device_memory

    def lines(self) -> list[str]:
        """What a dry run prints."""
        share = self.trainable_parameters / self.parameters
        asked = (
            ", ".join(f"{count} {name}" for name, count in self.questions.items()) or "not built"
        )
        split = (
            f"sharded over {self.devices} devices" if self.sharded else f"{self.devices} device(s)"
        )
        where = "on a server" if self.probing is None else _gib(self.probing)
        told = [
            f"base       {self.base}: {self.parameters / 1e9:.2f} B parameters",
            f"questions  {asked}",
            f"probe      {self.probed} answers; {where}",
            f"tune       {self.method}, {self.trainable_parameters / 1e6:.1f} M trainable ({share:.2%}), "
            f"{self.examples} examples, {self.steps} steps, {split}; {_gib(self.tuning)}",
        ]
        if self.device_memory is not None:
            verdict = "fits" if self.fits else "does not fit"
            told.append(f"device     {self.device_memory / GIB:.0f} GiB: {verdict}")
        return told


def make_plan(
    base: str | Path,
    *,
    sft: SFTSettings,
    mix: MixSettings,
    probe: ProbeSettings,
    questions: Mapping[str, int] | None = None,
    devices: int = 1,
    sharded: bool = False,
    device_memory: int | None = None,
    served: bool = False,
    revision: str | None = None,
) -> Plan:
    """The plan of tuning ``base``. ``questions`` are counts per split where the graph is built already;
    ``served`` says that a server is probed.

    Raises ModelError where the base's configuration cannot be had.
    """
    shape = shape_of(base, revision)
    counts = dict(questions or {})
    tuned_layers = None if sft.layers is None else len(sft.layers)
    trainable = (
        shape.parameters if sft.method == "full" else shape.lora_parameters(sft.rank, tuned_layers)
    )
    per_class = mix.per_class or counts.get("train", 0) // 2
    if counts.get("train"):
        per_class = min(per_class, counts["train"])
    examples = round(per_class * (1 + mix.ratio)) * mix.wordings
    per_step = sft.batch_size * sft.gradient_accumulation * devices
    return Plan(
        base=str(base),
        method=sft.method,
        parameters=shape.parameters,
        trainable_parameters=trainable,
        questions=counts,
        probed=sum(counts.values()) * (1 + probe.samples),
        examples=examples,
        steps=max(1, round(sft.epochs * examples / per_step)),
        devices=devices,
        sharded=sharded,
        probing=None if served else probing_memory(shape),
        tuning=tuning_memory(shape, sft, trainable, devices if sharded else 1),
        device_memory=device_memory,
    )


def probing_memory(shape: ModelShape, tokens: int = PROBING_TOKENS) -> Memory:
    """Weights and cache in bfloat16, logits of one step of the largest batch (64 tokens a row)."""
    rows = max(1, tokens // 64)
    return Memory(
        weights=shape.parameters * BF16,
        cache=shape.cache_values * tokens * BF16,
        logits=rows * shape.vocabulary * FP32 * 3,  # themselves, log-probabilities, probabilities
    )


def tuning_memory(shape: ModelShape, sft: SFTSettings, trainable: int, shards: int = 1) -> Memory:
    """One optimiser step with every sequence at ``max_length``.

    What is kept of a layer for the backward pass are the inputs of its maps, norms and products
    (after Korthikanti et al. 2022, for a gated MLP and attention without a stored score matrix); with
    gradient checkpointing only each layer's input, and one layer whole.
    """
    full = sft.method == "full"
    width = FP32 if full else BF16
    if sft.method == "qlora":
        quantised = shape.layers * sum(a * b for a, b in shape.linears)
        weights = int(quantised * NF4) + (shape.parameters - quantised) * BF16
    else:
        weights = shape.parameters * width
    tokens = sft.batch_size * sft.max_length
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    of_layer = (
        tokens * BF16 * (6 * shape.hidden_size + 2 * q + 2 * kv + 4 * shape.intermediate_size)
    )
    kept = tokens * BF16 * shape.hidden_size
    activations = (
        shape.layers * kept + of_layer if sft.gradient_checkpointing else shape.layers * of_layer
    )
    return Memory(
        weights=weights // shards,
        trainable=0 if full else trainable * FP32 // shards,
        gradients=trainable * FP32 // shards,
        optimiser=trainable * ADAM // shards,
        activations=activations,
        logits=tokens * shape.vocabulary * (BF16 + FP32 + FP32),
    )


def _gib(memory: Memory) -> str:
    parts = {name: value for name, value in memory.model_dump().items() if value}
    told = ", ".join(f"{name} {value / GIB:.1f}" for name, value in parts.items())
    return f"{memory.total / GIB:.1f} GiB a device ({told})"
