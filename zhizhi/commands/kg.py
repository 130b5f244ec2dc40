"""zhizhi kg: knowledge graphs to questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kg_builder.errors import UserError
from zhizhi.commands.options import Json, Out, print_json
from zhizhi.stage import console

# How a shell lets people write what cannot be seen.
DELIMITERS = {"\\t": "\t", "tab": "\t", "\\x1f": "\x1f", "\\x01": "\x01"}

app = typer.Typer(
    no_args_is_help=True, help="Knowledge graphs to questions with checkable answers."
)


@app.command("build")
def kg_build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Triples or a row an entity (CSV, TSV, |||, Excel), JSON, RDF, Neo4j's CSV, a Wikidata "
            "dump, each also as .gz, .bz2 or .zst, or the address of a SPARQL endpoint; none: the embedded "
            "graph."
        ),
    ] = None,
    out: Out = Path("runs/kg"),
    language: Annotated[list[str] | None, typer.Option(help="zh, en; repeat for both.")] = None,
    catalogue: Annotated[list[Path] | None, typer.Option(help="Your own relations (TOML).")] = None,
    document: Annotated[
        list[Path] | None, typer.Option(help="Your own texts, linked to the entities they name.")
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(help="Which column or key is what: s=head,p=relation,o=tail, or s=0,p=1,o=2."),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What parts the columns of a text file.")
    ] = None,
    unknown: Annotated[
        str, typer.Option(help="Relations that no catalogue knows: typed, all or none are asked.")
    ] = "typed",
    max_questions: Annotated[
        int | None, typer.Option(help="At most so many per language, chosen by hash.")
    ] = None,
    max_pair_share: Annotated[
        float, typer.Option(help="Part of the questions that one answer to one relation may be.")
    ] = 0.03,
    max_answer_share: Annotated[
        float, typer.Option(help="Part of a relation's questions that one answer may be.")
    ] = 0.4,
    max_relation_share: Annotated[
        float, typer.Option(help="Part of the questions that one relation may be.")
    ] = 0.25,
    changing: Annotated[
        bool, typer.Option("--changing", help="Ask what changes over time as well.")
    ] = False,
    strict_names: Annotated[
        bool | None,
        typer.Option(
            "--strict-names/--keep-names",
            help="Leave out names that many bear (王军, 向阳村); by default in large graphs without ids.",
        ),
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
    from kg_builder.outcome import is_poor, outcome_lines
    from zhizhi.recipe import validated

    value: dict[str, Any] = {
        "seed": seed,
        "catalogue": catalogue or [],
        "documents": document or [],
        "unknown_relations": unknown,
        "max_questions": max_questions,
        "strict_names": strict_names,
        "questions": {
            "held_out_share": held_out,
            "include_changing": changing,
            "max_pair_share": max_pair_share,
            "max_answer_share": max_answer_share,
            "max_relation_share": max_relation_share,
        },
    }
    if sources:
        read = {
            "max_bad_share": max_bad_share,
            "fields": _fields(fields),
            "delimiter": DELIMITERS.get(delimiter or "", delimiter),
        }
        value["sources"] = [{"location": one, **read} for one in sources]
    if language:
        value["languages"] = language
    report = build(validated(BuildSettings, value), out)
    for name, count in report.counts.items():
        if isinstance(count, int):
            console.print(f"{count:>9,} {name}")
    if is_poor(report.counts):
        console.print("What was left out, and how to mend it:")
        for line in outcome_lines(report.counts):
            console.print(line, markup=False, highlight=False)
    console.print(f"written to {out}")
    if as_json:
        print_json(report.counts)


def _fields(text: str | None) -> dict[str, str]:
    """s=head,p=relation,o=tail as a mapping; UserError where a part is no such pair."""
    found = {}
    for part in (text or "").split(","):
        key, equals, name = (one.strip() for one in part.partition("="))
        if part.strip() and not (key and equals and name):
            raise UserError(f"--fields: {part!r} is no pair. Write s=head,p=relation,o=tail.")
        if part.strip():
            found[key] = name
    return found


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
