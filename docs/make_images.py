"""Make the pictures of the README from a finished run: `make images`.

Copies the four curves and the risk–coverage plot, serves the run on a free port, asks three questions in
Chromium (a known one, one for retrieval, one without an answer) and photographs the page.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

QUESTIONS = ["开封的车牌代码是?", "法国的首都是?", "外星人的生日是?"]
IMAGES = Path(__file__).parent / "images"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    options = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    shutil.copy(options.run / "sft" / "curves.png", IMAGES / "curves.png")
    shutil.copy(options.run / "evaluation" / "risk_coverage.png", IMAGES / "risk_coverage.png")
    command = [
        sys.executable,
        "-m",
        "zhizhi.cli",
        "serve",
        "--out",
        str(options.run),
        "--port",
        "0",
    ]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        url = next(
            word for line in server.stderr for word in line.split() if word.startswith("http://")
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page(
                viewport={"width": 1000, "height": 1260}, device_scale_factor=1.5
            )
            page.goto(url)
            for question in options.questions:
                ask(page, question)
            page.screenshot(path=IMAGES / "page.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox").first
    box.fill(question)
    box.press("Enter")
    page.locator(".exchange").last.locator(".facts").wait_for()  # the answer stands, whole


if __name__ == "__main__":
    main()
