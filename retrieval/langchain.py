"""Retrieval in programs that speak LangChain: a retriever, a vector store, embeddings and a chain.

PassageRetriever(source=index)        a BaseRetriever over an index or a web search
PassageVectorStore(index)             a VectorStore over an index of either engine
OurEmbeddings(embedder)               one of our embedders as LangChain's Embeddings …
TheirEmbedder(embeddings, "name")     … and the other way round
reading_runnable(chain)               question in, Reading out
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict

from kg_builder.passage import Passage
from retrieval.chain import RetrievalChain
from retrieval.documents import language_of
from retrieval.embedder import Embedder, Vectors, unit
from retrieval.engines import PassageIndex
from retrieval.evidence import Evidence, Reading
from retrieval.index import Index, Mode


class PassageRetriever(BaseRetriever):
    """The passages that fit a question best, from an index or from the web."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: Any  # a PassageIndex or a Searcher; pydantic cannot check protocols
    k: int = 8
    mode: Mode = "hybrid"

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        if _is_index(self.source):
            found = self.source.search(query, self.k, self.mode)
        else:
            found = asyncio.run(self.source.search(query, self.k))
        return [document(item) for item in found]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        if _is_index(self.source):
            found = await asyncio.to_thread(self.source.search, query, self.k, self.mode)
        else:
            found = await self.source.search(query, self.k)
        return [document(item) for item in found]


class PassageVectorStore(VectorStore):
    """An index as a vector store. ``mode`` dense is what other stores do; hybrid finds more."""

    def __init__(self, index: PassageIndex, *, mode: Mode = "dense") -> None:
        self.index = index
        self.mode: Mode = mode

    @property
    def embeddings(self) -> Embeddings | None:
        return None if self.index.embedder is None else OurEmbeddings(self.index.embedder)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Texts with an id that is there replace what is there. Of the metadata title, url, language
        and entities are kept."""
        held = list(texts)
        passages = [
            _passage(text, (metadatas or [{}] * len(held))[n], ids[n] if ids else None)
            for n, text in enumerate(held)
        ]
        self.index.add(passages)
        return [passage.id for passage in passages]

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete passages or documents by id; None deletes all, as LangChain has it."""
        gone = [passage.id for passage in self.index.passages()] if ids is None else ids
        self.index.delete(gone)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        found = [self.index.get(one) for one in ids]
        return [document(Evidence(passage=p, score=0)) for p in found if p is not None]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [found for found, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """With cosines where ``mode`` is dense, else scores that only rank."""
        found = self.index.search(query, k, kwargs.get("mode", self.mode))
        return [(document(item), item.score) for item in found]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        if self.mode != "dense":
            raise NotImplementedError(f"Scores of mode {self.mode!r} rank, they do not measure.")
        return lambda cosine: (1 + cosine) / 2

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        folder: str | Path = "index",
        name: str = "",
        **kwargs: Any,
    ) -> PassageVectorStore:
        """A new index in ``folder``, with LangChain's embeddings; ``name`` identifies their weights."""
        embedder = TheirEmbedder(embedding, name or type(embedding).__name__)
        store = cls(Index.build([], Path(folder), embedder), **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store


class OurEmbeddings(Embeddings):
    """One of our embedders for LangChain."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return list(self.embedder.encode_passages(texts).tolist())

    def embed_query(self, text: str) -> list[float]:
        return list(self.embedder.encode_queries([text])[0].tolist())


class TheirEmbedder:
    """LangChain's embeddings for our indexes. ``name`` must change when the weights do."""

    def __init__(self, embeddings: Embeddings, name: str) -> None:
        self.embeddings, self.name = embeddings, name
        self._dimension = 0

    @property
    def dimension(self) -> int:
        if not self._dimension:
            self._dimension = len(self.embeddings.embed_query("?"))
        return self._dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return unit(np.array([self.embeddings.embed_query(text) for text in texts]))

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return unit(np.array(self.embeddings.embed_documents(list(texts))))


def reading_runnable(chain: RetrievalChain) -> Runnable[str, Reading]:
    """The whole chain as a step of another: a question in, an answer with citations or a reason out."""
    return RunnableLambda(chain.answer, chain.aanswer, name="zhizhi")


def document(evidence: Evidence) -> Document:
    """A passage as LangChain's Document; everything but its text is in the metadata."""
    passage = evidence.passage
    return Document(
        id=passage.id,
        page_content=passage.text,
        metadata={
            "title": passage.title,
            "url": passage.url,
            "language": passage.language,
            "entities": list(passage.entities),
            "score": evidence.score,
            "source": evidence.source,
            "provider": evidence.provider,
        },
    )


def _passage(text: str, metadata: dict[str, Any], identity: str | None) -> Passage:
    return Passage(
        id=identity or str(uuid.uuid4()),
        title=str(metadata.get("title", "")),
        text=text,
        url=str(metadata.get("url", "")),
        language=metadata.get("language", language_of(text)),
        entities=tuple(metadata.get("entities", ())),
    )


def _is_index(source: Any) -> bool:
    return hasattr(source, "passages")  # what a Searcher has not
