"""Documents on the page, in a real browser: dropped, taken in, cited by their page, and gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kg_builder.passage import Passage
from retrieval.index import Index
from tests.zhizhi.documents import zhizhi_serve

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import Browser, expect, sync_playwright

from tests.service.test_page import ARGUMENTS, CHROMIUM, CONTRAST, Visit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]
FLOWER = "海宁城的市花是什么?"
GUIDE = """<title>海宁城手册</title><style>p { break-after: page }</style>
<p>这本手册介绍海宁城。</p><p>海宁城建于1432年。</p><p>海宁城的市花是茉莉。</p>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    shen = Passage(id="shen.md#0", title="沈云舟", text="沈云舟的父亲是沈怀远。")
    Index.build([shen], folder / "index")
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with zhizhi_serve("--index", "index", cwd=folder) as url:
        yield url


@pytest.fixture
def guide(browser: Browser, tmp_path: Path) -> Path:
    """A PDF of three pages, printed by the browser; the flower is on the third."""
    page = browser.new_page()
    page.set_content(GUIDE)
    page.pdf(path=tmp_path / "海宁城手册.pdf", format="A5")
    page.close()
    return tmp_path / "海宁城手册.pdf"


def open_panel(visit: Visit) -> None:
    visit.page.click("#documents-open")
    expect(visit.page.locator("#document-count")).not_to_be_empty()


def test_a_document_is_taken_in_cited_by_its_page_and_withdrawn(
    browser: Browser, url: str, guide: Path, tmp_path: Path
) -> None:
    visit = Visit(browser, url, sign="#documents-open:not([hidden])")
    page = visit.page
    page.set_default_timeout(120_000)
    expect(visit.ask(FLOWER).locator(".badge")).to_have_text("我不知道")
    open_panel(visit)
    expect(page.locator(".document")).to_have_count(1)
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "program.exe").write_bytes(b"MZ")
    with page.expect_file_chooser() as chosen:
        page.click("#choose")
    chosen.value.set_files([guide, tmp_path / "empty.txt", tmp_path / "program.exe"])
    expect(page.locator("#documents-fault")).to_have_text("program.exe：这里不收这种文件。")
    taken = page.locator(f".document[data-id='{guide.name}']")
    expect(taken).to_have_attribute("data-state", "ready", timeout=120_000)
    expect(taken.locator(".document-state")).to_contain_text("可以查到")
    failed = page.locator(".document[data-id='empty.txt']")
    expect(failed).to_have_attribute("data-state", "failed")
    expect(failed.locator(".document-error")).to_contain_text("no text in it")
    page.click("#documents-close")

    found = visit.ask(FLOWER)
    expect(found.locator(".badge")).to_have_text("检索回答")
    expect(found.locator(".answer")).to_contain_text("茉莉")
    expect(found.locator(".place")).to_contain_text("第 3 页")

    open_panel(visit)
    taken.locator(".remove").click()
    taken.get_by_role("button", name="取消").click()
    taken.locator(".remove").click()
    taken.get_by_role("button", name="确定删除").click()
    expect(taken).to_have_count(0)
    page.click("#documents-close")
    again = visit.ask(FLOWER)
    expect(again.locator(".badge")).to_have_text("我不知道")
    expect(again).not_to_contain_text("茉莉")
    visit.context.close()
    assert visit.faults == []


DROP = """async ([name, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name, { type: "text/markdown" }));
  const fire = (kind) => document.body.dispatchEvent(
    new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  fire("dragenter");
  const open = document.querySelector("#documents").open;
  fire("dragover");
  fire("drop");
  return open;
}"""


def test_files_can_be_dropped_anywhere(browser: Browser, url: str) -> None:
    visit = Visit(browser, url, sign="#documents-open:not([hidden])", locale="en-GB")
    visit.page.set_default_timeout(120_000)
    text = "# Tea\n\nThe tea house opens at nine."
    assert visit.page.evaluate(DROP, ["tea.md", text])
    dropped = visit.page.locator(".document[data-id='tea.md']")
    expect(dropped).to_have_attribute("data-state", "ready", timeout=120_000)
    expect(dropped.locator("b").first).to_have_text("Tea")
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("#documents")).to_be_hidden()
    visit.context.close()
    assert visit.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_panel_fits_and_can_be_read(
    browser: Browser, url: str, scheme: Any, width: int
) -> None:
    visit = Visit(browser, url, sign="#documents-open:not([hidden])", color_scheme=scheme,
                  viewport={"width": width, "height": 700})  # fmt: skip
    open_panel(visit)
    visit.page.locator(".remove").first.click()
    assert visit.page.evaluate(CONTRAST) == []
    assert visit.page.evaluate("document.querySelector('#documents').scrollWidth") <= width
    small = visit.page.evaluate(
        """[...document.querySelectorAll("#documents button")].filter(e =>
            e.checkVisibility() && e.getBoundingClientRect().height < 32).map(e => e.className)"""
    )
    assert small == []
    visit.context.close()
    assert visit.faults == []
