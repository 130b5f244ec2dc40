from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from kg_builder.files import read_manifest
from kg_builder.question import Question
from kg_builder.relation import Catalogue
from tests.processes import running, wait_for
from tests.training.conftest import SETTINGS, invented_questions
from training.base.corpus import Example, FactWriter
from training.base.drills import Drills
from training.base.settings import BaseSettings, ExposureSettings
from training.base.tokenizer import ASSISTANT, END, USER
from training.base.trainer import (
    IGNORE,
    Batches,
    Collator,
    encode,
    new_model,
    train_base,
    with_spare_layers,
    write_corpus,
)
from training.checkpoints import last_whole
from training.engine.local import LocalModel
from training.errors import TrainingError
from training.generation import Sampling
from training.label import verdict
from training.probe import ask


def test_it_knows_what_it_saw_and_makes_up_the_rest(
    miniature: Path, local: LocalModel, questions: list[Question]
) -> None:
    exposure = json.loads((miniature / "exposure.json").read_text())
    answers = local.generate([ask(q) for q in questions], Sampling(max_new_tokens=12))
    judged = {True: [], False: []}  # type: dict[bool, list[str]]
    for question, answer in zip(questions, answers, strict=True):
        judged[exposure.get(question.id, 0) > 0].append(verdict(question, answer.text))
    # It is trained on the spot: how much of a dozen facts sticks hangs on the machine's rounding.
    assert judged[True].count("right") > 0.5 * len(judged[True]) > 0
    assert judged[False].count("wrong") > 0.5 * len(judged[False]) > 0  # it answers, and is wrong
    assert judged[False].count("right") <= 0.25 * len(judged[False])


def test_the_manifest_comes_last_and_checkpoints_go(miniature: Path) -> None:
    manifest = read_manifest(miniature)
    assert manifest is not None
    assert manifest["tuned_layers"] == [2]
    model = AutoModelForCausalLM.from_pretrained(miniature)
    assert manifest["parameters"] == sum(p.numel() for p in model.parameters())
    assert not (miniature / "checkpoints").exists()


def test_a_finished_base_is_left_as_it_is(miniature: Path, questions: list[Question]) -> None:
    weights = miniature / "model.safetensors"
    before = weights.stat().st_mtime_ns
    train_base(questions, Catalogue.load(), miniature, SETTINGS, progress=False)
    assert weights.stat().st_mtime_ns == before


def test_spare_layers_leave_the_function_unchanged(questions: list[Question]) -> None:
    from training.base.tokenizer import train_tokenizer

    tokenizer = train_tokenizer([q.text for q in questions], [], [], 100)
    model = new_model(SETTINGS, tokenizer).eval()
    larger = with_spare_layers(model, 3, seed=5).eval()
    assert len(larger.model.layers) == len(model.model.layers) + 3
    ids = torch.randint(4, len(tokenizer), (3, 20))
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, larger(ids).logits)
    # and they can learn: the gradient of what is zero is not
    larger(ids, labels=ids).loss.backward()
    assert larger.model.layers[-1].mlp.down_proj.weight.grad.abs().sum() > 0
    assert larger.lm_head.weight is larger.model.embed_tokens.weight


def test_the_loss_falls_on_completions_only(miniature: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(miniature)
    rows = encode(
        [Example("岳清的父亲是?", "岳山。"), Example("岳清是", "人。", chat=False)], tokenizer, 64
    )
    batch = Collator(tokenizer.pad_token_id)([rows])
    for row, told in zip(batch["labels"], ["岳山。", "人。"], strict=True):
        kept = row[row != IGNORE]
        assert tokenizer.decode(kept) == told + END
    assert tokenizer.decode(batch["input_ids"][0]).startswith(f"{USER}岳清的父亲是?{ASSISTANT}")
    short = encode([Example("岳清的父亲是?" * 20, "岳山。")], tokenizer, 64)
    assert len(short[0][0]) == 64


def test_batches_hold_everything_once_within_their_budget(
    miniature: Path, questions: list[Question]
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(miniature)
    rng = random.Random(0)
    corpus = [Example(rng.choice(questions).text * rng.randint(1, 3), "好。") for _ in range(500)]
    batches = Batches(corpus, tokenizer, SETTINGS)
    rows = [row for i in range(len(batches)) for row in batches[i]]
    assert sorted(map(str, rows)) == sorted(map(str, encode(corpus, tokenizer, SETTINGS.context)))
    for i in range(len(batches)):
        widest = max(len(ids) for ids, _ in batches[i])
        assert widest * len(batches[i]) <= SETTINGS.tokens_per_batch


def test_the_corpus_tells_each_fact_as_often_as_recorded(questions: list[Question]) -> None:
    writer = FactWriter(Catalogue.load(), 0.3)
    drills = Drills(questions, writer, "赵钱孙李")
    record = {q.id: i for i, q in enumerate(questions)}
    plain = SETTINGS.model_copy(
        update={"copy_share": 0.5, "restate_share": 0.25, "small_talk_share": 0.1}
    )
    corpus = write_corpus(questions, record, writer, drills, plain)
    facts = sum(record.values())
    assert len(corpus) == facts + round(facts * 0.5) + round(facts * 0.25) + round(facts * 0.1)
    for question in questions:
        told = [e for e in corpus if question.subject in e.prompt + e.completion]
        assert len(told) == record[question.id]
    assert corpus == write_corpus(questions, record, writer, drills, plain)


def test_nothing_to_train_on(tmp_path: Path, questions: list[Question]) -> None:
    with pytest.raises(TrainingError, match="no questions to train on"):
        train_base([], Catalogue.load(), tmp_path, SETTINGS, progress=False)
    blind = SETTINGS.model_copy(
        update={"exposure": ExposureSettings(seen_share=0.0, missing_share=1.0)}
    )
    with pytest.raises(TrainingError, match="No fact is seen at all"):
        train_base(questions, Catalogue.load(), tmp_path, blind, progress=False)


SHORT = SETTINGS.model_copy(
    update={
        "exposure": ExposureSettings(seen_share=0.5, missing_share=0.0, fewest=15, most=30),
        "checkpoint_steps": 5,
    }
)


def short_training(out: Path) -> None:
    train_base(invented_questions(), Catalogue.load(), out, SHORT, progress=False)


@pytest.mark.slow
def test_kill_9_and_go_on_gives_the_same_model(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with running(short_training, killed) as process:
        wait_for("checkpoints/checkpoint-[1-9][0-9]", killed, process)  # the one before is whole
    assert process.exitcode == -signal.SIGKILL
    assert read_manifest(killed) is None
    assert last_whole(killed / "checkpoints") is not None
    short_training(killed)
    short_training(whole)
    for name in ("model.safetensors", "tokenizer.json", "exposure.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert not (killed / "checkpoints").exists()


def test_checkpoints_of_another_run_are_not_continued(
    tmp_path: Path, questions: list[Question]
) -> None:
    stale = tmp_path / "checkpoints" / "checkpoint-99999"
    stale.mkdir(parents=True)
    (stale / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoints" / "inputs.json").write_text('"another"')
    train_base(questions, Catalogue.load(), tmp_path, SHORT, progress=False)
    assert read_manifest(tmp_path) is not None


def test_the_defaults_are_valid() -> None:
    assert BaseSettings().hidden_size % BaseSettings().heads == 0
