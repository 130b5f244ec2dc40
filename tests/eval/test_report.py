"""The report in all its forms; the page is looked at in a browser by the slow test."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from eval.audit import audit
from eval.cost import Prices
from eval.headline import headline
from eval.html import html
from eval.judging import agreement
from eval.language_pack import language_pack
from eval.markdown import grid, markdown
from eval.percent import percent, signed_percent
from eval.report import report, write_report
from eval.result import EvaluationResult
from tests.eval.scripted import ScriptedModel, question
from tests.eval.small import QUESTIONS, SETTINGS, right, run_small, script
from tests.eval.test_audit import Robust

TRAINING = [
    {
        "set": "test",
        "step": step,
        "n": 40,
        "answered": 40 - step,
        "refused": step,
        "correct": 16,
        "accuracy": 16 / (40 - step) if step < 40 else None,
        "accuracy_interval": (0.3, 0.6),
    }
    for step in (0, 10, 20, 40)
]


@pytest.fixture(scope="module")
def full() -> tuple[EvaluationResult, dict]:
    """A report with every part that there can be."""
    asked = [
        question(i, relation=("capital", "currency")[i % 2], popularity=float(i % 7))
        for i in range(40)
    ]
    fixed = ScriptedModel({q.text: right(q) for q in QUESTIONS[:4]}, default="我不知道。")
    result = run_small(questions=asked, ablation_model=fixed)
    found = audit(
        questions=QUESTIONS, attempter=Robust(script()), chain=None, settings=SETTINGS, per_slice=20
    )
    judge = {"judge": "j", "arms": {"base": agreement(["correct"], ["wrong"], ["a"])}}
    return result, report(
        result,
        title="<script>alert(1)</script>",
        prices=Prices(million_prompt_tokens=2, thousand_retrievals=10),
        training=TRAINING,
        audit=found,
        judge=judge,
        model="small@1",
        index="library",
    )


def test_the_report_is_json(full) -> None:
    _, found = full
    json.dumps(found, allow_nan=False)
    assert found["provenance"]["model"] == "small@1"
    assert found["provenance"]["versions"]
    assert set(found["curves"]) == {"calibrated", "calibrated_fallback"} | (
        set(found["curves"]) & set(found["arms"])
    )
    kinds = set(found["samples"])
    assert {"direct-correct", "direct-wrong", "retrieval-correct", "refused-unknown"} <= kinds


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_needs_nothing_from_anywhere(full, language) -> None:
    page = html(full[1], language)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", page)
    assert "{{" not in page
    assert page.count("<svg") >= 4
    for word in ("routing", "audit", "judge", "training", "by_relation", "by_popularity"):
        assert language_pack(language).report[word] in page
    assert "None" not in re.sub(r"<code>.*?</code>", "", page)


def test_both_languages_have_every_word() -> None:
    zh, en = (language_pack(language).report for language in ("zh", "en"))
    assert set(zh) == set(en)
    for key in zh:
        fields = [sorted(re.findall(r"\{(\w+)\}", words[key])) for words in (zh, en)]
        assert fields[0] == fields[1], key


def test_a_sparse_result_has_a_report_too() -> None:
    """One arm, no chain, nothing answered: figures are missing everywhere."""
    result = run_small(
        chain=None,
        base_model=ScriptedModel({}, default="我不知道。"),
        settings=SETTINGS.model_copy(update={"arms": ("base",), "latency_questions": 0}),
    )
    result.attempts = []
    result.point = None
    found = report(result)
    json.dumps(found, allow_nan=False)
    for language in ("en", "zh"):
        assert "–" in html(found, language)
        assert "–" in markdown(found, language)


def test_the_headline_says_what_it_buys(full) -> None:
    said = headline(full[1], language_pack("en").report)
    assert "answers 35.0% with 85.7% right" in said
    assert "70.0% of all questions are answered rightly" in said
    assert "65.0% of the questions cost a retrieval" in said
    assert "。" in headline(full[1], language_pack("zh").report)


def test_files(full, tmp_path: Path) -> None:
    result, found = full
    files = write_report(result, found, tmp_path)
    assert {p.name for p in files.values()} == {
        "report.html", "report.zh.html", "report.md", "report.zh.md", "report.csv", "records.csv",
        "report.json",
    }  # fmt: skip
    rows = list(csv.DictReader(files["csv"].open(encoding="utf-8")))
    assert [r["arm"] for r in rows] == list(result.arms)
    assert float(rows[3]["precision"]) == pytest.approx(12 / 14)
    assert float(rows[3]["precision_low"]) < 12 / 14
    records = list(csv.DictReader(files["records"].open(encoding="utf-8")))
    assert len(records) == 240
    assert EvaluationResult.load(tmp_path) == result


def test_a_spreadsheet_runs_nothing(tmp_path: Path) -> None:
    result = run_small(base_model=ScriptedModel({}, default="=HYPERLINK(1)"))
    files = write_report(result, report(result), tmp_path, languages=("en",))
    rows = list(csv.DictReader(files["records"].open(encoding="utf-8")))
    assert rows[0]["answer"] == "'=HYPERLINK(1)"


def test_markdown_tables_stay_whole() -> None:
    assert grid(["a|b"], [["c\nd"]]) == "| a\\|b |\n| --- |\n| c d |"


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [(0.1234, "12.3%", "+12.3"), (-0.05, "-5.0%", "−5.0"), (0.0, "0.0%", "0.0"), (None, "–", "–")],
)
def test_percent(value, text: str, signed: str) -> None:
    assert (percent(value), signed_percent(value)) == (text, signed)


@pytest.mark.slow
def test_the_page_in_a_browser(full, tmp_path: Path) -> None:
    """It fits phone, desk and paper, chooses, asks nobody for anything, and colours no text by its
    verdict."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    result, found = full
    page_file = write_report(result, found, tmp_path)["html"]
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        for width, media in ((320, "screen"), (390, "screen"), (1280, "screen"), (794, "print")):
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.emulate_media(media=media)
            faults: list[str] = []
            page.on("pageerror", lambda e, faults=faults: faults.append(str(e)))
            page.on(
                "request",
                lambda r, faults=faults: r.url.startswith("file:") or faults.append(r.url),
            )
            page.goto(page_file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, media
            if media == "screen":
                page.locator("#wanted").fill("80")
                assert "50.0%" in page.locator("#alone").inner_text()
                page.locator("#wanted").fill("99")
                assert "not reached" in page.locator("#alone").inner_text()
            plain = "getComputedStyle(document.querySelector('.sample.wrong')).backgroundColor"
            assert page.evaluate(plain) == "rgba(0, 0, 0, 0)"
            assert not faults
            page.close()
        browser.close()
