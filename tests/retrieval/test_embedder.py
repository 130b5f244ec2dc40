from pathlib import Path

import numpy as np
import pytest

from kg_builder.passage import Passage
from retrieval.embedder import (
    Embedder,
    NgramEmbedder,
    SentenceTransformerEmbedder,
    Unseen,
    features,
)
from retrieval.embedder_training import (
    EmbedderSettings,
    load_sentence_transformer,
    save_sentence_transformer,
    train_embedder,
)
from retrieval.errors import EmbedderError
from retrieval.passage_text import passage_text

SMALL = EmbedderSettings(buckets=4096, dimension=32, steps=10, batch_size=8)


def test_features_are_hashed_with_sublinear_counts() -> None:
    ids, weights = features("飞飞飞", 1 << 16)
    assert sorted(weights.tolist()) == pytest.approx([1 + np.log(2), 1 + np.log(3)])
    assert len(features("", 1 << 16)[0]) == 1
    assert (features("岳飞", 1 << 16)[0] == features("岳飞", 1 << 16)[0]).all()
    assert len(ids) == 2


@pytest.fixture(scope="module")
def trained(request: pytest.FixtureRequest) -> NgramEmbedder:
    return train_embedder(request.getfixturevalue("passages"), settings=SMALL)


def test_training_finds_passages_by_question(
    trained: NgramEmbedder, passages: list[Passage]
) -> None:
    assert isinstance(trained, Embedder)
    vectors = trained.encode_passages([passage_text(p) for p in passages])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    query = trained.encode_queries(["陆九思的表字是什么?"])
    assert passages[int((vectors @ query[0]).argmax())].title == "陆九思"


def test_training_is_deterministic(trained: NgramEmbedder, passages: list[Passage]) -> None:
    again = train_embedder(passages, settings=SMALL)
    assert again.name == trained.name


def test_it_is_a_sentence_transformers_model(trained: NgramEmbedder, tmp_path: Path) -> None:
    save_sentence_transformer(trained, tmp_path)
    texts = ["岳云的父亲是谁?", "Who wrote it?", ""]
    model = load_sentence_transformer(tmp_path)
    theirs = model.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(trained.encode_queries(texts), theirs, atol=2e-3)
    assert NgramEmbedder.load(tmp_path).name == trained.name


def test_pairs_teach_words_that_passages_lack(passages: list[Passage]) -> None:
    pairs = [
        (f"{p.title[-2:]}阿爸系边个", passage_text(p)) for p in passages if "父亲" in p.text
    ] * 4
    settings = SMALL.model_copy(update={"steps": 30})
    embedder = train_embedder(passages, pairs, settings)
    vectors = embedder.encode_passages(["柳如烟的父亲是柳敬之。", "海宁城的市花是茉莉。"])
    scores = vectors @ embedder.encode_queries(["阿爸系边个"])[0]
    assert scores[0] > scores[1]


def test_one_passage_is_too_few(passages: list[Passage]) -> None:
    with pytest.raises(EmbedderError, match=r"1 passage\(s\)"):
        train_embedder(passages[:1])


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no embedder of ours"):
        NgramEmbedder.load(tmp_path)
    NgramEmbedder(np.zeros((8, 4), np.float16)).save(tmp_path)
    (tmp_path / "config.json").write_text('{"buckets": 9, "dimension": 4}')
    with pytest.raises(EmbedderError, match=r"\(8, 4\), its config says \(9, 4\)"):
        NgramEmbedder.load(tmp_path)
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        _ = SentenceTransformerEmbedder(tmp_path / "absent").dimension


def test_any_sentence_transformers_folder_is_an_embedder(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "query": 1, "cat": 2, ":": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_dim=8)], prompts={"query": "query: "}
    )
    model.save(str(tmp_path))
    embedder = SentenceTransformerEmbedder(tmp_path)
    assert embedder.dimension == 8
    queries, documents = embedder.encode_queries(["cat"]), embedder.encode_passages(["cat"])
    np.testing.assert_allclose(np.linalg.norm(queries), 1, atol=1e-5)
    assert not np.allclose(queries, documents), "the model's query prompt was not used"
    plain = SentenceTransformerEmbedder(tmp_path, query_prompt="", passage_prompt="")
    np.testing.assert_allclose(plain.encode_queries(["cat"]), documents, atol=1e-6)


def test_rows_that_a_seed_gives_are_not_written(tmp_path: Path) -> None:
    unseen = Unseen(seed=3, weight=2.5)
    weights = unseen.rows(4096, 64)
    assert np.allclose(np.linalg.norm(weights.astype(np.float32), axis=1), 2.5, rtol=1e-3)
    weights[[5, 77]] = 1.0
    embedder = NgramEmbedder(weights, unseen)
    embedder.save(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 1000
    loaded = NgramEmbedder.load(tmp_path)
    assert loaded.name == embedder.name
    assert (loaded.weights == weights).all()
