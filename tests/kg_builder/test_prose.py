"""The prose about the embedded graph's entities: what it is about, and how it is read."""

import json
from pathlib import Path

import pytest

from kg_builder.build import BuildSettings, build
from kg_builder.files import read_jsonl
from kg_builder.passage import Passage
from kg_builder.prose import FOLDER, ProseError, read_prose
from kg_builder.question import Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")
# How many paragraphs there are at least, and how many characters the shortest and the longest may have.
SIZES: tuple[tuple[Language, int, int, int], ...] = (("zh", 150, 60, 180), ("en", 40, 180, 700))


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Passage]:
    """The passages that templates make of the embedded graph, by language and entity."""
    folder = tmp_path_factory.mktemp("graph")
    build(BuildSettings(languages=LANGUAGES), folder)
    passages = [Passage.model_validate(r) for r in read_jsonl(folder / "passages.jsonl")]
    return {(p.language, p.entities[0]): p for p in passages}


def test_every_paragraph_is_about_an_entity_by_its_own_name(
    templates: dict[tuple[str, str], Passage],
) -> None:
    for passage in read_prose(LANGUAGES):
        template = templates[passage.language, passage.entities[0]]
        assert passage.title == template.title
        assert passage.url == template.url
        assert passage.id != template.id


def test_no_paragraph_repeats_a_template(templates: dict[tuple[str, str], Passage]) -> None:
    written = {template.text for template in templates.values()}
    for passage in read_prose(LANGUAGES):
        assert not [text for text in written if text in passage.text], passage.title
        assert passage.text not in written


def test_the_paragraphs_differ_and_are_paragraphs() -> None:
    for language, fewest, shortest, longest in SIZES:
        passages = read_prose([language])
        assert len(passages) >= fewest
        for values in ({p.id for p in passages}, {p.text for p in passages}):
            assert len(values) == len(passages)
        assert all(shortest <= len(p.text) <= longest for p in passages)
        assert all(p.language == language for p in passages)


def test_ids_stay_the_same_wherever_a_paragraph_stands(tmp_path: Path) -> None:
    lines = (FOLDER / "zh.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "zh.jsonl").write_text("\n".join(reversed(lines)), encoding="utf-8")
    assert {p.id for p in read_prose(["zh"], tmp_path)} == {p.id for p in read_prose(["zh"])}


GOOD = json.dumps({"entity": "甲", "title": "甲", "text": "甲在河边。"}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"entity": "乙", "title": "乙"}', "text"),
        ('{"entity": "乙", "title": "乙", "text": " "}', "text"),
        ('{"entity": "乙", "title": "乙", "text": "乙。", "source": "x"}', "source"),
        ('{"entity": "乙", "title"', "JSON"),
        ('["乙"]', "object"),
        (GOOD, "甲 is told before"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "zh.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ProseError, match=told) as caught:
        read_prose(["zh"], tmp_path)
    assert f"{path}, line 3:" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProseError, match=r"en\.jsonl"):
        read_prose(["en"], tmp_path)
