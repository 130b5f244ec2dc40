"""LocalModel: a transformers model in this process, behind the Model protocol.

The decoding loop is our own rather than ``generate``: it gets the token log-probabilities, entropies and
margins and the probability of the refusal prefix from the same passes, gives the places of finished rows to
the next prompts, and draws samples from one random stream per question, so that results do not depend on
batching. Greedy tokens are those of ``generate`` (bench/probe.py checks).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from training.engine.decoding import Batch, Decoder
from training.engine.few_shot import FewShot, line_break_ids
from training.engine.folding import folded, worth_folding
from training.engine.idle import drop_idle_layers
from training.engine.loading import load_network, load_tokenizer
from training.engine.packing import pack_output
from training.engine.rows import Row, apart
from training.errors import ModelError
from training.generation import Generation, Message, Sampling

# Of a guess no more than this is tried: the longest one widens the pass of all.
DRAFT_TOKENS = 16
# New prompts are read when this share of the rows is left: their first pass is the dearer the fewer they are.
REFILL = 0.5
# Templates that know these obey, others ignore them: a short answer is asked for, not a chain of thought.
TEMPLATE_OPTIONS: dict[str, Any] = {"enable_thinking": False}


class LocalModel:
    """Runs batches of conversations on the CPU or a GPU.

    ``refusal_prefix`` is the text whose probability after the prompt is reported with every generation; of
    several (one a language) the probabilities are added. ``base`` is the same model as it was before tuning,
    None where no adapter is loaded. Greedy decoding is plain: penalties that a model's
    ``generation_config`` asks for are not applied, so that log-probabilities stay the model's own.
    ``tokens_per_batch`` bounds rows × (longest prompt + new tokens) of one batch; it is halved for good
    when the device runs out of memory. ``one_line`` ends an answer with its first line.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        refusal_prefix: str | Sequence[str] = "",
        base: LocalModel | None = None,
        tokens_per_batch: int = 16_384,
        one_line: bool = False,
    ) -> None:
        self.model = model.eval()
        self.base = base
        self.tokenizer = tokenizer
        self.name = name
        self.tokens_per_batch = tokens_per_batch
        wanted = [refusal_prefix] if isinstance(refusal_prefix, str) else refusal_prefix
        self.prefixes = apart(
            [tokenizer.encode(text, add_special_tokens=False) for text in wanted if text]
        )
        # The most tokens of prompt and answer together, None where the model does not say.
        self.context: int | None = getattr(model.config, "max_position_embeddings", None)
        ends = model.generation_config.eos_token_id
        if ends is None:
            ends = tokenizer.eos_token_id
        self.end_ids = set(ends if isinstance(ends, list) else [ends])
        if one_line:
            self.end_ids |= line_break_ids(tokenizer)
        self.decoder = Decoder(self.model, self.prefixes, self.end_ids, tokenizer.pad_token_id or 0)

    @classmethod
    def load(
        cls,
        base: str | Path,
        *,
        adapter: Path | None = None,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        few_shot: FewShot | None = None,
        name: str | None = None,
        refusal_prefix: str | Sequence[str] = "",
        tokens_per_batch: int = 16_384,
    ) -> LocalModel:
        """Load a model from a folder or hub id, with a PEFT adapter where one is given.

        An ``adapter`` folder without adapter_config.json is a model tuned in full: it is loaded in the
        base's place. ``revision``, ``dtype``, ``device`` and ``few_shot`` are those of Loading. Raises
        ModelError when anything is missing or does not fit, naming it.
        """
        peft = adapter is not None and (adapter / "adapter_config.json").is_file()
        weights, pinned = (base, revision) if adapter is None or peft else (adapter, None)
        tokenizer = load_tokenizer(base, revision=revision, few_shot=few_shot)
        model = load_network(weights, revision=pinned, dtype=dtype, device=device)
        untuned = None
        if peft:
            from peft import PeftModel

            untuned = twin(model)
            try:
                model = PeftModel.from_pretrained(model, str(adapter))
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(
                    f"The adapter {adapter} cannot be put on {str(base)!r}: {error}"
                ) from error
            if worth_folding(model):
                model = folded(model)
        drop_idle_layers(model if untuned is None else untuned)
        for one in (model, untuned):
            if one is not None:
                pack_output(one)
        named, limit, one_line = name or str(base), tokens_per_batch, few_shot is not None
        return cls(
            model,
            tokenizer,
            name=named,
            refusal_prefix=refusal_prefix,
            base=untuned
            and cls(
                untuned,
                tokenizer,
                name=f"{named} (base)",
                tokens_per_batch=limit,
                one_line=one_line,
            ),
            tokens_per_batch=limit,
            one_line=one_line,
        )

    # ---- the protocol ----------------------------------------------------------------------------

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        drafts: Sequence[str] = (),
    ) -> list[Generation]:
        """One generation per conversation, in order.

        ``drafts`` are guesses at what will be said, one per conversation: as much of a guess as is right is
        read in one pass instead of one a token (Leviathan et al. 2023). They change nothing but the time.
        """
        prompts = [self._encode(conversation) for conversation in conversations]
        guesses = self._guesses(drafts, sampling.max_new_tokens)
        return [self._generation(row) for row in self._complete(prompts, sampling, guesses)]

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` is made of."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def probability(
        self, conversations: Sequence[Sequence[Message]], options: Sequence[str]
    ) -> list[list[float]]:
        """P(option | prompt) of each option as the beginning of the answer, per conversation."""
        texts = [self.tokenizer.encode(option, add_special_tokens=False) for option in options]
        prompts = [self._encode(conversation) for conversation in conversations]
        waiting = longest_first(prompts)
        found: dict[int, list[float]] = {}
        while waiting:
            width = len(prompts[waiting[0]]) + max(map(len, texts))
            taken = waiting[: self._room(width)]
            failed = False
            try:
                asked = [prompts[i] for i in taken]
                found.update(zip(taken, self.decoder.probability(asked, texts), strict=True))
                waiting = waiting[len(taken) :]
            except torch.OutOfMemoryError as error:
                self._shrink(width, len(taken), error)
                failed = True
            if failed:
                torch.cuda.empty_cache()
        return [found[i] for i in range(len(prompts))]

    # ---- the parts -------------------------------------------------------------------------------

    def _complete(
        self,
        prompts: Sequence[list[int]],
        sampling: Sampling,
        guesses: Sequence[list[int]],
    ) -> list[Row]:
        """A completion of each prompt, in order. The long ones go on beside the next prompts."""
        order = longest_first(prompts)
        rows: dict[int, Row] = {}
        waiting = order
        batch: Batch | None = None
        while True:
            going = batch.going if batch else []
            if not waiting and not going:
                return [rows[i] for i in range(len(prompts))]
            lengths = [batch.rows[i].prompt_tokens for i in going] if batch else []
            width = (
                max([*lengths, *(len(prompts[i]) for i in waiting[:1])]) + sampling.max_new_tokens
            )
            room = self._room(width)
            taken: list[int] = []
            if not going or (len(going) <= REFILL * room and not self.decoder.forgetful):
                taken = waiting[: room - len(going)]
            failed = False
            try:
                if taken:
                    asked = [prompts[i] for i in taken]
                    guessed = [guesses[i] for i in taken] if guesses else ()
                    begun = self.decoder.begin(asked, sampling, guessed)
                    rows.update(zip(taken, begun.rows, strict=True))
                    waiting = waiting[len(taken) :]
                    if batch and going:
                        batch.keep(going)
                        batch.join(begun)
                    else:
                        batch = begun
                if batch:
                    self.decoder.step(batch, sampling)
            except torch.OutOfMemoryError as error:
                self._shrink(width, len(going) + len(taken), error)
                failed = True
            if failed:
                # Outside the handler, whose traceback would keep the failed batch's tensors alive. What was
                # not finished is begun again: each row has its own random stream, which starts again too.
                batch = None
                torch.cuda.empty_cache()
                waiting = [i for i in order if i not in rows or not rows[i].done]

    def _room(self, width: int) -> int:
        """How many rows of ``width`` tokens run at a time."""
        return max(1, self.tokens_per_batch // width)

    def _shrink(self, width: int, rows: int, error: BaseException) -> None:
        """From now on run half as many rows as the device's memory was too small for."""
        if rows == 1:
            raise ModelError(
                f"A single prompt of {width} tokens does not fit the device's memory. "
                "Use a smaller model, dtype or max_new_tokens."
            ) from error
        self.tokens_per_batch = width * (rows // 2)

    def _encode(self, conversation: Sequence[Message]) -> list[int]:
        text = self.tokenizer.apply_chat_template(
            list(conversation),  # type: ignore[arg-type]
            tokenize=False,
            add_generation_prompt=True,
            **TEMPLATE_OPTIONS,
        )
        return self.tokenizer.encode(str(text), add_special_tokens=False)  # type: ignore[no-any-return]

    def _guesses(self, drafts: Sequence[str], new_tokens: int) -> list[list[int]]:
        """The tokens of ``drafts``; none where the model cannot unsee a token that was guessed wrongly."""
        if self.decoder.forgetful:
            return []
        encode, most = self.tokenizer.encode, min(DRAFT_TOKENS, new_tokens - 1)
        return [encode(draft, add_special_tokens=False)[:most] for draft in drafts]

    def _generation(self, row: Row) -> Generation:
        return Generation(
            text=self.tokenizer.decode(row.ids, skip_special_tokens=True).strip(),  # type: ignore[union-attr]
            token_logprobs=tuple(row.logprobs),
            token_entropies=tuple(row.entropies),
            token_margins=tuple(row.margins),
            refusal_probability=row.refusal_probability,
            finish_reason=row.finish,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=len(row.ids),
        )


def twin(model: Any) -> Any:
    """The same network on the same weights: what is put around the modules of one, as an adapter is, does
    not touch the other."""
    shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    return copy.deepcopy(model, shared)


def longest_first(prompts: Sequence[list[int]]) -> list[int]:
    """The places of ``prompts``: neighbours are of like length, and what fits for the first does for all."""
    return sorted(range(len(prompts)), key=lambda i: len(prompts[i]), reverse=True)
