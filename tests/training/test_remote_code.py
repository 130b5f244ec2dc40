"""No model brings code of its own along: whatever a bundle, an index or a recipe names is only data."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("kg_builder", "training", "retrieval", "service", "eval", "zhizhi")
# What of these libraries fetches a model by its name, and runs its code where it is told to.
LOADERS = (
    *("AutoTokenizer", "AutoConfig", "AutoModelFor", "AutoProcessor"),
    *("CrossEncoder", "SentenceTransformer"),
)


def loaders(path: Path) -> list[tuple[str, ast.Call]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            by_name = name.endswith(".from_pretrained") or name in (
                "CrossEncoder",
                "SentenceTransformer",
            )
            modules = any(keyword.arg == "modules" for keyword in node.keywords)
            if by_name and name.startswith(LOADERS) and not modules:
                found.append((f"{path.relative_to(ROOT)}:{node.lineno} {name}", node))
    return found


FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
CALLS = [call for path in FILES for call in loaders(path)]


def test_there_are_such_calls() -> None:
    assert len(CALLS) >= 10


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_remote_code_is_never_trusted(call: tuple[str, ast.Call]) -> None:
    told = {keyword.arg: ast.unparse(keyword.value) for keyword in call[1].keywords}
    assert told.get("trust_remote_code") == "False"
