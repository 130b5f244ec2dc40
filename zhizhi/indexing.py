"""Indexes of runs and of documents: train the embedder on the passages, or take the one that is named."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kg_builder.errors import UserError
from kg_builder.passage import Passage
from kg_builder.question import Question
from kg_builder.splits import unit_hash
from zhizhi.recipe import EMBEDDED, Recipe, validated
from zhizhi.stage import console

if TYPE_CHECKING:
    from retrieval.documents.sources import Sources
    from retrieval.embedder import Embedder
    from retrieval.engines import PassageIndex
    from retrieval.index import Progress

NO_EMBEDDER = "none"
EMBEDDER_SAMPLE = 100_000  # passages that the embedded embedder learns from at most
PASSAGES_PER_STEP = 4  # a few passages are learnt by heart long before the usual steps are done


class IndexingError(UserError):
    """Nothing to index, or nothing to delete."""


def make_index(
    recipe: Recipe,
    passages: Sequence[Passage],
    training: Sequence[Question],
    out: Path,
    prose: Sequence[Passage] = (),
) -> dict[str, Any]:
    """Index ``passages`` under ``out``, with ``prose`` beside or in place of those about the same entity.

    Only questions of the training split teach the embedder.
    """
    from retrieval.index import Index

    passages = with_prose(passages, prose, alone=recipe.retrieval.prose == "alone")
    passages = [p for p in passages if is_told(p.entities[0], recipe.retrieval.untold_share)]
    index = Index.build(passages, out, embedder(recipe.retrieval.embedder, passages, training))
    return {"passages": index.size}


def with_prose(
    passages: Sequence[Passage], prose: Sequence[Passage], *, alone: bool
) -> list[Passage]:
    """``passages`` with the ``prose`` about their entities in their language; ``alone``: in their place.

    Prose about an entity that no passage tells is left out: it belongs to another graph.
    """
    found = {(p.language, p.entities[0]): p for p in prose}
    made: list[Passage] = []
    for passage in passages:
        other = found.get((passage.language, passage.entities[0]))
        if other is None or not alone:
            made.append(passage)
        if other is not None:
            made.append(other)
    return made


def is_told(entity: str, untold_share: float) -> bool:
    """Whether the index tells about ``entity``, by a hash of its id."""
    return unit_hash(entity, "untold") >= untold_share


def embedder(
    name: str, passages: Sequence[Passage], training: Sequence[Question] = ()
) -> Embedder | None:
    """The embedder of that name; the embedded one learns from the passages and training questions."""
    if name == NO_EMBEDDER or (name == EMBEDDED and len(passages) < 2):  # one teaches nothing
        return None
    if name != EMBEDDED:
        from retrieval.embedder import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(name)
    from retrieval.embedder_training import EmbedderSettings, train_embedder

    told = {entity: passage.text for passage in passages for entity in passage.entities[:1]}
    pairs = [(q.text, told[q.subject_id]) for q in training if q.subject_id in told]
    if len(passages) > EMBEDDER_SAMPLE:
        passages = random.Random(0).sample(passages, EMBEDDER_SAMPLE)
    settings = EmbedderSettings()
    steps = min(settings.steps, len(passages) // PASSAGES_PER_STEP)
    return train_embedder(passages, pairs, settings.model_copy(update={"steps": steps}))


def build_index(
    paths: Sequence[Path],
    folder: Path,
    *,
    embedder_name: str = EMBEDDED,
    milvus: str | None = None,
    chunk: int,
    overlap: int,
    quiet: bool = False,
) -> PassageIndex:
    """Index the documents below ``paths`` alone, whatever the folder held before."""
    from retrieval.documents.sources import Sources

    sources = Sources()
    passages, _ = _read(paths, sources, chunk, overlap)
    console.print(f"{len(passages):,} passages read")
    if embedder_name == EMBEDDED:
        console.print("training the embedder on them …")
    chosen = embedder(embedder_name, passages)
    index: PassageIndex
    with _bars(quiet) as progress:
        if milvus is not None:
            from retrieval.milvus import MilvusIndex

            index = MilvusIndex.build(passages, folder, chosen, uri=milvus, progress=progress)
        else:
            from retrieval.index import Index

            index = Index.build(passages, folder, chosen, progress=progress)
    sources.save(folder)
    return index


def add_documents(
    paths: Sequence[Path], folder: Path, *, chunk: int, overlap: int, quiet: bool = False
) -> PassageIndex:
    """Add the documents below ``paths``; those that are there already are replaced."""
    from retrieval.documents.sources import Sources
    from retrieval.engines import open_index

    index = open_index(folder)
    sources = Sources.load(folder)
    passages, documents = _read(paths, sources, chunk, overlap)
    # Written first: a name that is known and unused does no harm, one that is used and unknown would.
    sources.save(folder)
    with _bars(quiet) as progress:
        return index.add(passages, replacing=documents, progress=progress)


def delete_documents(ids: Sequence[str], folder: Path) -> int:
    """Delete documents or passages by id; return how many passages went."""
    from retrieval.engines import open_index

    gone = open_index(folder).delete(ids)
    if not gone:
        raise IndexingError(
            f"{folder} holds no passage and no document {', '.join(ids)}. "
            "`zhizhi index search` shows ids."
        )
    return gone


def _read(
    paths: Sequence[Path], sources: Sources, chunk: int, overlap: int
) -> tuple[list[Passage], list[str]]:
    """The passages below ``paths`` and the documents that were read; what is left out is shown."""
    from retrieval.chunking import ChunkSettings
    from retrieval.documents import read_files

    settings = validated(ChunkSettings, {"size": chunk, "overlap": overlap})
    passages: list[Passage] = []
    documents: list[str] = []
    left_out = 0
    for extraction in read_files(paths, settings, sources=sources):
        documents.append(extraction.document)
        passages += extraction.passages
        left_out += len(extraction.left_out)
        for left in extraction.left_out:
            console.print(f"left out: {left}", markup=False, highlight=False, soft_wrap=True)
    if left_out:
        console.print(f"{left_out:,} left out, {len(documents):,} files in all")
    if not passages:
        raise IndexingError(f"There is no text in {', '.join(map(str, paths))}. Give other files.")
    return passages, documents


@contextmanager
def _bars(quiet: bool) -> Iterator[Progress]:
    """Progress bars on a terminal, one a stage."""
    from tqdm import tqdm

    bars: dict[str, tqdm[Any]] = {}
    off = quiet or not sys.stderr.isatty()

    def show(stage: str, done: int, total: int) -> None:
        bar = bars.get(stage)
        if bar is None:
            bar = bars[stage] = tqdm(total=total, desc=stage, disable=off)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
