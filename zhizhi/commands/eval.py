"""zhizhi eval: what refusal and retrieval buy and cost, on your questions and your model."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from zhizhi.commands.options import RUN, Json, print_json
from zhizhi.terminal import console

WHAT, HOW, BUDGET, MORE = "What is asked", "How it is measured", "Budget", "The report"
SourceName = Literal["index", "web", "both"]
LEFT_OUT = ("curves", "samples", "training", "reliability")  # of --json: in report.json


class RunUnlessNamed(TyperGroup):
    """`zhizhi eval recipe.toml` is `zhizhi eval run recipe.toml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunUnlessNamed,
    help="What refusal and retrieval buy and cost, on your questions and your model.\n\n"
    "[bold]zhizhi eval RECIPE --out RUN[/bold] evaluates a finished run, [bold]zhizhi eval --url URL[/bold] "
    "whatever answers there; their options: [bold]zhizhi eval run --help[/bold].",
    rich_markup_mode="rich",
)


@app.command("run")
def eval_run(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe: its \\[evaluation] section says what is compared. Without one, the recipe that "
            "the run was made by."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the finished run.")] = RUN,
    url: Annotated[
        str | None,
        typer.Option(
            help="Evaluate what runs at this address instead: a service of ours, or with --model an "
            "OpenAI-compatible endpoint (…/v1).",
            rich_help_panel=WHAT,
        ),
    ] = None,
    chat: Annotated[
        str | None,
        typer.Option(
            help="An OpenAI-compatible endpoint as the baseline of the service at --url.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The model's name at the endpoint.", rich_help_panel=WHAT),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="JSON Lines, CSV, or the folder of a Hugging Face data set. Without it the run's own test "
            "questions.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only this split of --questions.", rich_help_panel=WHAT)
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            help="Another index than the run's. Questions that bring their passages are looked up in those.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    web: Annotated[
        bool,
        typer.Option(
            "--web",
            help="Add the arms with the web alone and with index and web. The search is the one that "
            "ZHIZHI_SEARCH names, as for the service.",
            rich_help_panel=WHAT,
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(help="Operating point: chat, webqa or strict.", rich_help_panel=HOW),
    ] = None,
    precision: Annotated[
        list[float] | None,
        typer.Option(
            help="One more arm at this certified precision; repeat for several.",
            rich_help_panel=HOW,
        ),
    ] = None,
    sources: Annotated[
        Literal["index", "web", "both"] | None,
        typer.Option(help="Where evidence comes from.", rich_help_panel=HOW),
    ] = None,
    arm: Annotated[
        list[str] | None, typer.Option(help="Only these arms; repeat.", rich_help_panel=HOW)
    ] = None,
    audit: Annotated[
        int,
        typer.Option(
            min=0,
            help="Questions to a slice of the robustness audit; 0: none.",
            rich_help_panel=HOW,
        ),
    ] = 100,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Let a model at this OpenAI-compatible address (…/v1) give the verdicts.",
            rich_help_panel=HOW,
        ),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="The judge's name there.", rich_help_panel=HOW)
    ] = None,
    max_questions: Annotated[
        int | None,
        typer.Option(min=1, help="A random sample of this size.", rich_help_panel=BUDGET),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="Ask no further after this long.", rich_help_panel=BUDGET),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Folder of ledgers and report.  [default: in the run]", rich_help_panel=MORE
        ),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price list (TOML, docs/eval.md).", rich_help_panel=MORE)
    ] = None,
    title: Annotated[str, typer.Option(help="Headline of the page.", rich_help_panel=MORE)] = "",
    key_variable: Annotated[
        str,
        typer.Option(help="Environment variable with the key of --url.", rich_help_panel=MORE),
    ] = "ZHIZHI_KEY",
    as_json: Json = False,
) -> None:
    """Put the same questions to every arm and write the report: a page, Markdown, CSV and JSON.

    A killed evaluation goes on where it was; nobody is asked the same twice.
    """
    from eval.errors import EvalError
    from eval.report import report as make_report
    from eval.report import write_report
    from eval.settings import EvaluationSettings
    from eval.table import render
    from zhizhi import evaluating
    from zhizhi.recipe import Recipe, find_recipe, validated

    started = time.monotonic()
    progress = not as_json and sys.stderr.isatty()
    if model is not None and url is not None and chat is None:
        url, chat = None, url
    remote = url is not None or chat is not None
    if chat is not None and model is None:
        raise EvalError(f"Name the model at {chat}: --model NAME.")
    if remote and index is not None:
        raise EvalError("--index is for a run in this process; a service has its own.")
    if not remote or questions is None:
        chosen = Recipe.load(find_recipe(recipe)) if recipe else evaluating.recipe_of(out)
        own = evaluating.own_questions(chosen, out) if questions is None else None
    else:
        chosen = Recipe.load(find_recipe(recipe)) if recipe else Recipe()
        own = None
    asked = own or evaluating.other_questions(questions, split)  # type: ignore[arg-type]
    if asked.skipped:
        console.print(f"{asked.skipped} records are no questions and were skipped")
    changes: dict[str, Any] = {
        "profile": profile,
        "sources": sources,
        "arms": arm or None,
        "precisions": precision or None,
        "also_sources": ["web", "both"] if web else None,
        "max_questions": max_questions,
        "max_minutes": max_minutes,
    }
    settings = validated(
        EvaluationSettings,
        chosen.evaluation.model_dump() | {k: v for k, v in changes.items() if v is not None},
        "the evaluation",
    )
    where = None if index is None else index.name
    if remote:
        where = evaluating.host_of(url or chat or "")
    folder = report or evaluating.folder_for(
        out if not remote else Path("runs"), asked, [where, profile, sources]
    )
    price_list = evaluating.prices_of(prices)
    origin: dict[str, Any]
    found_audit = None
    if remote:
        result = evaluating.evaluate_remote(
            asked, settings, folder, url=url, chat=chat, model=model,
            key=os.environ.get(key_variable), progress=progress,
        )  # fmt: skip
        origin = {"service": url, "chat": chat and f"{model} at {chat}"}
        curves = []
    else:
        if index is None and asked.passages:
            console.print(
                f"indexing the {len(asked.passages)} passages that the questions are about …"
            )
            index = evaluating.passages_index(chosen, asked.passages, folder / "index")
        systems = evaluating.open_systems(chosen, out, index=index, ablation=asked.own)
        result = evaluating.evaluate_run(systems, asked, settings, folder, progress=progress)
        if audit:
            console.print("robustness audit …")
            others = evaluating.counterparts_of(chosen, asked, folder / "counterparts")
            found_audit = evaluating.audit_run(systems, result, others, audit)
        origin = evaluating.origin_of(chosen, systems)
        curves = evaluating.training_curves(out) if asked.own else []
    opinion = None
    if judge is not None:
        if judge_model is None:
            raise EvalError(f"Name the judge at {judge}: --judge-model NAME.")
        result, opinion = evaluating.judge_run(result, judge, judge_model, folder)
    found = make_report(
        result,
        title=title,
        prices=price_list,
        training=curves,
        audit=found_audit,
        judge=opinion,
        question_set=asked.name,
        seconds=round(time.monotonic() - started, 1),
        **origin,
    )
    files = write_report(result, found, folder)
    render(found, console)
    console.print(f"report: {files['html']}")
    if as_json:
        shown = {key: value for key, value in found.items() if key not in LEFT_OUT}
        print_json(shown | {"files": {key: str(path) for key, path in files.items()}})


@app.command("compare")
def eval_compare(
    first: Annotated[Path, typer.Argument(help="Folder of an evaluation, or its result.json.")],
    second: Annotated[Path, typer.Argument(help="The other one.")],
    as_json: Json = False,
) -> None:
    """Set two evaluations side by side on the questions that both asked, with significance."""
    from eval.compare import compare, render_comparison
    from eval.result import EvaluationResult

    found = compare(EvaluationResult.load(first), EvaluationResult.load(second))
    render_comparison(found, console, (str(first), str(second)))
    if as_json:
        print_json(found)


@app.command("gate")
def eval_gate(
    report: Annotated[Path, typer.Argument(help="report.json, or the folder that it is in.")],
    at_least: Annotated[
        list[str] | None,
        typer.Option("--min", help="[arm.]figure=value that the lower bound must reach; repeat."),
    ] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(
            "--max", help="[arm.]figure=value that the upper bound must not pass; repeat."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold thresholds against the bounds of a report's intervals; exit with 1 where one fails.

    Without an arm the figure is of calibrated_fallback; confidence.auroc and the like are of the
    confidence.
    """
    from eval.gate import gate, parse_threshold, read_report

    thresholds = [parse_threshold(text, "min") for text in at_least or ()]
    thresholds += [parse_threshold(text, "max") for text in at_most or ()]
    checks = gate(read_report(report), thresholds)
    for check in checks:
        console.print(str(check), style="green" if check.passed else "bold red", markup=False)
    if as_json:
        print_json([check.as_json() for check in checks])
    if not all(check.passed for check in checks):
        raise typer.Exit(1)
