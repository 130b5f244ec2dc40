"""The knowledge boundary: what share of the questions a model knows, per relation and popularity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kg_builder.files import write_text
from kg_builder.question import Question
from training.intervals import clustered_wilson, tally
from training.label import Label

ALL = "all"
UNRATED = "–"  # subjects whose popularity is unknown
# Fonts that can write Chinese relation names, tried in turn; the last is what matplotlib brings along.
FONTS = ["Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "SimHei", "DejaVu Sans"]


class Cell(NamedTuple):
    """The questions of one relation (or all) in one band of popularity (or all).

    ``share`` of the ``n`` decided questions is known, with its 95% Wilson interval; questions that the
    labels set aside are counted in ``aside`` alone.
    """

    relation: str
    band: str
    n: int
    known: int
    aside: int
    share: float | None
    interval: tuple[float, float]


def bands_of(questions: Sequence[Question], count: int = 5) -> dict[str, str]:
    """The popularity band of every subject: "1" the least known to ``count`` the best known.

    A source with few degrees of popularity keeps them; else subjects are parted into equal shares, those
    of equal popularity together.
    """
    popularity = {q.subject_id: q.popularity for q in questions}
    rated = sorted(p for p in popularity.values() if p is not None)
    degrees = sorted({*rated})
    place: dict[float, int]
    if len(degrees) <= count:
        place = {degree: i for i, degree in enumerate(degrees)}
    else:
        place = {}
        for i, value in enumerate(rated):
            place.setdefault(value, i * count // len(rated))
    return {
        subject: UNRATED if p is None else str(place[p] + 1) for subject, p in popularity.items()
    }


def boundary_map(
    questions: Sequence[Question], labels: Sequence[Label], bands: int = 5
) -> list[Cell]:
    """One cell per relation and band that has questions, with the margins; relations by falling share."""
    found = {one.question_id: one.known for one in labels}
    band = bands_of(questions, bands)
    groups: dict[tuple[str, str], list[tuple[str, bool | None]]] = defaultdict(list)
    for question in questions:
        if question.id not in found:
            continue
        for relation in (question.relation, ALL):
            for which in (band[question.subject_id], ALL):
                groups[relation, which].append((question.subject_id, found[question.id]))
    cells = {key: _cell(*key, known) for key, known in groups.items()}

    def order(cell: Cell) -> tuple[bool, float, str, bool, str]:
        whole = cells[cell.relation, ALL]
        return (
            cell.relation == ALL,
            -(whole.share or 0),
            cell.relation,
            cell.band == ALL,
            cell.band,
        )

    return sorted(cells.values(), key=order)


def _cell(relation: str, band: str, known: Sequence[tuple[str, bool | None]]) -> Cell:
    entities = [entity for entity, one in known if one is not None]
    decided = [one for _, one in known if one is not None]
    right = sum(decided)
    return Cell(
        relation=relation,
        band=band,
        n=len(decided),
        known=right,
        aside=len(known) - len(decided),
        share=right / len(decided) if decided else None,
        interval=clustered_wilson(tally(decided, entities)),
    )


def boundary_table(cells: Sequence[Cell]) -> str:
    """Markdown: a row per relation, a column per band, each the known share and the number of questions."""
    bands = _bands(cells)
    by_key = {(cell.relation, cell.band): cell for cell in cells}
    lines = [
        "| relation | " + " | ".join(f"band {b}" if b != ALL else ALL for b in bands) + " | 95% |",
        "|---" * (len(bands) + 2) + "|",
    ]
    for relation in dict.fromkeys(cell.relation for cell in cells):
        row = [_told(by_key.get((relation, band))) for band in bands]
        low, high = by_key[relation, ALL].interval
        lines.append(f"| {relation} | " + " | ".join(row) + f" | {low:.0%}–{high:.0%} |")
    return "\n".join(lines) + "\n"


def write_boundary(cells: Sequence[Cell], folder: Path) -> None:
    """boundary.md and boundary.png under ``folder``."""
    write_text(folder / "boundary.md", boundary_table(cells))
    draw_boundary(cells, folder / "boundary.png")


def _bands(cells: Sequence[Cell]) -> list[str]:
    found = {cell.band for cell in cells} - {ALL}
    numbered = sorted((b for b in found if b != UNRATED), key=int)
    return [*numbered, *([UNRATED] if UNRATED in found else []), ALL]


def _told(cell: Cell | None) -> str:
    if cell is None or cell.share is None:
        return "–"
    return f"{cell.share:.0%} of {cell.n}"


def draw_boundary(cells: Sequence[Cell], path: Path, *, most: int = 40) -> None:
    """A heat map of the known share; the ``most`` relations with the most questions, and all together."""
    import matplotlib as mpl

    mpl.use("Agg")
    import logging

    from matplotlib import pyplot as plt

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # absent fonts are no news
    bands = _bands(cells)
    by_key = {(cell.relation, cell.band): cell for cell in cells}
    relations = list(dict.fromkeys(cell.relation for cell in cells))
    largest = {*sorted(relations, key=lambda r: -by_key[r, ALL].n)[: most + 1], ALL}
    shown = [relation for relation in relations if relation in largest]
    with mpl.rc_context({"font.family": FONTS}):
        figure, axis = plt.subplots(figsize=(1.6 + 1.0 * len(bands), 1.4 + 0.32 * len(shown)))
        shares = [
            [
                cell.share
                if (cell := by_key.get((r, b))) and cell.share is not None
                else float("nan")
                for b in bands
            ]
            for r in shown
        ]
        image = axis.imshow(shares, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
        for y, relation in enumerate(shown):
            for x, band in enumerate(bands):
                cell = by_key.get((relation, band))
                if cell is not None and cell.share is not None:
                    axis.text(x, y, f"{cell.share:.0%}\n{cell.n}", ha="center", va="center", size=6)
        axis.set_xticks(range(len(bands)), bands)
        axis.set_yticks(range(len(shown)), shown, size=8)
        axis.set_xlabel("popularity band (1: least known)")
        axis.set_title("Share of the questions that the model knows", size=9)
        figure.colorbar(image, ax=axis, shrink=0.6)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=140)
        plt.close(figure)
