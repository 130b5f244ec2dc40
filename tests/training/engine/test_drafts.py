"""Drafts and refusals that end early: neither may change what a model says."""

from __future__ import annotations

import pytest

from kg_builder.question import Question
from training.engine.local import LocalModel
from training.generation import Generation, Message, Sampling
from training.probe import ask

GREEDY = Sampling(max_new_tokens=12)


@pytest.fixture(scope="module")
def conversations(questions: list[Question]) -> list[list[Message]]:
    return [ask(question, i % 5) for i, question in enumerate(questions)]


@pytest.fixture(scope="module")
def plain(local: LocalModel, conversations: list[list[Message]]) -> list[Generation]:
    return local.generate(conversations, GREEDY)


def same(a: Generation, b: Generation) -> None:
    assert a.text == b.text
    assert a.finish_reason == b.finish_reason
    assert a.completion_tokens == b.completion_tokens
    assert a.token_logprobs == pytest.approx(b.token_logprobs, abs=1e-4)
    assert a.token_entropies == pytest.approx(b.token_entropies, abs=1e-4)
    assert a.token_margins == pytest.approx(b.token_margins, abs=1e-4)
    assert a.refusal_probability == pytest.approx(b.refusal_probability, rel=1e-3)


def test_drafts_change_nothing(
    local: LocalModel, conversations: list[list[Message]], plain: list[Generation]
) -> None:
    texts = [g.text for g in plain]
    halves = [text[: len(text) // 2] + "岳" for text in texts]
    mixed = [(text, "", "岳山岳山" * 9, half)[i % 4] for i, (text, half) in enumerate(
        zip(texts, halves, strict=True))]  # fmt: skip
    for drafts in (texts, halves, mixed, texts[1:] + texts[:1], [""] * len(texts)):
        found = local.generate(conversations, GREEDY, drafts)
        for ours, theirs in zip(found, plain, strict=True):
            same(ours, theirs)


def test_a_right_draft_costs_two_passes(
    local: LocalModel, conversations: list[list[Message]], plain: list[Generation]
) -> None:
    passes = []
    handle = local.model.register_forward_hook(lambda *_: passes.append(1))
    try:
        local.generate(conversations, GREEDY, [g.text for g in plain])
    finally:
        handle.remove()
    # The prompts with their drafts, and the refusal's prefix; a pass for an end that was not in a draft.
    assert len(passes) <= 3 < max(g.completion_tokens for g in plain)


def test_samples_do_not_depend_on_drafts(
    local: LocalModel, conversations: list[list[Message]], plain: list[Generation]
) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=1.3, top_p=0.95, seed=7)
    expected = local.generate(conversations, sampling)
    for ours, theirs in zip(
        local.generate(conversations, sampling, [g.text for g in plain]), expected, strict=True
    ):
        same(ours, theirs)


def test_a_refusal_ends_where_it_is_certain(
    local: LocalModel, conversations: list[list[Message]], plain: list[Generation]
) -> None:
    """The miniature never refuses: what it says most stands for a refusal here."""
    first = plain[0].text[:2]
    refusing = LocalModel(
        local.model, local.tokenizer, name="r", refusal_prefix=first, tokens_per_batch=4096
    )
    (prefix,) = refusing.prefixes
    ending = GREEDY.model_copy(update={"stop_at_refusal": True})
    found = refusing.generate(conversations, ending, [g.text for g in plain])
    aborted = [g for g in found if g.finish_reason == "aborted"]
    assert aborted
    for ours, theirs in zip(found, plain, strict=True):
        if ours.finish_reason == "aborted":
            assert theirs.text.startswith(first)
            assert ours.completion_tokens == len(prefix) < theirs.completion_tokens
            assert ours.token_logprobs == pytest.approx(
                theirs.token_logprobs[: len(prefix)], abs=1e-4
            )
        else:
            assert not theirs.text.startswith(first)
            assert ours.text == theirs.text
