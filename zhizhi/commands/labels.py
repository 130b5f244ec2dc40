"""zhizhi labels: what a probe found out about a model, and whether its labels can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zhizhi.commands.options import RUN, Json, print_json
from zhizhi.terminal import console

if TYPE_CHECKING:
    from kg_builder.question import Question
    from training.label import Label

app = typer.Typer(no_args_is_help=True, help="What a probe found out, and whether to trust it.")

Run = Annotated[Path, typer.Option("--run", help="A run that `zhizhi train` or the demo began.")]


@app.command("map")
def labels_map(
    run: Run = RUN,
    bands: Annotated[int, typer.Option(min=1, help="Bands of popularity.")] = 5,
    as_json: Json = False,
) -> None:
    """The knowledge boundary: what share the model knows of every relation, by popularity of the subject."""
    from training.boundary import boundary_map, boundary_table, write_boundary

    cells = boundary_map(*_labelled(run), bands)
    write_boundary(cells, run / "probe")
    console.print(boundary_table(cells), markup=False)
    console.print(f"written to {run / 'probe' / 'boundary.md'} and boundary.png")
    if as_json:
        print_json([cell._asdict() for cell in cells])


@app.command("audit")
def labels_audit(
    run: Run = RUN,
    server: Annotated[
        str | None,
        typer.Option(help="An OpenAI-compatible server (…/v1) as judge; none: the article's rule."),
    ] = None,
    model: Annotated[str, typer.Option(help="The judge's model on that server.")] = "judge",
    as_json: Json = False,
) -> None:
    """How far a second opinion agrees with the labels: containment of the answer, or a chat model."""
    from kg_builder.files import write_json
    from training.audit import audit, chat_judge, containment

    questions, labels = _labelled(run)
    if server is None:
        report = audit(questions, labels, containment, name="containment")
    else:
        from training.engine.openai import RemoteModel, RemoteSettings

        with RemoteModel(RemoteSettings(base_url=server, model=model, top_logprobs=0)) as judge:
            report = audit(questions, labels, chat_judge(judge), name=judge.name)
    write_json(run / "probe" / "audit.json", report.model_dump(mode="json"))
    low, high = report.agreement_interval
    agreement = "–" if report.agreement is None else f"{report.agreement:.2%}"
    kappa = "–" if report.kappa is None else f"{report.kappa:.3f}"
    console.print(
        f"{report.judge} agrees on {agreement} [{low:.2%}, {high:.2%}] of {report.n} answers, "
        f"kappa {kappa}; {report.unscored} unscored"
    )
    for one in report.disagreements[:10]:
        console.print(
            f"  {one.question} {one.answer!r}: {one.verdict}, by the judge {one.opinion} (gold {one.gold})",
            markup=False,
        )
    if as_json:
        print_json(report.model_dump(mode="json"))


def _labelled(run: Path) -> tuple[list[Question], list[Label]]:
    from kg_builder.files import read_jsonl
    from kg_builder.question import Question
    from training.label import Label

    questions = [Question.model_validate(r) for r in read_jsonl(run / "graph" / "questions.jsonl")]
    return questions, [Label.model_validate(r) for r in read_jsonl(run / "probe" / "labels.jsonl")]
