"""zhizhi kg: knowledge graphs to questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zhizhi.commands.options import Json, Out, print_json
from zhizhi.stage import console

app = typer.Typer(
    no_args_is_help=True, help="Knowledge graphs to questions with checkable answers."
)


@app.command("build")
def kg_build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders or a SPARQL endpoint; none: the embedded graph."),
    ] = None,
    out: Out = Path("runs/kg"),
    language: Annotated[list[str] | None, typer.Option(help="zh, en; repeat for both.")] = None,
    catalogue: Annotated[list[Path] | None, typer.Option(help="Your own relations (TOML).")] = None,
    seed: Annotated[int, typer.Option(help="Decides splits and wordings.")] = 0,
    as_json: Json = False,
) -> None:
    """Turn a knowledge graph into questions, passages and a report of what was left out and why."""
    from kg_builder.build import BuildSettings, build
    from zhizhi.recipe import validated

    value: dict[str, Any] = {"seed": seed, "catalogue": catalogue or []}
    if sources:
        value["sources"] = [{"location": source} for source in sources]
    if language:
        value["languages"] = language
    report = build(validated(BuildSettings, value), out)
    for name, count in report.counts.items():
        if isinstance(count, int):
            console.print(f"{count:>9,} {name}")
    console.print(f"written to {out}")
    if as_json:
        print_json(report.counts)


@app.command("match")
def kg_match(
    file: Annotated[Path, typer.Argument(help="JSON Lines with answers and right answers.")],
    answer: Annotated[str, typer.Option(help="Field that holds the answer.")] = "answer",
    gold: Annotated[
        str, typer.Option(help="Field that holds the right answer or a list.")
    ] = "gold",
    label: Annotated[
        str | None, typer.Option(help="Field with people's judgement, true or false.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge answers by the project's one notion of a right answer; compare with people's judgement."""
    from kg_builder.matching import score_file

    report = score_file(file, answer, gold, label)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        console.print(report)
