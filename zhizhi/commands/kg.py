"""zhizhi kg: knowledge graphs to questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zhizhi.commands.options import Json, Out, print_json
from zhizhi.terminal import console

app = typer.Typer(
    no_args_is_help=True, help="Knowledge graphs to questions with checkable answers."
)


@app.command("build")
def kg_build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Triples (CSV, TSV, |||), JSON Lines, RDF, a Wikidata dump, tables, each also as .gz, "
            ".bz2 or .zst, or the address of a SPARQL endpoint; none: the embedded graph."
        ),
    ] = None,
    out: Out = Path("runs/kg"),
    language: Annotated[list[str] | None, typer.Option(help="zh, en; repeat for both.")] = None,
    catalogue: Annotated[list[Path] | None, typer.Option(help="Your own relations (TOML).")] = None,
    document: Annotated[
        list[Path] | None, typer.Option(help="Your own texts, linked to the entities they name.")
    ] = None,
    unknown: Annotated[
        str, typer.Option(help="Relations that no catalogue knows: typed, all or none are asked.")
    ] = "typed",
    max_questions: Annotated[
        int | None, typer.Option(help="At most so many per language, chosen by hash.")
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the relations that only the test split asks.")
    ] = 0.0,
    max_bad_share: Annotated[
        float, typer.Option(help="Give up where a larger share of the rows is malformed.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Decides splits and wordings.")] = 0,
    as_json: Json = False,
) -> None:
    """Turn a knowledge graph into questions, passages and a report of what was left out and why.

    zhizhi kg build                                      the embedded graph, in Chinese
    zhizhi kg build facts.csv --language zh --language en --out runs/mine
    zhizhi kg build latest-all.json.bz2 --out runs/wikidata
    zhizhi kg build https://query.example.org/sparql     every statement, page by page

    The folder gets questions.jsonl, passages.jsonl, report.json, a dataset card and a page to look
    through (browse.html). A build that was killed goes on where it was. docs/kg.md tells more.
    """
    from kg_builder.build import BuildSettings, build
    from zhizhi.recipe import validated

    value: dict[str, Any] = {
        "seed": seed,
        "catalogue": catalogue or [],
        "documents": document or [],
        "unknown_relations": unknown,
        "max_questions": max_questions,
        "questions": {"held_out_share": held_out},
    }
    if sources:
        value["sources"] = [{"location": one, "max_bad_share": max_bad_share} for one in sources]
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
    question: Annotated[
        str, typer.Option(help="Field that holds the question, if any.")
    ] = "question",
    by: Annotated[
        str | None, typer.Option(help="Field to split the report by, e.g. model.")
    ] = None,
    leave_out: Annotated[
        str | None, typer.Option(help="Field that is true for records to leave out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge answers by the project's one notion of a right answer; compare with people's judgement.

    zhizhi kg match answers.jsonl --answer answer --gold gold
    zhizhi kg match judged.jsonl --label human_correct --by model --json

    A gold is a string, a list of strings (any of them is right), or an object as in questions.jsonl.
    """
    from kg_builder.matching import score_file
    from zhizhi.judging import render_report

    report = score_file(file, answer, gold, label, question=question, by=by, leave_out=leave_out)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        render_report(report, console)


@app.command("compile")
def kg_compile() -> None:
    """Compile what judges answers into machine code, for those who judge millions of them.

    zhizhi kg compile          about a minute, once; needs a C compiler and zhizhi[compile]

    The same verdicts, sooner (bench/matches.py says how much). Where the sources have changed since,
    they are run until it is compiled again; ZHIZHI_COMPILED=0 always runs them.
    """
    from kg_builder.compiling import compile_matching

    with console.status("Compiling, about a minute …"):
        made = compile_matching()
    console.print("Compiled." if made else "Compiled before, and nothing has changed since.")
