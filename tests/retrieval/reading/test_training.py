"""A tiny encoder is trained, interrupted and resumed; what comes out is read by numpy and torch alike."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertForQuestionAnswering

from retrieval.reading.calibrating import calibrate_reader
from retrieval.reading.confidence import ReadingCalibration
from retrieval.reading.dataset import ReadingPassage, ReadingQuestion
from retrieval.reading.encoding import TOKENIZER, Encoder
from retrieval.reading.mixture import MixtureSettings
from retrieval.reading.overlap import LEVELS
from retrieval.reading.span_reader import (
    FOLDER,
    EmbeddedSpanReader,
    Text,
    TransformersSpanReader,
    load_span_reader,
)
from retrieval.reading.training import (
    CHUNK,
    ReaderSettings,
    ReaderTrainingError,
    hide_matches,
    row,
    train_span_reader,
)
from retrieval.reading.weights import load_weights

NAMES = ["孙建国", "周敏", "沈云舟", "陆清和", "Helena Marsh", "Oren Falk"]
PLACES = ["杭州", "青石镇", "上海", "Tallgrove", "Marl", "南湖区"]


def passages(count: int) -> list[ReadingPassage]:
    rng = random.Random(0)
    made = []
    for number in range(count):
        name, place = rng.choice(NAMES), rng.choice(PLACES)
        text = f"第{number}号档案。{name}出生于{place},后来迁居他处。"
        question = ReadingQuestion(f"{name}出生在哪里?", (place,))
        made.append(ReadingPassage(f"档案{number}", text, (question,)))
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained encoder of one layer with the tokenizer that comes with the project."""
    folder = tmp_path_factory.mktemp("base")
    (folder / TOKENIZER).write_bytes((FOLDER / TOKENIZER).read_bytes())
    vocabulary = json.loads((FOLDER / "config.json").read_text())["vocab_size"]
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, type_vocab_size=2, pad_token_id=1,
    )  # fmt: skip
    BertForQuestionAnswering(config).save_pretrained(folder)
    return folder


def settings(**changes: object) -> ReaderSettings:
    plain = MixtureSettings(
        neighbour=0.1, without_sentence=0, other_subject=0, exchanged=0, repeated=0, statements=0
    )
    return ReaderSettings(
        examples=3 * CHUNK, layers=(0,), learning_rate=5e-3, warmup=10, mixture=plain,
        checkpoint_chunks=1, window=64, batch_tokens=512,
    ).model_copy(update=changes)  # fmt: skip


@pytest.mark.slow
def test_a_killed_training_goes_on_and_gives_the_same_reader(base: Path, tmp_path: Path) -> None:
    data = passages(60)
    losses: list[float] = []
    train_span_reader(
        data, str(base), tmp_path / "whole", settings(), report=lambda _, loss: losses.append(loss)
    )
    assert losses[-1] < 0.6 * losses[0]

    def kill(done: int, _: float) -> None:
        if done >= 2 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_span_reader(data, str(base), tmp_path / "killed", settings(), report=kill)
    assert not (tmp_path / "killed" / "manifest.json").exists()
    again: list[int] = []
    train_span_reader(
        data, str(base), tmp_path / "killed", settings(), report=lambda done, _: again.append(done)
    )
    assert again == [2 * CHUNK, 3 * CHUNK]  # the first chunk was not learnt again
    whole, resumed = load_weights(tmp_path / "whole"), load_weights(tmp_path / "killed")
    for name, tensor in whole.items():
        np.testing.assert_allclose(resumed[name], tensor, atol=2e-3, err_msg=name)

    # Numpy and torch read the same, and what it learnt is where somebody was born.
    texts = [Text("", "档案。孙建国出生于青石镇,后来迁居他处。"), Text("", "周敏在上海工作。")]
    by_torch = EmbeddedSpanReader.load(tmp_path / "whole", engine="torch")
    by_numpy = EmbeddedSpanReader.load(tmp_path / "whole", engine="numpy")
    one, other = (reader.predict("孙建国出生在哪里?", texts) for reader in (by_torch, by_numpy))
    assert texts[0].text[slice(*one[0].spans[0][:2])] == "青石镇"
    for a, b in zip(one, other, strict=True):
        assert a.spans[0][:2] == b.spans[0][:2]
        assert a.score == pytest.approx(b.score, abs=0.3)
    assert by_torch.name == by_numpy.name == load_span_reader(tmp_path / "whole").name

    # A finished folder is left alone; other settings are another reader.
    before = (tmp_path / "whole" / "model.safetensors").stat().st_mtime_ns
    train_span_reader(data, str(base), tmp_path / "whole", settings())
    assert (tmp_path / "whole" / "model.safetensors").stat().st_mtime_ns == before

    made = calibrate_reader(by_torch, data[:40], data[40:], tmp_path / "whole", limit=30)
    assert ReadingCalibration.load(tmp_path / "whole") == made
    assert 0 <= made.threshold <= 1


@pytest.mark.slow
def test_any_model_of_transformers_reads_by_the_same_protocol(base: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(base / TOKENIZER), bos_token="<s>", eos_token="</s>", cls_token="<s>",
        sep_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=128,
    )  # fmt: skip
    tokenizer.save_pretrained(base)
    reader = load_span_reader(base)
    assert isinstance(reader, TransformersSpanReader)
    text = "周敏在上海工作。" * 40  # several windows
    [long, empty] = reader.predict("周敏在哪里工作?", [Text("周敏", text), Text("", "")])
    assert all(0 <= s.start < s.end <= len(text) for s in long.spans)
    assert empty.spans == ()


def test_an_example_becomes_a_window_that_holds_its_answer() -> None:
    encoder = Encoder.load(FOLDER)
    from retrieval.reading.dataset import located

    [passage] = passages(1)
    long = passage._replace(text="其他文字。" * 200 + passage.text + "别的文字。" * 200)
    example = located(long, long.questions[0])
    assert example is not None
    for seed in range(20):
        made = row(example, encoder, 60, random.Random(seed))
        assert made is not None
        first = made.window.first
        start = made.window.offsets[made.start - first][0]
        end = made.window.offsets[made.end - first][1]
        assert long.text[start:end].strip() == example.text[example.start : example.end]
        assert max(made.window.types) < 2 * LEVELS
        assert len(made.window.offsets) <= 60


def test_hidden_matches_keep_the_side_and_lose_some_levels() -> None:
    types = [0, 3, 3, 0, 5, 9, 9, 5, 7, 5]
    drawn = [hide_matches(types, random.Random(seed)) for seed in range(20)]
    assert all([t // LEVELS for t in made] == [t // LEVELS for t in types] for made in drawn)
    assert all(a in (b, b - b % LEVELS) for made in drawn for a, b in zip(made, types, strict=True))
    assert len({tuple(made) for made in drawn}) > 4


def test_a_base_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / TOKENIZER).write_bytes((FOLDER / TOKENIZER).read_bytes())
    with pytest.raises(ReaderTrainingError, match="no encoder to start from"):
        train_span_reader(passages(3), str(tmp_path), tmp_path / "out", settings())
    with pytest.raises(ReaderTrainingError, match="hold no question"):
        train_span_reader([], str(tmp_path), tmp_path / "out", settings())


def test_layers_that_are_not_there_are_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaderTrainingError, match="layers 0 to 1"):
        train_span_reader(passages(3), str(base), tmp_path, settings(layers=(0, 7)))
