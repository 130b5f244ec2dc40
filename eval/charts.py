"""Charts as SVG text: no script, no font, no network; colours are CSS variables of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 480, 320  # small, so that text stays readable when a phone shrinks it
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 14, 44
TICKS = 5

Point = tuple[float, float]


def colour(number: int) -> str:
    """The colour of the n-th series, from 0; the page defines --c0 … --c6."""
    return f"var(--c{number % 7})"


@dataclass
class Chart:
    """A plot area with linear axes. Values outside the ranges are clipped to the frame."""

    title: str  # read out by screen readers
    x_label: str
    y_label: str
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    percent: tuple[bool, bool] = (True, True)
    parts: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)  # colour, name

    def x(self, value: float) -> float:
        low, high = self.x_range
        share = (value - low) / (high - low) if high > low else 0.5
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        share = (value - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - TOP - BOTTOM), 1)

    def line(self, points: Sequence[Point], stroke: str, name: str = "", dash: str = "") -> None:
        if not points:
            return
        path = " ".join(f"{self.x(a)},{self.y(b)}" for a, b in points)
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline fill="none" stroke="{stroke}" stroke-width="2" points="{path}"{extra}/>'
        )
        self._name(stroke, name)

    def point(
        self,
        at: Point,
        fill: str,
        name: str = "",
        interval: tuple[float, float] | None = None,
        note: str = "",
    ) -> None:
        """A dot with its interval in y; ``note`` is what hovering shows."""
        x, y = self.x(at[0]), self.y(at[1])
        if interval is not None:
            low, high = self.y(interval[0]), self.y(interval[1])
            self.parts.append(
                f'<path d="M{x} {low}V{high}M{x - 4} {low}h8M{x - 4} {high}h8" stroke="{fill}" '
                'stroke-width="1.5" fill="none"/>'
            )
        told = f"<title>{escape(note)}</title>" if note else ""
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{fill}">{told}</circle>')
        self._name(fill, name)

    def area(self, lows: Sequence[Point], highs: Sequence[Point], fill: str) -> None:
        """A band between two lines, such as an interval."""
        outline = [*lows, *reversed(highs)]
        if outline:
            path = " ".join(f"{self.x(a)},{self.y(b)}" for a, b in outline)
            self.parts.append(f'<polygon points="{path}" fill="{fill}" opacity=".15"/>')

    def _name(self, mark: str, name: str) -> None:
        if name and (mark, name) not in self.legend:
            self.legend.append((mark, name))

    def svg(self) -> Markup:
        """The chart; escape is done here, so names may be anything."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        grid = []
        for i in range(TICKS + 1):
            a = self.x_range[0] + (self.x_range[1] - self.x_range[0]) * i / TICKS
            b = self.y_range[0] + (self.y_range[1] - self.y_range[0]) * i / TICKS
            anchor = "end" if i == TICKS else "middle"
            grid.append(
                f'<path class="grid" d="M{LEFT} {self.y(b)}H{right}"/>'
                f'<text x="{LEFT - 6}" y="{self.y(b) + 4}" text-anchor="end">'
                f"{_tick(b, self.percent[1])}</text>"
                f'<text x="{self.x(a)}" y="{bottom + 17}" text-anchor="{anchor}">'
                f"{_tick(a, self.percent[0])}</text>"
            )
        return Markup(
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.title)}">'
            + "".join(grid)
            + "".join(self.parts)
            + f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
            + f'<text class="label" x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
            + f"{escape(self.x_label)}</text>"
            + f'<text class="label" transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" '
            + f'text-anchor="middle">{escape(self.y_label)}</text></svg>'
        )


def _tick(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.0f}%"
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:g}"


def _note(name: str, point: dict[str, Any]) -> str:
    text = f"{name}: coverage {100 * point['coverage']:.1f}%"
    if point.get("precision") is not None:
        text += f", precision {100 * point['precision']:.1f}%"
    return text


def risk_coverage_chart(
    found: dict[str, Any], words: dict[str, str], names: dict[str, str]
) -> Chart:
    """The curves of all arms that have one, and every arm as a dot with its interval."""
    arms, curves = found["arms"], found["curves"]
    risks = [1 - a["precision"] for a in arms.values() if a["precision"] is not None]
    risks += [1 - p["precision"] for c in curves.values() for p in c if p["precision"] is not None]
    # The first few answers of a curve make it jump; they may leave the frame.
    top = min(1.0, max([0.2, *[r * 1.1 for r in risks if r <= 0.7]]))
    chart = Chart(
        words["risk_coverage"], words["coverage"], words["risk"], y_range=(0.0, round(top, 1))
    )
    for number, name in enumerate(arms):
        points = [
            (p["coverage"], 1 - p["precision"])
            for p in curves.get(name, ())
            if p["precision"] is not None
        ]
        chart.line(points, colour(number), names.get(name, name))
    for number, (name, arm) in enumerate(arms.items()):
        if arm["precision"] is not None:
            low, high = arm["precision_interval"]
            chart.point(
                (arm["coverage"], 1 - arm["precision"]),
                colour(number),
                names.get(name, name),
                (1 - high, 1 - low),
                _note(names.get(name, name), arm),
            )
    return chart


def cost_chart(found: dict[str, Any], words: dict[str, str]) -> Chart | None:
    """Precision and coverage with the fallback against the share of questions that are retrieved."""
    curve = found["curves"].get("calibrated_fallback")
    if not curve or len(curve) < 2:
        return None
    chart = Chart(words["cost_title"], words["retrieval_rate"], words["share"])
    lines = (("precision", 2), ("coverage", 0))
    for key, number in lines:
        points = [(p["retrieval_rate"], p[key]) for p in curve if p[key] is not None]
        chart.line(points, colour(number), words[key])
    arm = found["arms"].get("calibrated_fallback")
    if arm and arm["precision"] is not None:
        for key, number in lines:
            chart.point(
                (arm["retrieval_rate"], arm[key]), colour(number), "", arm[f"{key}_interval"]
            )
    return chart


def reliability_chart(found: dict[str, Any], words: dict[str, str]) -> Chart | None:
    rows = found["reliability"]
    if not rows:
        return None
    chart = Chart(words["reliability"], words["confidence"], words["share_right"])
    chart.line([(0, 0), (1, 1)], "var(--soft)", words["ideal"], dash="4 4")
    for row in rows:
        chart.point(
            (row["confidence"], row["accuracy"]),
            colour(2),
            words["observed"],
            tuple(row["interval"]),
            f"n = {row['n']}",
        )
    return chart


def training_charts(found: dict[str, Any], words: dict[str, str]) -> list[tuple[str, Chart]]:
    """The four curves: answered, refused and correct as shares of the questions, and accuracy."""
    charts = []
    for name in dict.fromkeys(row["set"] for row in found["training"]):
        rows = [row for row in found["training"] if row["set"] == name]
        last = max(row["step"] for row in rows) or 1
        chart = Chart(
            f"{words['training']}: {name}",
            words["step"],
            words["share"],
            x_range=(0, last),
            percent=(False, True),
        )
        for key, number in (("answered", 0), ("refused", 4), ("correct", 2)):
            points = [(row["step"], row[key] / row["n"]) for row in rows]
            chart.line(points, colour(number), words[key])
        known = [row for row in rows if row["accuracy"] is not None]
        chart.area(
            [(r["step"], r["accuracy_interval"][0]) for r in known],
            [(r["step"], r["accuracy_interval"][1]) for r in known],
            colour(1),
        )
        chart.line(
            [(r["step"], r["accuracy"]) for r in known], colour(1), words["accuracy_of_answers"]
        )
        charts.append((f"{name} (n = {rows[0]['n']})", chart))
    return charts
