"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.keys import add_key
from service.question_log import export, open_engine
from tests.service.serving import serving
from tests.service.world import CAPITAL, FATHER, GUESS, HAMLET, PHONE

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or "")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(0.05) as (_, url):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Visit:
    """A page with everything that went wrong on it. ``sign`` is what shows that it is complete."""

    def __init__(
        self, browser: Browser, url: str, *, sign: str = ".example", **context: Any
    ) -> None:
        self.context = browser.new_context(**{"locale": "zh-CN", **context})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.faults.append(message.text) if message.type == "error" else None,
        )
        self.page.goto(url)
        self.page.wait_for_selector(sign)

    def ask(self, question: str) -> Any:
        """Type a question, press Enter, and give back its finished exchange."""
        count = self.page.locator(".exchange").count()
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")
        exchange = self.page.locator(".exchange").nth(count)
        exchange.locator(".facts").wait_for()
        return exchange


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    visit = Visit(browser, url)
    yield visit
    visit.context.close()
    assert visit.faults == []


def test_the_three_routes_are_told_apart(visit: Visit) -> None:
    direct = visit.ask(CAPITAL)
    expect(direct.locator(".badge")).to_have_text("直接回答")
    expect(direct.locator(".answer")).to_have_text("法国的首都是巴黎。")
    expect(direct.locator(".meter")).to_contain_text("97%")
    retrieved = visit.ask(FATHER)
    expect(retrieved.locator(".badge")).to_have_text("检索回答")
    expect(retrieved.locator("mark")).to_have_text("岳云的父亲是岳飞")
    expect(retrieved.locator(".cite")).to_have_text("1")
    refused = visit.ask(PHONE)
    expect(refused.locator(".badge")).to_have_text("我不知道")
    expect(refused.locator(".answer")).to_have_text("我不知道和“李白的手机号码”相关的信息。")
    expect(refused.locator(".explanation").first).to_have_text(
        "在检索到的资料里没有找到足够有把握的答案。"
    )


def test_an_example_is_asked_with_one_click(visit: Visit) -> None:
    visit.page.click(f".example:has-text('{CAPITAL}')")
    expect(visit.page.locator(".answer")).to_have_text("法国的首都是巴黎。")


def test_the_slider_changes_what_is_answered_directly(visit: Visit) -> None:
    expect(visit.ask(GUESS).locator(".badge")).to_have_text("我不知道")
    visit.page.click("#options > summary")
    visit.page.focus("#precision")
    for _ in range(4):
        visit.page.keyboard.press("ArrowLeft")
    expect(visit.page.locator("#chosen")).to_have_text("≥ 50%")
    expect(visit.page.locator("#certificate")).to_contain_text("90%")  # of questions answered
    expect(visit.ask(GUESS).locator(".badge")).to_have_text("直接回答")


def test_the_language_changes_everything_but_the_answers(visit: Visit) -> None:
    exchange = visit.ask(CAPITAL)
    visit.page.click("#language")
    expect(visit.page.locator("html")).to_have_attribute("lang", "en")
    expect(exchange.locator(".badge")).to_have_text("Direct")
    expect(exchange.locator(".answer")).to_have_text("法国的首都是巴黎。")
    visible = visit.page.locator("body").inner_text().replace("法国的首都是巴黎。", "")
    rest = visible.replace(CAPITAL, "").replace("中文", "")
    assert not [c for c in rest if "\u4e00" <= c <= "\u9fff"]


def test_without_a_model_nothing_speaks_of_one(browser: Browser) -> None:
    with serving(model="none") as (_, url):
        visit = Visit(browser, url, sign="#serving:not(:empty)")
        expect(visit.page.locator(".lead")).to_contain_text("答案都来自资料")
        expect(visit.page.locator(".legend .badge:visible")).to_have_text(["检索回答", "我不知道"])
        expect(visit.page.locator("#welcome h2")).to_be_hidden()  # there are no examples to offer
        visit.page.click("#options > summary")
        expect(visit.page.locator("#precision")).to_be_hidden()
        expect(visit.page.locator("#fallback")).to_be_hidden()
        expect(visit.page.locator("#sources")).to_be_visible()
        expect(visit.page.locator("#serving")).to_have_text("retrieval-only")
        retrieved = visit.ask(FATHER)
        expect(retrieved.locator(".badge")).to_have_text("检索回答")
        expect(retrieved.locator("mark")).to_have_text("岳云的父亲是岳飞")
        retrieved.locator(".facts summary").click()
        expect(retrieved.locator(".facts")).to_contain_text("没有模型，只查资料")
        expect(retrieved.locator(".facts")).not_to_contain_text("运行点")
        refused = visit.ask(PHONE)
        expect(refused.locator(".badge")).to_have_text("我不知道")
        assert refused.locator(".meter").count() == 0
        visit.page.click("#language")
        expect(visit.page.locator(".lead")).to_contain_text("Every answer comes from the documents")
        visit.context.close()
        assert visit.faults == []


def test_history_and_choices_stay_in_the_browser(visit: Visit) -> None:
    visit.ask(FATHER)
    visit.page.click("#theme")
    visit.page.reload()
    expect(visit.page.locator(".exchange .badge")).to_have_text("检索回答")
    expect(visit.page.locator("html")).to_have_attribute("data-theme", "dark")
    visit.page.click("#forget")
    visit.page.reload()
    visit.page.wait_for_selector(".example")
    assert visit.page.locator(".exchange").count() == 0


def test_a_question_can_be_stopped(browser: Browser) -> None:
    with serving(3.0) as (_, url):
        visit = Visit(browser, url)
        visit.page.fill("#question", CAPITAL)
        visit.page.press("#question", "Enter")
        expect(visit.page.locator(".status")).to_have_text("正在问模型…")
        visit.page.keyboard.press("Escape")
        expect(visit.page.locator(".answer")).to_have_text("已停止。")
        expect(visit.page.locator("#send")).to_have_attribute("aria-label", "提问")
        visit.context.close()


def test_problems_are_shown_as_words(visit: Visit) -> None:
    visit.page.route("**/v1/qa/stream", lambda route: route.abort())
    visit.page.fill("#question", CAPITAL)
    visit.page.press("#question", "Enter")
    expect(visit.page.locator(".answer")).to_have_text("连不上服务，请稍后再试。")
    assert visit.faults.pop().startswith("Failed to load resource")


def test_markup_in_a_question_stays_text(visit: Visit) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    exchange = visit.ask(hostile)
    expect(exchange.locator(".asked")).to_contain_text(hostile)
    assert exchange.locator("img, script").count() == 0


def test_everything_can_be_reached_by_keyboard_and_has_a_name(visit: Visit) -> None:
    visit.ask(FATHER)
    visit.page.click("#options > summary")
    reached = set()
    visit.page.evaluate("document.activeElement.blur()")
    for _ in range(30):
        visit.page.keyboard.press("Tab")
        reached.add(
            visit.page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    assert {"question", "send", "language", "theme", "precision", "fallback", "sources"} <= reached
    nameless = visit.page.evaluate(
        """[...document.querySelectorAll("button, input, select, textarea, a")].filter(e =>
            e.checkVisibility() && !e.innerText?.trim() && !e.getAttribute("aria-label")
            && !e.labels?.length).map(e => e.outerHTML)"""
    )
    assert nameless == []
    snapshot = visit.page.locator("body").aria_snapshot()
    assert 'log "问答"' in snapshot
    assert "检索回答" in snapshot


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Browser, url: str, scheme: str) -> None:
    """WCAG AA: a contrast of at least 4.5 for every run of text."""
    visit = Visit(browser, url, color_scheme=scheme)
    visit.ask(PHONE)
    visit.ask(FATHER)
    visit.ask(CAPITAL)
    visit.page.click("#options > summary")
    visit.page.wait_for_timeout(400)
    low = visit.page.evaluate(CONTRAST)
    assert low == []
    visit.context.close()


# For every element with text of its own: its colour against the grounds below it, blended.
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest("noscript, .skip, .hidden")) continue;
    const grounds = [];
    for (let at = e; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const [a, b] = [luminance(paint(grounds)), luminance(paint([...grounds, getComputedStyle(e).color]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""  # noqa: E501


def test_nothing_is_wider_than_a_phone(browser: Browser, url: str) -> None:
    visit = Visit(browser, url, viewport={"width": 320, "height": 640}, locale="en-US")
    visit.ask("W" * 300)
    visit.ask(FATHER)
    visit.page.click("#options > summary")
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 320
    small = visit.page.evaluate(
        """[...document.querySelectorAll("button, select, input")].filter(e =>
            e.checkVisibility() && e.getBoundingClientRect().height < 32).map(e => e.id)"""
    )
    assert small == []  # fingers need room
    visit.context.close()


def test_the_page_loads_nothing_from_elsewhere(browser: Browser, url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("", "docs"):
        page.goto(f"{url}{path}")
        page.wait_for_load_state("networkidle")
    assert asked
    assert [address for address in asked if not address.startswith((url, "data:"))] == []
    expect(page.locator(".swagger-ui .opblock-summary-path").first).to_be_visible()
    context.close()


def test_the_policy_allows_no_script_but_our_own(url: str) -> None:
    policy = httpx.get(url).headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_english_examples_are_offered_to_english_readers(browser: Browser, url: str) -> None:
    visit = Visit(browser, url, locale="en-GB")
    expect(visit.page.locator(".example")).to_contain_text(HAMLET)
    visit.context.close()


def test_a_key_is_asked_for_once_and_kept(browser: Browser, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "page")
    with serving(ZHIZHI_KEYS_FILE=str(tmp_path / "keys.json")) as (_, url):
        visit = Visit(browser, url)
        visit.page.fill("#question", CAPITAL)
        visit.page.press("#question", "Enter")
        expect(visit.page.locator("#keys")).to_be_visible()
        visit.page.fill("#key", key)
        visit.page.press("#key", "Enter")
        expect(visit.page.locator(".exchange").nth(1).locator(".badge")).to_have_text("直接回答")
        visit.page.reload()
        visit.page.wait_for_selector(".exchange")
        expect(visit.ask(FATHER).locator(".badge")).to_have_text("检索回答")
        visit.context.close()


def test_an_answer_can_be_rated(browser: Browser, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/log.db"
    with serving(ZHIZHI_LOG_URL=address) as (_, url):
        visit = Visit(browser, url)
        exchange = visit.ask(CAPITAL)
        down = exchange.locator(".rate.down")
        down.click()
        expect(down).to_have_attribute("aria-pressed", "true")
        expect(visit.page.locator("#spoken")).to_have_text("谢谢，已经记下。")
        visit.context.close()
    engine = open_engine(address)
    (row,) = export(engine)
    assert (row["text"], row["ratings"]) == (CAPITAL, {"up": 0, "down": 1})
    engine.dispose()
