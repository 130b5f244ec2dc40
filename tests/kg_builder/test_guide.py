"""The guide's own relation, and the sources that its table names."""

import re
import tomllib
from pathlib import Path

from kg_builder.build import BuildSettings, build
from kg_builder.relation import Relation

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "kg.md").read_text(encoding="utf-8")


def test_the_relation_of_the_guide_is_asked(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    (entry,) = tomllib.loads(text)["relation"]
    assert Relation.model_validate(entry).id == "curator"
    catalogue, rows = tmp_path / "own.toml", tmp_path / "rows.csv"
    catalogue.write_text(text, encoding="utf-8")
    rows.write_text("某地双年展览会,展览策划,王某某\n", encoding="utf-8")
    value = {"sources": [str(rows)], "catalogue": [catalogue]}
    report = build(BuildSettings.model_validate(value), tmp_path / "out")
    assert report.questions == 1
    written = {path.name for path in (tmp_path / "out").iterdir()}
    named = set(re.findall(r"^\| `([\w.]+)` \|", GUIDE, re.MULTILINE))
    assert named <= written
