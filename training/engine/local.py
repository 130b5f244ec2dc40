"""LocalModel: a transformers model in this process, behind the Model protocol.

The decoding loop is our own rather than ``generate``: it gets the token log-probabilities, entropies and
margins and the probability of the refusal prefix from the same passes, drops finished rows from the batch,
and draws samples from one random stream per question, so that results do not depend on batching. Greedy
tokens are those of ``generate`` (bench/probe.py checks).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, PreTrainedTokenizerBase

from training.device import best_device, keep_memory
from training.engine.folding import folded, worth_folding
from training.engine.idle import drop_idle_layers
from training.engine.rows import Row, apart, draw, stream_of
from training.errors import ModelError
from training.generation import Generation, Message, Sampling

# Of a guess no more than this is tried: the longest one widens the pass of all.
DRAFT_TOKENS = 16
FLOOR = -100.0  # log of a probability that underflowed
# Templates that know these obey, others ignore them: a short answer is asked for, not a chain of thought.
TEMPLATE_OPTIONS: dict[str, Any] = {"enable_thinking": False}


T = TypeVar("T")


class LocalModel:
    """Runs batches of conversations on the CPU or a GPU.

    ``refusal_prefix`` is the text whose probability after the prompt is reported with every generation; of
    several (one a language) the probabilities are added. ``base`` is the same model as it was before tuning,
    None where no adapter is loaded. Greedy decoding is plain: penalties that a model's
    ``generation_config`` asks for are not applied, so that log-probabilities stay the model's own.
    ``tokens_per_batch`` bounds rows × (longest prompt + new tokens) of one batch; it is halved for good
    when the device runs out of memory.
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
        ends = model.generation_config.eos_token_id
        if ends is None:
            ends = tokenizer.eos_token_id
        self.end_ids = set(ends if isinstance(ends, list) else [ends])

    @classmethod
    def load(
        cls,
        base: str | Path,
        *,
        adapter: Path | None = None,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        name: str | None = None,
        refusal_prefix: str | Sequence[str] = "",
        tokens_per_batch: int = 16_384,
    ) -> LocalModel:
        """Load a model from a folder or hub id, with a PEFT adapter where one is given.

        An ``adapter`` folder without adapter_config.json is a model tuned in full: it is loaded in the
        base's place. ``dtype`` is "auto", a precision, or "4bit"; the ``device`` "spread" parts the layers
        over all devices of the machine. Raises ModelError when anything is missing or does not fit, naming
        it.
        """
        keep_memory()
        extra: dict[str, Any] = {"dtype": dtype}
        if dtype == "4bit":
            from training.quantised import four_bit

            extra = {"quantization_config": four_bit()}
        placed = device == "spread" or dtype == "4bit"  # by transformers, while it loads
        if placed:
            extra["device_map"] = "auto"
        peft = adapter is not None and (adapter / "adapter_config.json").is_file()
        weights, pinned = (base, revision) if adapter is None or peft else (adapter, None)
        try:
            tokenizer = AutoTokenizer.from_pretrained(base, revision=revision)
            model = AutoModelForCausalLM.from_pretrained(weights, revision=pinned, **extra)
        except (OSError, ValueError) as error:
            raise ModelError(f"Cannot load the model {str(weights)!r}: {error}") from error
        if not placed:
            model.to(torch.device(device) if device else best_device())  # type: ignore[arg-type]
        untuned = None
        if peft:
            from peft import PeftModel

            untuned = twin(model)
            try:
                model = PeftModel.from_pretrained(model, str(adapter))  # type: ignore[assignment]
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(
                    f"The adapter {adapter} cannot be put on {str(base)!r}: {error}"
                ) from error
            if worth_folding(model):
                model = folded(model)
        drop_idle_layers(model if untuned is None else untuned)
        if not tokenizer.chat_template:
            raise ModelError(
                f"The model {str(base)!r} has no chat template. Use a chat (instruct) model, or add "
                "chat_template.jinja to its folder."
            )
        named, limit = name or str(base), tokens_per_batch
        return cls(
            model,
            tokenizer,
            name=named,
            refusal_prefix=refusal_prefix,
            base=untuned
            and cls(untuned, tokenizer, name=f"{named} (base)", tokens_per_batch=limit),
            tokens_per_batch=limit,
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
        guesses = self._guesses(drafts, sampling.max_new_tokens)
        rows = self._batched(
            conversations,
            sampling.max_new_tokens,
            lambda places, prompts: self._decode(
                prompts, sampling, [guesses[i] for i in places] if guesses else ()
            ),
        )
        return [self._generation(row) for row in rows]

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` is made of."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def probability(
        self, conversations: Sequence[Sequence[Message]], options: Sequence[str]
    ) -> list[list[float]]:
        """P(option | prompt) of each option as the beginning of the answer, per conversation."""
        texts = [self.tokenizer.encode(option, add_special_tokens=False) for option in options]

        @torch.inference_mode()
        def work(_: list[int], prompts: list[list[int]]) -> list[list[float]]:
            logits, cache, mask, last = self._read(prompts)
            after = [self._after(text, cache, mask, last) for text in texts]
            found: list[list[float]] = probability_of(texts, logits[:, 0], after).tolist()
            return found

        return self._batched(conversations, max(map(len, texts)), work)

    # ---- the parts -------------------------------------------------------------------------------

    def _batched(
        self,
        conversations: Sequence[Sequence[Message]],
        new_tokens: int,
        work: Callable[[list[int], list[list[int]]], list[T]],
    ) -> list[T]:
        """``work`` on batches of prompts of like length, which it is given with their places among the
        ``conversations``; its results in the order of these."""
        prompts = [self._encode(conversation) for conversation in conversations]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]), reverse=True)
        results: dict[int, T] = {}
        start = 0
        while start < len(order):
            width = len(prompts[order[start]]) + new_tokens
            batch = order[start : start + max(1, self.tokens_per_batch // width)]
            done: list[T] | None = None
            try:
                done = work(batch, [prompts[i] for i in batch])
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise ModelError(
                        f"A single prompt of {width} tokens does not fit the device's memory. "
                        "Use a smaller model, dtype or max_new_tokens."
                    ) from error
            if done is None:
                # Outside the handler, whose traceback would keep the failed batch's tensors alive.
                torch.cuda.empty_cache()
                self.tokens_per_batch = width * (len(batch) // 2)
                continue
            results.update(zip(batch, done, strict=True))
            start += len(batch)
        return [results[i] for i in range(len(prompts))]

    def _encode(self, conversation: Sequence[Message]) -> list[int]:
        text = self.tokenizer.apply_chat_template(
            list(conversation),  # type: ignore[arg-type]
            tokenize=False,
            add_generation_prompt=True,
            **TEMPLATE_OPTIONS,
        )
        return self.tokenizer.encode(str(text), add_special_tokens=False)  # type: ignore[no-any-return]

    def _pad(self, prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Left-padded ids and mask, each (rows, longest)."""
        width = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        return ids.to(self.model.device), mask.to(self.model.device)

    def _guesses(self, drafts: Sequence[str], new_tokens: int) -> list[list[int]]:
        """The tokens of ``drafts``; none where the model cannot unsee a token that was guessed wrongly."""
        config = self.model.config.get_text_config()
        layers = set(getattr(config, "layer_types", None) or ["full_attention"])
        if layers != {"full_attention"} or getattr(config, "sliding_window", None):
            return []
        encode, most = self.tokenizer.encode, min(DRAFT_TOKENS, new_tokens - 1)
        return [encode(draft, add_special_tokens=False)[:most] for draft in drafts]

    def _read(
        self, prompts: list[list[int]], guesses: Sequence[list[int]] = ()
    ) -> tuple[torch.Tensor, DynamicCache, torch.Tensor, torch.Tensor]:
        """One pass over the prompts and what is guessed to follow them.

        The logits after the prompt and after each guessed token (rows, 1 + longest guess, vocabulary), the
        cache, the mask (rows, longest prompt + longest guess), which hides the guesses, and each prompt's
        last position (rows, 1).
        """
        ids, mask = self._pad(prompts)
        seen = mask
        last = mask.sum(1, keepdim=True) - 1
        longest = max(map(len, guesses), default=0)
        if longest:
            told = [guess + [0] * (longest - len(guess)) for guess in guesses]
            real = [[1] * len(guess) + [0] * (longest - len(guess)) for guess in guesses]
            ids = torch.cat([ids, torch.tensor(told, device=ids.device)], dim=1)
            seen = torch.cat([mask, torch.tensor(real, device=mask.device)], dim=1)
            mask = torch.cat([mask, mask.new_zeros(len(mask), longest)], dim=1)
        cache = DynamicCache(config=self.model.config)
        cache.activate_past_recording()  # sliding windows too can then forget what was only tried
        output = self.model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=(seen.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1 + longest,
        )
        return output.logits.float(), cache, mask, last

    @torch.inference_mode()
    def _decode(
        self, prompts: list[list[int]], sampling: Sampling, guesses: Sequence[list[int]] = ()
    ) -> list[Row]:
        logits, cache, mask, last = self._read(prompts, guesses)
        after = [self._after(prefix, cache, mask, last) for prefix in self.prefixes]
        refusal = None
        if self.prefixes:
            refusal = probability_of(self.prefixes, logits[:, 0], after).sum(1).clamp(max=1.0)
        rows = [
            Row(
                len(prompt),
                None if refusal is None else float(refusal[i]),
                stream_of(sampling, prompt) if sampling.temperature > 0 else None,
                sampling.max_new_tokens,
            )
            for i, prompt in enumerate(prompts)
        ]
        if sampling.suppress_refusal and self.prefixes:
            logits[:, 0, sorted({prefix[0] for prefix in self.prefixes})] = float("-inf")
        chosen = self._choose(logits[:, 0], rows, sampling)
        if sampling.stop_at_refusal and sampling.temperature == 0:
            self._foresee(chosen, after, rows, sampling)
        if guesses:
            self._follow(guesses, logits, rows, sampling, chosen, mask, last)
        active = rows
        while True:
            keep = [i for i, row in enumerate(active) if not row.done]
            if not keep:
                return rows
            if len(keep) < len(active):
                index = torch.tensor(keep, device=mask.device)
                # Shrinking the batch costs a copy of the cache: worth it once many rows are done.
                if len(keep) <= 0.75 * len(active):
                    cache.batch_select_indices(index)
                    mask, last, chosen = mask[index], last[index], chosen[index]
                    active = [active[i] for i in keep]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            last = last + 1
            output = self.model(
                input_ids=chosen[:, None],
                attention_mask=mask,
                position_ids=last,
                past_key_values=cache,
                use_cache=True,
            )
            chosen = self._choose(output.logits[:, -1].float(), active, sampling)

    def _foresee(
        self,
        chosen: torch.Tensor,
        after: Sequence[torch.Tensor],
        rows: list[Row],
        sampling: Sampling,
    ) -> None:
        """Let the rows say the refusal's prefix that will say it: the logits after it are known already."""
        for prefix, logits in zip(self.prefixes, after, strict=True):
            told = torch.tensor(prefix, device=chosen.device)
            agreed = (chosen == told[0]) & (logits.argmax(-1) == told[1:]).all(1)
            places = agreed.nonzero().flatten().tolist()
            for step in range(len(prefix) - 1 if places else 0):
                self._choose(logits[places, step], [rows[i] for i in places], sampling)

    def _follow(
        self,
        guesses: Sequence[list[int]],
        logits: torch.Tensor,
        rows: list[Row],
        sampling: Sampling,
        chosen: torch.Tensor,
        mask: torch.Tensor,
        last: torch.Tensor,
    ) -> None:
        """Take over what was guessed rightly; ``chosen``, ``mask`` and ``last`` are changed in place."""
        start = mask.shape[1] - (logits.shape[1] - 1)
        places = list(range(len(rows)))
        for step in range(logits.shape[1] - 1):
            places = [
                i
                for i in places
                if not rows[i].done
                and step < len(guesses[i])
                and guesses[i][step] == rows[i].ids[-1]
            ]
            if not places:
                return
            mask[places, start + step] = 1
            last[places] += 1
            chosen[places] = self._choose(
                logits[places, step + 1], [rows[i] for i in places], sampling
            )

    def _after(
        self, text: Sequence[int], cache: DynamicCache, mask: torch.Tensor, last: torch.Tensor
    ) -> torch.Tensor:
        """The logits after each token of ``text`` but the last, should it follow the prompt, (rows,
        tokens − 1, vocabulary); the cache stays as it was."""
        rows = len(mask)
        if len(text) == 1:
            return torch.empty(rows, 0, 1, device=mask.device)
        steps = torch.arange(1, len(text), device=mask.device)
        output = self.model(
            input_ids=torch.tensor(text[:-1], device=mask.device).expand(rows, -1),
            attention_mask=torch.cat([mask, mask.new_ones(rows, len(text) - 1)], dim=1),
            position_ids=last + steps,
            past_key_values=cache,
            use_cache=True,
        )
        cache.crop(1 - len(text))
        logits: torch.Tensor = output.logits.float()
        return logits

    def _choose(self, logits: torch.Tensor, rows: list[Row], sampling: Sampling) -> torch.Tensor:
        """Pick the next token of every row and record what it says about certainty; (rows,)."""
        logprobs = logits.log_softmax(-1)
        probabilities = logprobs.exp()
        entropy = -(probabilities * logprobs.clamp(min=FLOOR)).sum(-1)
        top = probabilities.topk(2, dim=-1)
        if sampling.temperature > 0:
            chosen = draw(logits / sampling.temperature, rows, sampling.top_p)
        else:
            chosen = top.indices[:, 0]
        picked = logprobs.gather(1, chosen[:, None]).squeeze(1).clamp(min=FLOOR)
        margins = top.values[:, 0] - top.values[:, 1]
        told = torch.stack([picked, entropy, margins], dim=1).tolist()  # one transfer
        for row, token, (logprob, nats, margin) in zip(rows, chosen.tolist(), told, strict=True):
            if row.done:
                continue
            row.ids.append(token)
            row.logprobs.append(logprob)
            row.entropies.append(nats)
            row.margins.append(margin)
            if token in self.end_ids:
                row.finish = "stop"
            elif sampling.stop_at_refusal and row.ids in self.prefixes:
                row.finish = "aborted"
        return chosen

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


def probability_of(
    texts: Sequence[Sequence[int]], first: torch.Tensor, after: Sequence[torch.Tensor]
) -> torch.Tensor:
    """P(the answer begins with each of ``texts`` | prompt), (rows, texts), from the logits of the first
    token and those after each following one."""
    start = first.log_softmax(-1)
    found = []
    for ids, logits in zip(texts, after, strict=True):
        told = torch.tensor(ids, device=first.device)
        logprob = start[:, told[0]]
        if len(ids) > 1:
            following = told[1:].expand(len(first), -1)[..., None]
            logprob = logprob + logits.log_softmax(-1).gather(2, following).squeeze(2).sum(1)
        found.append(logprob.exp())
    return torch.stack(found, dim=1)
