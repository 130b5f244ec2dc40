"""zhizhi index: documents to an index that answers are looked up in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zhizhi.commands.options import Json, print_json
from zhizhi.stage import console

app = typer.Typer(no_args_is_help=True, help="Documents to an index that answers are looked up in.")

Folder = Annotated[Path, typer.Option("--index", help="Folder of the index.")]
Paths = Annotated[
    list[Path],
    typer.Argument(
        help="Files and folders: text, Markdown, HTML, PDF, Office, CSV, JSON Lines (docs/retrieval.md)."
    ),
]
Size = Annotated[int, typer.Option("--chunk", help="Passages' length, in Chinese characters.")]
Overlap = Annotated[int, typer.Option(help="Characters that neighbouring passages share.")]
INDEX = Path("runs/index")


class Mode(StrEnum):
    """How to search."""

    lexical = "lexical"
    dense = "dense"
    hybrid = "hybrid"


@app.command("build")
def index_build(
    paths: Paths,
    folder: Folder = INDEX,
    embedder: Annotated[
        str,
        typer.Option(
            help="embedded (trained on these documents), none (words only), or the folder or id of a "
            "sentence-transformers model."
        ),
    ] = "embedded",
    milvus: Annotated[
        str | None,
        typer.Option(
            help="Keep passages on a Milvus server (http://host:19530) or in a Milvus Lite file "
            "(books.db); without it FAISS and BM25 files in the folder."
        ),
    ] = None,
    chunk: Size = 400,
    overlap: Overlap = 80,
    as_json: Json = False,
) -> None:
    """Index documents, in place of whatever the folder holds; a service takes it without a restart."""
    from zhizhi.indexing import build_index

    index = build_index(
        paths, folder, embedder_name=embedder, milvus=milvus, chunk=chunk, overlap=overlap,
        quiet=as_json,
    )  # fmt: skip
    console.print(f"{index.size:,} passages in {folder}")
    if as_json:
        print_json(index.info())


@app.command("add")
def index_add(
    paths: Paths,
    folder: Folder = INDEX,
    chunk: Size = 400,
    overlap: Overlap = 80,
    as_json: Json = False,
) -> None:
    """Add documents; one that is in the index already is replaced."""
    from zhizhi.indexing import add_documents

    index = add_documents(paths, folder, chunk=chunk, overlap=overlap, quiet=as_json)
    console.print(f"{index.size:,} passages in {folder}")
    if as_json:
        print_json(index.info())


@app.command("delete")
def index_delete(
    ids: Annotated[list[str], typer.Argument(help="Ids of documents or of single passages.")],
    folder: Folder = INDEX,
    as_json: Json = False,
) -> None:
    """Delete documents with all their passages, or single passages."""
    from zhizhi.indexing import delete_documents

    gone = delete_documents(ids, folder)
    console.print(f"{gone:,} passages deleted")
    if as_json:
        print_json({"deleted": gone})


@app.command("info")
def index_info(
    folder: Folder = INDEX,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file and compare its checksum.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what an index holds; refuse one that is unfinished, damaged or foreign, with the reason."""
    from retrieval.engines import open_index

    info = open_index(folder, verify=verify).info()
    if as_json:
        print_json(info)
    else:
        for name, value in info.items():
            console.print(f"{name:<14} {value}", markup=False)


@app.command("search")
def index_search(
    question: Annotated[str, typer.Argument(help="What to look for, in Chinese or English.")],
    folder: Folder = INDEX,
    k: Annotated[int, typer.Option("-k", min=1, help="How many passages.")] = 5,
    mode: Annotated[Mode, typer.Option(help="How to search.")] = Mode.hybrid,
    as_json: Json = False,
) -> None:
    """Show the passages that fit a question best, without any reading or answering."""
    from retrieval.engines import open_index

    found = open_index(folder).search(question, k, mode.value)
    if as_json:
        print_json([item.model_dump(mode="json") for item in found])
        return
    for number, item in enumerate(found, 1):
        passage = item.passage
        console.print(f"\n{number}. {passage.title}  ({passage.id})", style="bold", markup=False)
        console.print(passage.text, markup=False)
    if not found:
        console.print("Nothing fits.")
