"""Write the table of a finished run into both READMEs: `make figures`.

What stands between the two marks is replaced; every number comes from the run's evaluation/table.json.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kg_builder.files import write_text  # noqa: E402

BLOCK = re.compile(r"<!-- figures -->.*?<!-- /figures -->", re.S)
COLUMNS = ("precision", "coverage", "accuracy", "known_kept", "ths", "retrieval_rate")
WORDS: dict[str, dict[str, Any]] = {
    "README.md": {
        "arms": {
            "base": "base model: always answers",
            "prompt_only": "the same, asked to refuse when unsure",
            "refusal_phrase": "tuned: answers or says 我不知道",
            "calibrated": "calibrated, no fallback",
            "calibrated_fallback": "**calibrated, with retrieval behind refusals**",
            "always_retrieve": "always retrieve",
        },
        "head": (
            "system",
            "precision of the given answers",
            "answered (coverage)",
            "right of all",
            "known kept",
            "THS",
            "retrieves",
            "p50 / p95 ms",
        ),
        "told": "n = {n} questions about entities that training never saw, 95% Wilson intervals; operating "
        "point `{point}`: {target} precision, {certified}. Confidence: AUROC {auroc}, AURC {aurc}. {gained} "
        "questions that the base had wrong are right after tuning, without any fallback. With answers "
        "rewritten to 「S的P是O」 the refusal phrase gives precision {fixed_precision} and keeps "
        "{fixed_kept} of the known.",
        "certified": "certified: at least {bound:.0%} with probability {sure:.0%}",
        "uncertified": "not certified",
    },
    "README.zh-CN.md": {
        "arms": {
            "base": "基础模型:有问必答",
            "prompt_only": "同上,提示它没把握就拒答",
            "refusal_phrase": "微调后:作答,或说我不知道",
            "calibrated": "校准后,无后备",
            "calibrated_fallback": "**校准后,拒答的交给检索**",
            "always_retrieve": "一律检索",
        },
        "head": (
            "系统",
            "所给回答的精确率",
            "作答比例(覆盖率)",
            "全部问题中答对",
            "已知的保留",
            "THS",
            "检索率",
            "p50 / p95 毫秒",
        ),
        "told": "n = {n} 个问题,其实体训练时从未见过;括号内为 95% Wilson 区间。工作点 `{point}`:"
        "精确率 {target},{certified}。置信度 AUROC {auroc},AURC {aurc}。基础模型答错的问题中,有 {gained} 个"
        "微调后(不靠后备)答对了。若把回答改写成「S的P是O」,仅凭拒答措辞的精确率为 {fixed_precision},"
        "已知问题保留 {fixed_kept}。",
        "certified": "已认证:以 {sure:.0%} 的概率不低于 {bound:.0%}",
        "uncertified": "未认证",
    },
}


def share(figures: dict[str, Any], name: str) -> str:
    """A figure as a percentage with its interval; THS as a number."""
    value, interval = figures.get(name), figures.get(f"{name}_interval")
    if value is None:
        return "–"
    if name == "ths":
        return f"{value:.2f}"
    if interval is None:
        return f"{value:.1%}"
    return f"{value:.1%} ({interval[0]:.1%}–{interval[1]:.1%})"


def block(table: dict[str, Any], words: dict[str, Any]) -> str:
    head = words["head"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, title in words["arms"].items():
        figures = table["arms"][name]
        cells = [share(figures, column) for column in COLUMNS]
        cells.append(f"{figures['p50_ms']:.0f} / {figures['p95_ms']:.0f}")
        lines.append("| " + " | ".join([title, *cells]) + " |")
    point, confidence = table["point"], table["confidence"]
    fixed = (table.get("ablation") or {}).get("fixed_form", {})
    certified = words["uncertified"]
    if point["certified"]:
        certified = words["certified"].format(
            bound=point["target_precision"], sure=1 - point["delta"]
        )
    told = words["told"].format(
        n=table["n"],
        point=point["name"],
        target=point["target_precision"],
        certified=certified,
        auroc=f"{confidence['auroc']:.3f}",
        aurc=f"{confidence['aurc']:.3f}",
        gained=table["gained"]["gained"],
        fixed_precision=share(fixed, "precision"),
        fixed_kept=share(fixed, "known_kept"),
    )
    return "\n".join(["<!-- figures -->", *lines, "", told, "<!-- /figures -->"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    options = parser.parse_args()
    table = json.loads((options.run / "evaluation" / "table.json").read_text(encoding="utf-8"))
    for name, words in WORDS.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        if not BLOCK.search(text):
            sys.exit(f"{path} has no place for the figures: <!-- figures --> … <!-- /figures -->")
        before, after = BLOCK.split(text, maxsplit=1)
        write_text(path, before + block(table, words) + after)


if __name__ == "__main__":
    main()
