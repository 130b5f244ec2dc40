"""Extras: which part of the installation a command lacks, in a word that mends it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from kg_builder.errors import UserError

# The extra of pyproject.toml that brings a module along: the smallest, where several do.
EXTRA_OF = {
    **dict.fromkeys(("torch", "transformers", "peft", "safetensors"), "model"),
    **dict.fromkeys(("trl", "accelerate", "datasets", "tensorboard"), "train"),
    **dict.fromkeys(("scipy", "sklearn", "matplotlib", "jinja2"), "eval"),
    **dict.fromkeys(("duckdb", "pyarrow", "pyoxigraph", "orjson", "zstandard"), "kg"),
    **dict.fromkeys(("charset_normalizer", "python_calamine"), "kg"),
    **dict.fromkeys(
        ("faiss", "bm25s", "rjieba", "langchain", "langchain_core", "tokenizers"), "retrieval"
    ),
    **dict.fromkeys(("httpx", "numpy"), "retrieval"),
    **dict.fromkeys(
        ("fastapi", "fastapi_offline", "uvicorn", "starlette", "pydantic_settings"), "service"
    ),
    **dict.fromkeys(("prometheus_client", "limits", "sqlalchemy", "alembic"), "service"),
    **dict.fromkeys(("lxml", "markdown_it", "chardet", "mammoth", "openpyxl"), "documents"),
    **dict.fromkeys(("pypdfium2", "pptx"), "documents"),
    **dict.fromkeys(("psycopg", "redis"), "shared"),
    **dict.fromkeys(("ddgs", "trafilatura", "lxml_html_clean"), "web"),
    **dict.fromkeys(("rapidocr", "onnxruntime"), "ocr"),
    "pymilvus": "milvus",
    "sentence_transformers": "embedder",
    "bitsandbytes": "quantised",
    "opentelemetry": "tracing",
}
PACKAGES = ("kg_builder", "training", "retrieval", "service", "eval")
ROOT = Path(__file__).resolve().parents[1]


class PackagesError(UserError):
    """A package of the same name stands before one of ours."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to install for a module that is not there; None where it belongs to no extra."""
    module = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(module)
    if extra is None:
        return None
    return (
        f"This needs {module}, which is not installed. Install the extra {extra!r}: "
        f"pip install 'zhizhi[{extra}]'"
    )


def check_packages() -> None:
    """Raises PackagesError where one of our packages would be imported from somewhere else.

    Their names are plain words. A folder ``training`` on PYTHONPATH, or beside a script that imports
    zhizhi, comes before ours.
    """
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        found = Path(spec.origin).resolve().parent
        if found != ROOT / name:
            raise PackagesError(
                f"{found} stands before zhizhi's own package {name!r} ({ROOT / name}). Take its folder "
                "out of PYTHONPATH, or give it another name."
            )
