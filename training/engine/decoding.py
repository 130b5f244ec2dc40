"""Decoder: a network's passes over a batch of prompts and over what it says, token by token.

A Batch is a set of completions that grow together. Finished ones leave it, and batches can be joined, so that
the long answers of one share their passes with the next prompts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from training.engine.rows import Row, draw, stream_of
from training.generation import Sampling

FLOOR = -100.0  # log of a probability that underflowed
# Rows whose probabilities are looked at at a time: with a whole vocabulary each, more would not stay in a
# processor's cache.
SLICE = 64
# Dropping a finished row costs a copy of the cache: it is done when this share of the rows is left.
SHRINK = 0.75
# Prompts that begin alike share the reading of a beginning that is at least so many tokens long.
SHARED = 8


@dataclass
class Batch:
    """Completions in flight. The cache holds as many positions as the mask (rows, positions), left-padded;
    ``last`` (rows, 1) is each row's last position and ``chosen`` (rows,) its newest token, not read yet."""

    rows: list[Row]
    cache: DynamicCache
    mask: torch.Tensor
    last: torch.Tensor
    chosen: torch.Tensor

    @property
    def going(self) -> list[int]:
        """The places of the rows that are not done."""
        return [i for i, row in enumerate(self.rows) if not row.done]

    def keep(self, places: Sequence[int]) -> None:
        """Drop the other rows, and the positions that none of the kept ones uses."""
        index = torch.tensor(places, device=self.mask.device)
        self.rows = [self.rows[i] for i in places]
        self.mask, self.last, self.chosen = self.mask[index], self.last[index], self.chosen[index]
        self.cache.batch_select_indices(index)

    def join(self, other: Batch) -> None:
        """Take the rows of ``other`` in; only where every layer's cache grows with the positions."""
        first = int(self.mask.any(0).int().argmax())  # padding that only dropped rows needed
        width = max(self.mask.shape[1] - first, other.mask.shape[1])
        self.mask = torch.cat(
            [_widened(self.mask[:, first:], 1, width), _widened(other.mask, 1, width)]
        )
        for ours, theirs in zip(self.cache.layers, other.cache.layers, strict=True):
            for name in ("keys", "values"):
                mine = getattr(ours, name)[:, :, first:]
                both = [_widened(mine, 2, width), _widened(getattr(theirs, name), 2, width)]
                setattr(ours, name, torch.cat(both))
        self.last = torch.cat([self.last, other.last])
        self.chosen = torch.cat([self.chosen, other.chosen])
        self.rows = [*self.rows, *other.rows]


class Decoder:
    """Runs ``model`` on token ids.

    ``prefixes`` are the refusals whose probability after the prompt every row is told, ``ends`` the tokens
    that end a completion. Greedy tokens are those of ``generate``; a row's tokens, and the random stream
    that they are drawn with, do not depend on the rows beside it.
    """

    def __init__(
        self, model: Any, prefixes: Sequence[list[int]], ends: Collection[int], pad: int
    ) -> None:
        self.model = model
        self.prefixes = prefixes
        self.ends = ends
        self.pad = pad

    @property
    def forgetful(self) -> bool:
        """Whether a layer keeps less than all positions: it cannot unsee a token that was guessed wrongly,
        nor can its cache be joined with another's."""
        config = self.model.config.get_text_config()
        layers = set(getattr(config, "layer_types", None) or ["full_attention"])
        return layers != {"full_attention"} or bool(getattr(config, "sliding_window", None))

    # ---- what engines call -------------------------------------------------------------------------

    @torch.inference_mode()
    def begin(
        self,
        prompts: Sequence[list[int]],
        sampling: Sampling,
        guesses: Sequence[list[int]] = (),
    ) -> Batch:
        """Read the prompts and say each one's first token; of ``guesses`` at what will be said, one a prompt,
        as much is said at once as is right."""
        logits, cache, mask, last = self._read(prompts, guesses)
        after = [self._after(prefix, cache, mask, last) for prefix in self.prefixes]
        refusal = None
        if self.prefixes:
            likely = probability_of(self.prefixes, logits[:, 0], after).sum(1).clamp(max=1.0)
            refusal = likely.tolist()
        rows = [
            Row(
                len(prompt),
                None if refusal is None else refusal[i],
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
        batch = Batch(rows, cache, mask, last, chosen)
        if guesses:
            self._follow(guesses, logits, batch, sampling)
        return batch

    @torch.inference_mode()
    def step(self, batch: Batch, sampling: Sampling) -> None:
        """One more token of every row that is not done."""
        going = batch.going
        if not going:
            return
        if len(going) <= SHRINK * len(batch.rows):
            batch.keep(going)
        batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(batch.mask), 1)], dim=1)
        batch.last = batch.last + 1
        output = self.model(
            input_ids=batch.chosen[:, None],
            attention_mask=batch.mask,
            position_ids=batch.last,
            past_key_values=batch.cache,
            use_cache=True,
        )
        batch.chosen = self._choose(output.logits[:, -1].float(), batch.rows, sampling)

    @torch.inference_mode()
    def probability(
        self, prompts: Sequence[list[int]], texts: Sequence[list[int]]
    ) -> list[list[float]]:
        """P(the answer begins with each of ``texts``) after each prompt."""
        logits, cache, mask, last = self._read(prompts)
        after = [self._after(text, cache, mask, last) for text in texts]
        found: list[list[float]] = probability_of(texts, logits[:, 0], after).tolist()
        return found

    # ---- the parts -------------------------------------------------------------------------------

    def _padded(self, prompts: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Left-padded ids and mask, each (rows, longest)."""
        width = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        return ids.to(self.model.device), mask.to(self.model.device)

    def _read(
        self, prompts: Sequence[list[int]], guesses: Sequence[list[int]] = ()
    ) -> tuple[torch.Tensor, DynamicCache, torch.Tensor, torch.Tensor]:
        """One pass over the prompts and what is guessed to follow them.

        The logits after the prompt and after each guessed token (rows, 1 + longest guess, vocabulary), the
        cache, the mask (rows, longest prompt + longest guess), which hides the guesses, and each prompt's
        last position (rows, 1).
        """
        shared = 0 if self.forgetful else common_prefix(prompts)
        cache = DynamicCache(config=self.model.config)
        cache.activate_past_recording()  # sliding windows too can then forget what was only tried
        if shared:
            self._read_once(prompts[0][:shared], len(prompts), cache)
        ids, mask = self._padded([prompt[shared:] for prompt in prompts])
        before = mask.new_ones(len(mask), shared)
        mask = torch.cat([before, mask], dim=1)
        seen = mask
        last = mask.sum(1, keepdim=True) - 1
        longest = max(map(len, guesses), default=0)
        if longest:
            told = [guess + [0] * (longest - len(guess)) for guess in guesses]
            real = [[1] * len(guess) + [0] * (longest - len(guess)) for guess in guesses]
            ids = torch.cat([ids, torch.tensor(told, device=ids.device)], dim=1)
            seen = torch.cat([mask, torch.tensor(real, device=mask.device)], dim=1)
            mask = torch.cat([mask, mask.new_zeros(len(mask), longest)], dim=1)
        output = self.model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=(seen.cumsum(1) - 1).clamp(min=0)[:, shared:],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1 + longest,
        )
        return output.logits.float(), cache, mask, last

    def _read_once(self, prefix: list[int], rows: int, cache: DynamicCache) -> None:
        """Put what all of ``rows`` prompts begin with into the empty ``cache``, read once for all."""
        ids = torch.tensor([prefix], device=self.model.device)
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(rows)

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
        batch: Batch,
        sampling: Sampling,
    ) -> None:
        """Take over what was guessed rightly."""
        rows = batch.rows
        start = batch.mask.shape[1] - (logits.shape[1] - 1)
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
            batch.mask[places, start + step] = 1
            batch.last[places] += 1
            batch.chosen[places] = self._choose(
                logits[places, step + 1], [rows[i] for i in places], sampling
            )

    def _choose(self, logits: torch.Tensor, rows: list[Row], sampling: Sampling) -> torch.Tensor:
        """Pick the next token of every row and record what it says about certainty; (rows,)."""
        parts = [
            _pick(logits[start : start + SLICE], rows[start : start + SLICE], sampling)
            for start in range(0, len(rows), SLICE)
        ]
        chosen = torch.cat([part[0] for part in parts])
        told = torch.cat([part[1] for part in parts]).tolist()  # one transfer
        for row, token, (logprob, nats, margin) in zip(rows, chosen.tolist(), told, strict=True):
            if row.done:
                continue
            row.ids.append(token)
            row.logprobs.append(logprob)
            row.entropies.append(nats)
            row.margins.append(margin)
            if token in self.ends:
                row.finish = "stop"
            elif sampling.stop_at_refusal and row.ids in self.prefixes:
                row.finish = "aborted"
        return chosen


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


def _pick(
    logits: torch.Tensor, rows: list[Row], sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's next token (rows,), and of its distribution the token's log-probability, the entropy in
    nats, and P(best) − P(second), (rows, 3)."""
    best = logits.topk(2, dim=-1).indices
    if sampling.temperature > 0:
        chosen = draw(logits / sampling.temperature, rows, sampling.top_p)
    else:
        chosen = best[:, 0]
    logprobs = logits.log_softmax(-1)
    probabilities = logprobs.exp()
    two = probabilities.gather(1, best)
    logprobs = logprobs.clamp_(min=FLOOR)
    picked = logprobs.gather(1, chosen[:, None])
    entropy = -probabilities.mul_(logprobs).sum(
        -1, keepdim=True
    )  # in place: the probabilities are done with
    return chosen, torch.cat([picked, entropy, two[:, :1] - two[:, 1:]], dim=1)


def common_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all ``prompts`` begin with, each with at least one left; 0 where sharing them is not
    worth it."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # in between nothing differs earlier
    shortest = min(map(len, prompts))
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), shortest)
    length = min(alike, shortest - 1)
    return length if length >= SHARED else 0


def _widened(tensor: torch.Tensor, dim: int, width: int) -> torch.Tensor:
    """Zeros put before ``tensor`` until its dimension ``dim`` is ``width``."""
    shape = list(tensor.shape)
    shape[dim] = width - shape[dim]
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim) if shape[dim] else tensor
