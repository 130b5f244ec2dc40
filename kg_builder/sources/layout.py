"""Layout: which column of a delimited file is what, from its header, from its cells, or from the user."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from kg_builder.cleaning import alias_relations, vague_relations
from kg_builder.relation import Catalogue
from kg_builder.sources.report import SourceError
from kg_builder.sources.spec import SourceSpec

# What headers call the three columns: lower-case, without blanks and underscores.
HEADERS = {
    "s": ("s", "实体", "主体", "主语", "头实体", "subject", "subj", "entity", "head", "h", "sub",
          "头节点", "头", "实体1", "实体a", "entity1", "headentity", "source", "src", "from", "start",
          "startnode", "node1", "起始节点", "源节点", "subjectname", "headname", "sourcename",
          "startname", "subjectlabel", "头实体名称", "头实体名", "主体名称"),
    "p": ("p", "属性", "关系", "谓语", "谓词", "predicate", "relation", "property", "rel", "r", "pred",
          "attribute", "relationship", "edge", "关系类型", "关系名", "关系名称", "属性名", "属性名称",
          "relationname", "relationtype", "reltype", "predicatelabel", "propertylabel", "relationlabel"),
    "o": ("o", "值", "客体", "宾语", "尾实体", "object", "obj", "value", "tail", "t", "尾节点", "尾",
          "实体2", "实体b", "entity2", "tailentity", "target", "dst", "to", "end", "endnode", "node2",
          "目标节点", "属性值", "objectname", "tailname", "targetname", "endname", "objectlabel",
          "尾实体名称", "尾实体名", "客体名称"),
}  # fmt: skip
# Names that mean the relation where the other two columns are there, and something else where not.
WEAK_RELATION = ("label", "type", "name", "类型", "名称", "标签")
# What headers call the entity of a row where each further column is a relation.
ENTITY = (
    "name",
    "名称",
    "名字",
    "姓名",
    "实体",
    "标题",
    "title",
    "entity",
    "词条",
    "中文名",
    "中文名称",
)
MENTIONS = ("mention2entity", "m2e")
DELIMITERS = ("|||", "\t", ",", ";")
SAMPLE_ROWS = 50
REMEDY = "Name them, by header or by position from 0: --fields s=0,p=1,o=2."

Shape = Literal["triples", "wide", "neo4j"]


@dataclass(frozen=True)
class Layout:
    """Which column is what. ``alias``: a file of two columns, a name and the entity it names."""

    delimiter: str
    columns: int
    s: int = 0
    p: int = 1
    o: int = 2
    header: bool = False
    alias: bool = False

    @property
    def lone(self) -> bool:
        """Whether the delimiter is a single byte, which is what Arrow and quotes go with."""
        return len(self.delimiter.encode()) == 1


def find_layout(sample: str, spec: SourceSpec, catalogue: Catalogue | None = None) -> Layout:
    """The layout of a file of triples from its first lines and from what the user said.

    SourceError where no delimiter is found, or where nothing tells which column is the relation.
    """
    delimiter, rows = sample_rows(sample, spec)
    first = [_plain(cell) for cell in rows[0]]
    if spec.fields:
        return _told(spec, delimiter, rows[0])
    if (places := _named(first)) is not None:
        return Layout(delimiter, len(first), *places, header=True)
    if len(first) == 2 and any(word in Path(spec.location).name for word in MENTIONS):
        return Layout(delimiter, 2, s=1, o=0, alias=True)
    usual = _usual_width(rows)
    found = _by_cells([row for row in rows if len(row) == usual], _knower(catalogue))
    if found is None:
        if usual != 3:
            raise SourceError(
                f"{spec.location}: {usual} columns, and no header that says which of them are the "
                f"subject, the relation and the object. {REMEDY}"
            )
        found = (0, 1, 2)
    return Layout(delimiter, usual, *found)


def table_shape(sample: str, spec: SourceSpec, catalogue: Catalogue | None = None) -> Shape:
    """Whether a delimited file holds triples, a row an entity, or the nodes and edges of Neo4j."""
    _, rows = sample_rows(sample, spec)
    header = [cell.strip().lower() for cell in rows[0]]
    if {"_id", "_labels"} <= set(header) or any(
        cell.endswith((":id", ":start_id")) or ":id(" in cell or ":start_id(" in cell
        for cell in header
    ):
        return "neo4j"
    if spec.fields or _named([_plain(cell) for cell in rows[0]]) is not None:
        return "triples"
    return "wide" if entity_column(rows, catalogue) is not None else "triples"


def entity_column(rows: Sequence[Sequence[str]], catalogue: Catalogue | None = None) -> int | None:
    """Which column names the entity of a wide table; None where the rows are no wide table.

    One whose header says so; else the first, where most of the other headers are relations that the
    catalogue knows.
    """
    header = [_plain(cell) for cell in rows[0]]
    if len(header) < 2:
        return None
    named = next((place for place, cell in enumerate(header) if cell in ENTITY), None)
    others = [cell for place, cell in enumerate(rows[0]) if place != (named or 0)]
    known = sum(map(_knower(catalogue), others))
    if named is not None and (known or len(header) > 3 or header[named] == "name"):
        return named
    return 0 if known >= 2 and known >= 0.6 * len(others) else None


def sample_rows(sample: str, spec: SourceSpec) -> tuple[str, list[list[str]]]:
    """The delimiter of a file and the cells of its first lines; SourceError where there is none."""
    lines = [line.rstrip("\r") for line in sample.split("\n")[:SAMPLE_ROWS] if line.strip()]
    if not lines:
        raise SourceError(f"{spec.location}: the file is empty.")
    delimiter = spec.delimiter or find_delimiter(lines)
    if delimiter is None:
        raise SourceError(
            f"{spec.location}: no delimiter found in {lines[0][:60]!r}. Name it: --delimiter ';'."
        )
    if len(delimiter) == 1:
        try:
            return delimiter, list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            pass  # a stray quote: the reader itself says where
    return delimiter, [
        [cell.strip().strip('"') for cell in line.split(delimiter)] for line in lines
    ]


def find_delimiter(lines: list[str]) -> str | None:
    """The delimiter that cuts most of the lines into the same number of cells, two or more."""
    best, most = None, 0.0
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count)
        share = counts.count(usual) / len(counts)
        if usual >= 1 and share > most + 0.2:
            best, most = delimiter, share
    return best


def _told(spec: SourceSpec, delimiter: str, first: Sequence[str]) -> Layout:
    """The layout that the user gave, by names or by positions."""
    names = [cell.strip().lower() for cell in first]
    places, header = {}, False
    for key, place in spec.fields.items():
        if isinstance(place, str) and place.isdigit() and place not in names:
            place = int(place)
        if isinstance(place, str):
            if place.lower() not in names:
                raise SourceError(
                    f"{spec.location}: no column {place!r} in the header; it has {', '.join(names)}."
                )
            place, header = names.index(place.lower()), True
        places[key] = place
    if missing := {"s", "p", "o"} - set(places):
        raise SourceError(
            f"{spec.location}: fields must name columns for {sorted(missing)} too. {REMEDY}"
        )
    width = max(len(first), 1 + max(places.values()))
    return Layout(delimiter, width, places["s"], places["p"], places["o"], header)


def _named(header: Sequence[str]) -> tuple[int, int, int] | None:
    """The columns of subject, relation and object where the header names all three."""
    found = {
        key: next((place for name in names if (place := _index(header, name)) is not None), None)
        for key, names in HEADERS.items()
    }
    s, p, o = found["s"], found["p"], found["o"]
    if p is None:
        p = next((at for name in WEAK_RELATION if (at := _index(header, name)) is not None), None)
    return None if s is None or p is None or o is None else (s, p, o)


def _index(header: Sequence[str], name: str) -> int | None:
    return header.index(name) if name in header else None


def _plain(cell: str) -> str:
    return "".join(cell.lower().replace("_", " ").split())


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    widths = [len(row) for row in rows]
    return max(sorted(set(widths)), key=widths.count)


def _by_cells(
    rows: Sequence[Sequence[str]], known: Callable[[str], bool]
) -> tuple[int, int, int] | None:
    """The three columns by what is in them: the relation is the one whose cells are known relations.

    Of the columns before and after it, those whose cells differ most are subject and object. None
    where no column, or the middle one of three, holds relations.
    """
    columns = list(zip(*rows, strict=True))
    shares = [sum(map(known, column)) / len(column) for column in columns]
    p = max(range(len(columns)), key=lambda place: shares[place])
    if shares[p] < (0.5 if len(columns) > 3 or p != 1 else 0.0):
        return None
    if len(columns) == 3 and shares[1] >= 0.2:
        return None

    def distinct(place: int) -> tuple[bool, int]:
        return not all(map(_is_number, columns[place])), len(set(columns[place]))

    before, after = range(p), range(p + 1, len(columns))
    if before and after:
        return max(before, key=distinct), p, max(after, key=distinct)
    if len(columns) == 3:
        s, o = before or after
        return s, p, o
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _knower(catalogue: Catalogue | None) -> Callable[[str], bool]:
    """Whether a text is the name of a relation."""
    relations = catalogue or _builtin()

    def known(name: str) -> bool:
        name = name.strip()
        return (
            relations.find(name) is not None
            or name.casefold() in alias_relations()
            or name in vague_relations()
        )

    return known


@cache
def _builtin() -> Catalogue:
    return Catalogue.load()
