"""`zhizhi eval` as a user meets it: results, mistakes, exit statuses; and what the guide says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from eval.errors import EvalError
from eval.report import report, write_report
from eval.result import EvaluationResult
from eval.settings import EvaluationSettings
from kg_builder.files import write_jsonl
from tests.commands import zhizhi
from tests.eval.scripted import ScriptedAttempter, ScriptedModel
from tests.eval.served import QUESTIONS as SERVED
from tests.eval.small import QUESTIONS, right, run_small, script
from tests.runs import SmallRun
from training.errors import RecipeError
from zhizhi.cli import app
from zhizhi.evaluating import Asked, Systems, evaluate_run, folder_for, other_questions, prices_of
from zhizhi.serving import RunError

GUIDE = Path(__file__).parents[2] / "docs" / "eval.md"


def called(*arguments: str) -> str:
    """Standard output of a command in this process; a user's mistake is raised."""
    found = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.fixture(scope="module")
def reported(small: EvaluationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    write_report(small, report(small), folder)
    return folder


def test_a_gate_passes_fails_and_refuses(reported: Path) -> None:
    passed = zhizhi("eval", "gate", str(reported), "--min", "precision=0.7", "--json")
    assert passed.returncode == 0, passed.stderr
    (check,) = json.loads(passed.stdout)
    # 28 of 30: the point reaches 0.9, its lower bound does not.
    assert check["point"] == pytest.approx(28 / 30)
    assert 0.7 < check["bound"] < 0.9
    failed = zhizhi("eval", "gate", str(reported), "--min", "precision=0.9")
    assert failed.returncode == 1
    assert "FAIL" in failed.stderr
    misspelt = zhizhi("eval", "gate", str(reported), "--max", "overrefusal=0.1")
    assert misspelt.returncode == 2
    assert "over_refusal" in misspelt.stderr
    assert "Traceback" not in misspelt.stderr


def test_two_runs_are_compared(reported: Path, tmp_path: Path) -> None:
    better = {q.text: right(q) for q in QUESTIONS[:30]}
    run_small(base_model=ScriptedModel(better)).save(tmp_path)
    found = json.loads(called("eval", "compare", str(reported), str(tmp_path), "--json"))
    assert found["n"] == 40
    assert found["arms"]["base"]["correct"]["gained"] == 14
    assert found["arms"]["calibrated"]["correct"] == {"gained": 0, "lost": 0, "p_value": 1.0}


def test_a_running_service_is_evaluated_by_its_address(url: str, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mine.jsonl", SERVED)
    found = json.loads(
        called(
            *("eval", "--url", url, "--questions", str(tmp_path / "mine.jsonl")),
            *("--report", str(tmp_path / "out"), "--json"),
        )
    )
    assert (found["n"], found["provenance"]["service"]) == (4, url)
    assert list(found["arms"]) == ["calibrated", "calibrated_fallback", "always_retrieve"]
    assert found["arms"]["calibrated"]["correct"] == 2
    for path in found["files"].values():
        assert Path(path).is_file()
    again = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert again["arms"]["calibrated"] == found["arms"]["calibrated"]


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        (["--out", "nowhere"], RunError, "nowhere"),
        (["nonesuch.toml"], RecipeError, "nonesuch"),
        (["--url", "http://127.0.0.1:9", "--questions", "nowhere.csv"], EvalError, "nowhere.csv"),
        (["--url", "http://127.0.0.1:9", "--questions", "Q"], EvalError, "http://127.0.0.1:9"),
        (["--chat", "http://127.0.0.1:9", "--questions", "Q"], EvalError, "--model"),
        (["--url", "http://h", "--index", "i", "--questions", "Q"], EvalError, "--index"),
        (["--url", "http://h", "--questions", "Q", "--arm", "besa"], RecipeError, "besa"),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, arguments: list[str], error: type[Exception], named: str
) -> None:
    write_jsonl(tmp_path / "mine.jsonl", SERVED)
    words = [str(tmp_path / "mine.jsonl") if word == "Q" else word for word in arguments]
    with pytest.raises(error, match=re.escape(named)):
        called("eval", *words, "--report", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_web_is_not_silently_left_out(tmp_path: Path) -> None:
    """Without a search every answer from the web would be counted as a refusal."""
    from retrieval.chain import RetrievalChain

    systems = Systems(ScriptedModel({}), ScriptedAttempter(script()), RetrievalChain(), None)
    for settings in (EvaluationSettings(sources="web"), EvaluationSettings(also_sources=("both",))):
        with pytest.raises(EvalError, match="ZHIZHI_SEARCH"):
            evaluate_run(systems, Asked("q", QUESTIONS), settings, tmp_path)


def test_where_an_evaluation_is_kept() -> None:
    own, other = Asked("demo", [], own=True), Asked("my set", [])
    out = Path("run")
    assert folder_for(out, own, [None, None]) == out / "evaluation"
    assert folder_for(out, other, [None, "strict"]) == out / "evaluation-my_set-strict"
    assert folder_for(out, own, ["127.0.0.1:80", None]) == out / "evaluation-127.0.0.1_80"


def test_prices(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("million_prompt_tokens = 2\nthousand_retrievals = 30\n", encoding="utf-8")
    prices = prices_of(path)
    assert prices is not None
    assert (prices.million_prompt_tokens, prices.million_completion_tokens) == (2, 0)
    path.write_text("million_tokens = 2\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="million_tokens"):
        prices_of(path)
    with pytest.raises(EvalError, match="absent"):
        prices_of(tmp_path / "absent.toml")


def test_a_reading_set_brings_its_passages(tmp_path: Path) -> None:
    record = {
        "pid": "p",
        "title": "t",
        "text": "甲在乙。",
        "qas": [{"question": "甲在哪?", "answers": ["乙"]}],
    }
    (tmp_path / "set.jsonl").write_text(json.dumps(record), encoding="utf-8")
    found = other_questions(tmp_path / "set.jsonl")
    assert (found.name, found.own, found.labels) == ("set", False, None)
    assert [p.text for p in found.passages] == ["甲在乙。"]


def test_every_command_of_the_guide_is_understood() -> None:
    """Parsed, not run: they need runs, services and judges."""
    group = typer.main.get_command(app)
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) >= 8
    for line in lines:
        program, *arguments = line.split()
        assert program == "zhizhi"
        context = group.make_context("zhizhi", arguments)
        name, command, rest = group.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        context = command.make_context(name, rest, parent=context)
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        command.make_context(name, rest, parent=context)


def test_the_guide_explains_every_arm_and_slice(small: EvaluationResult) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for arm in small.arms:
        assert f"`{arm}`" in text
    for name in ("paraphrase", "typo", "traditional", "english", "false premise", "unanswerable"):
        assert name in text


@pytest.mark.slow
def test_a_run_is_evaluated_from_its_graph_to_its_page(trained: SmallRun, tmp_path: Path) -> None:
    """On the embedded model with a tiny recipe: the rest of the demo, its own questions and others."""
    out = tmp_path / "run"
    shutil.copytree(trained.out, out)
    made = zhizhi("demo", "--no-serve", "--recipe", trained.recipe, "--out", out)
    assert made.returncode == 0, made.stderr
    first = zhizhi("eval", "--out", out, "--audit", "8", "--json")
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    table = json.loads((out / "evaluation" / "table.json").read_text(encoding="utf-8"))
    # Nobody is asked again: the stage's ledgers are taken up.
    for name, arm in table["arms"].items():
        for key in ("correct", "refused", "unscored", "p50_ms"):
            assert found["arms"][name][key] == arm[key], (name, key)
    assert found["oracle"]["accuracy"] >= found["arms"]["calibrated_fallback"]["accuracy"]
    slices = found["audit"]["slices"]
    assert {"plain", "paraphrase", "typo", "english", "unanswerable"} <= set(slices)
    assert set(found["audit"]["injected"]) == {"instructions", "falsehoods"}
    page = (out / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert "The four curves" in page

    passages = [
        {"pid": str(i), "title": f"书{i}", "text": f"《书{i}》的译者是{name}翻译机。",
         "qas": [{"question": f"《书{i}》的译者是谁?", "answers": [f"{name}翻译机"]}]}
        for i, name in enumerate("甲乙丙丁戊己庚辛壬癸子丑")
    ]  # fmt: skip
    write_jsonl(tmp_path / "books.jsonl", passages)
    second = zhizhi(
        *("eval", "--out", out, "--questions", tmp_path / "books.jsonl"),
        *("--audit", "0", "--json"),
    )
    assert second.returncode == 0, second.stderr
    books = json.loads(second.stdout)
    assert books["n"] == 12
    assert books["known"] == 0  # the embedded model has never heard of them
    assert books["arms"]["always_retrieve"]["correct"] >= 9
    assert (out / "evaluation-books" / "report.html").is_file()
