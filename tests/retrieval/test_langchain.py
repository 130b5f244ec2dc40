"""From a LangChain program: retriever, vector store, embeddings, and the chain as a step of another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from kg_builder.passage import Passage
from retrieval.chain import RetrievalChain
from retrieval.engines import PassageIndex
from retrieval.evidence import Evidence
from retrieval.index import Index
from retrieval.langchain import (
    OurEmbeddings,
    PassageRetriever,
    PassageVectorStore,
    TheirEmbedder,
    reading_runnable,
)
from retrieval.milvus import MilvusIndex

FATHER = "沈云舟的父亲是谁?"


@pytest.fixture(params=["files", "milvus"])
def index(request: pytest.FixtureRequest, passages: list[Passage], tmp_path: Path) -> PassageIndex:
    embedder = TheirEmbedder(DeterministicFakeEmbedding(size=32), "fake")
    if request.param == "milvus":
        return MilvusIndex.build(passages, tmp_path, embedder, uri="p.db")
    return Index.build(passages, tmp_path, embedder)


class Web:
    name = "web"

    async def search(
        self, question: str, k: int, *, deadline: float | None = None
    ) -> list[Evidence]:
        return [Evidence(passage=Passage(id="w", title="t", text=question), score=1, source="web")]


async def test_a_retriever(index: PassageIndex) -> None:
    retriever = PassageRetriever(source=index, k=2)
    assert isinstance(retriever, BaseRetriever)
    found = retriever.invoke(FATHER)
    assert (found[0].id, found[0].metadata["title"]) == ("p0", "沈云舟")
    assert len(found) <= 2
    assert await retriever.ainvoke(FATHER) == found
    assert (await retriever.abatch([FATHER, "韩松"]))[1][0].metadata["title"] == "韩松"


async def test_a_retriever_of_the_web() -> None:
    retriever = PassageRetriever(source=Web())
    assert (await retriever.ainvoke("甲"))[0].page_content == "甲"


def test_a_retriever_of_the_web_without_a_loop() -> None:
    assert PassageRetriever(source=Web()).invoke("甲")[0].metadata["source"] == "web"


def test_in_a_chain_of_langchain(index: PassageIndex) -> None:
    def joined(documents: list[Document]) -> str:
        return "\n".join(found.page_content for found in documents)

    chain: Runnable[str, str] = (
        {
            "context": PassageRetriever(source=index, k=1) | RunnableLambda(joined),
            "question": RunnablePassthrough(),
        }
        | RunnableLambda(lambda given: f"{given['context']} ← {given['question']}")
        | StrOutputParser()
    )
    assert chain.invoke(FATHER).endswith(f"← {FATHER}")
    assert "沈怀远" in chain.invoke(FATHER)


async def test_the_reading_chain_is_a_step(index: PassageIndex) -> None:
    step = reading_runnable(RetrievalChain(index))
    answers = step | RunnableLambda(lambda reading: reading.answer)
    assert await answers.ainvoke(FATHER) == "沈怀远"
    assert await answers.abatch([FATHER, "东海道的首府是哪里?"]) == ["沈怀远", "海宁城"]


def test_the_reading_chain_without_a_loop(passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path)
    assert reading_runnable(RetrievalChain(index)).invoke(FATHER).answer == "沈怀远"


def test_a_vector_store(index: PassageIndex) -> None:
    store = PassageVectorStore(index)
    text = "云梦泽的水神是湘君。"
    (identity,) = store.add_texts([text], [{"title": "云梦泽", "url": "https://a.example/"}])
    found, score = store.similarity_search_with_score(f"云梦泽。{text}", 1)[0]
    assert (found.id, found.page_content, found.metadata["url"]) == (
        identity, text, "https://a.example/",
    )  # fmt: skip
    assert score == pytest.approx(1, abs=1e-4)
    assert store.similarity_search_with_relevance_scores(f"云梦泽。{text}", 1)[0][1] > 0.99
    assert store.get_by_ids([identity, "absent"])[0].page_content == text
    assert store.delete([identity])
    assert store.get_by_ids([identity]) == []
    store.add_documents([Document(page_content=text, id="d")])
    assert store.similarity_search(text, 1, mode="lexical")[0].id == "d"
    assert store.delete()
    assert index.size == 0


async def test_a_vector_store_asynchronously(index: PassageIndex) -> None:
    store = PassageVectorStore(index, mode="lexical")
    await store.aadd_texts(["云梦泽的水神是湘君。"], ids=["new"])
    assert (await store.asimilarity_search("云梦泽的水神", 1))[0].id == "new"
    assert (await store.as_retriever(search_kwargs={"k": 1}).ainvoke("云梦泽"))[0].id == "new"
    with pytest.raises(NotImplementedError, match="rank"):
        store.similarity_search_with_relevance_scores("云梦泽")


def test_a_vector_store_from_texts(tmp_path: Path) -> None:
    embedding = DeterministicFakeEmbedding(size=16)
    store = PassageVectorStore.from_texts(["甲在乙。", "丙在丁。"], embedding, folder=tmp_path)
    assert store.similarity_search("丙在丁。", 1)[0].page_content == "丙在丁。"
    assert store.embeddings is not None
    opened = Index.open(tmp_path, TheirEmbedder(embedding, "DeterministicFakeEmbedding"))
    assert opened.size == 2


def test_embeddings_both_ways() -> None:
    theirs = DeterministicFakeEmbedding(size=8)
    again = OurEmbeddings(TheirEmbedder(theirs, "fake"))
    assert len(again.embed_query("甲")) == 8
    assert sum(x * x for x in again.embed_documents(["乙"])[0]) == pytest.approx(1, abs=1e-5)


def test_langchain_community_is_not_needed() -> None:
    code = (
        "import sys, retrieval.langchain, retrieval.milvus;"
        "print([m for m in sys.modules if m.startswith(('langchain_community', 'torch'))])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
