"""Ten million rows in OwnThink's layout to questions: DuckDB beside plain Python, time and memory.

    python bench/kg.py --json                  10,000,000 generated rows, both ways
    python bench/kg.py --rows 1000000 --way duckdb
    python bench/kg.py --file ownthink.csv     rows of your own

Each way runs in a process of its own, whose wall time and peak memory are measured; plain Python
holds the graph in dictionaries and uses the same cleaning rules (kg_builder/cleaning.py) and the
same wordings (kg_builder/phrasing.py) a row at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SYLLABLES = (
    "安白柏北博昌长春川达丹德迪东尔法方菲丰福冈格光广桂国海汉浩和河恒洪华怀嘉江金京静"
    "康科克兰乐雷里丽林龙鲁罗洛马曼美蒙明木南内宁诺平奇清庆泉荣瑞萨山绍圣石思斯松苏塔"
    "泰天通图托瓦万威维文西贤相新星旭雅阳叶宜银永元云泽泰哲振志中舟子佐"
)
KINDS = (
    "歌曲",
    "电影",
    "小说",
    "网球运动员",
    "中国内地演员",
    "河北省下辖县",
    "游戏角色",
    "上市公司",
    "日本漫画",
)
PERSONS = ("作者", "导演", "主演", "父亲", "歌手", "编剧", "主编", "创始人", "谱曲", "译者")
PLACES = ("出生地", "国籍", "籍贯", "总部地点", "拍摄地点", "所属国家", "毕业院校", "出版社")
DATES = ("出生日期", "成立时间", "上映时间", "出版时间", "发行时间", "逝世日期")
NUMBERS = ("面积", "人口", "片长", "集数", "海拔", "长度", "建筑面积", "总投资额", "航班数量")
TEXTS = ("描述", "简介", "主要成就", "经营范围", "特点")
OTHERS = (
    "别名",
    "外文名",
    "类型",
    "标签",
    "职业",
    "ISBN",
    "图片",
    "官网",
    "邮编",
    "民族",
    "语言",
    "性别",
    "属性",
)
SENTENCE = "是一个由生成器写出的句子，用来代表百科里常见的大段描述文字，它不是问题的答案。"


def generate(path: Path, rows: int, seed: int = 0) -> None:
    """Write rows like OwnThink's: qualified namesakes, lists, mark-up, links, texts, broken rows."""
    rng = random.Random(seed)
    choice, rand = rng.choice, rng.random

    def name(low: int = 2, high: int = 5) -> str:
        return "".join(rng.choices(SYLLABLES, k=rng.randint(low, high)))

    people = [name(2, 4) for _ in range(200_000)]
    places = [
        name(2, 3) + choice(("省", "市", "县", "州", "大学", "出版社")) for _ in range(50_000)
    ]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("实体,属性,值\n")
        written = 0
        while written < rows:
            entity = name(2, 6) if rand() < 0.7 else choice(people)
            if rand() < 0.3:
                entity += f"[{choice(KINDS)}]"
            lines = []
            for _ in range(min(1 + int(rng.expovariate(0.19)), rows - written)):
                kind = rand()
                if kind < 0.26:
                    value = choice(people)
                    if rand() < 0.2:
                        value += "、" + choice(people)
                    elif rand() < 0.05:
                        value = f'"{value},{choice(people)}"'
                    lines.append(f"{entity},{choice(PERSONS)},{value}")
                elif kind < 0.46:
                    mark = "[1]" if rand() < 0.1 else ""
                    lines.append(f"{entity},{choice(PLACES)},{choice(places)}{mark}")
                elif kind < 0.6:
                    y, m, d = rng.randint(1700, 2020), rng.randint(1, 12), rng.randint(1, 28)
                    date = f"{y}年{m}月{d}日" if rand() < 0.7 else f"{y}-{m:02}-{d:02}"
                    lines.append(f"{entity},{choice(DATES)},{date}")
                elif kind < 0.72:
                    number = rng.randint(1, 99_999)
                    unit = choice(("", "人", "平方公里", "米", "分钟", "万元", "集", "万"))
                    lines.append(f"{entity},{choice(NUMBERS)},{number}{unit}")
                elif kind < 0.82:
                    lines.append(f"{entity},{choice(TEXTS)},{entity}{SENTENCE}")
                elif kind < 0.995:
                    other = choice(OTHERS)
                    value = choice(
                        (
                            name(),
                            f"https://example.org/{y_safe(rng)}",
                            f"{y_safe(rng)}.jpg",
                            "男",
                            "<b>无</b>",
                        )
                    )
                    lines.append(f"{entity},{other},{value}")
                else:
                    lines.append(
                        choice((f"{entity},缺值", f"{entity},,", f'{entity},坏引号,"{entity}'))
                    )
            written += len(lines)
            file.write("\n".join(lines) + "\n")


def y_safe(rng: random.Random) -> str:
    return f"{rng.getrandbits(40):010x}"


def duckdb_way(source: Path, out: Path, memory: str) -> dict[str, Any]:
    from kg_builder.build import BuildSettings, build
    from kg_builder.sources.spec import SourceSpec

    settings = BuildSettings(
        sources=(SourceSpec(location=str(source)),), passages=False, memory=memory
    )
    report = build(settings, out)
    return {"questions": report.questions, "rows": report.counts["sources"][0]["rows"]}


def plain_way(source: Path, out: Path, memory: str) -> dict[str, Any]:
    """csv, dictionaries, one row at a time. Without what this way cannot do in passing: popularity,
    names of objects, reverse facts."""
    import csv
    import re

    from kg_builder.bulk.relations import RelationPolicy, judge
    from kg_builder.cleaning import fault, rub, rules
    from kg_builder.fact import Entity, Fact, Object
    from kg_builder.literals import read_literal
    from kg_builder.phrasing import gives_away, make_question
    from kg_builder.relation import Catalogue
    from kg_builder.splits import split_of

    del memory
    catalogue, policy = Catalogue.load(), RelationPolicy()
    separators, qualified = re.compile(rules().list_separators), re.compile(rules().qualified)
    subject_faults = (*rules().subject_faults, rules().common_name)
    judged: dict[str, Any] = {}
    names: dict[str, str | None] = {}
    bare: dict[str, set[str]] = {}
    facts: dict[tuple[str, str], dict[str, Object]] = {}
    rows = 0
    with source.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(line.replace("\0", "") for line in file)
        next(reader)
        for cells in reader:
            rows += 1
            if len(cells) != 3 or not all(cells):
                continue
            s, p, o = cells
            if s not in names:
                name = rub(s)
                parts = qualified.fullmatch(name)
                short = parts[1] if parts else name
                faults = rules().subject_faults if parts else subject_faults
                shown = f"{short}（{parts[2]}）" if parts else name
                names[s] = None if fault(short, faults) else shown
                bare.setdefault(short, set()).add(shown)
            if p not in judged:
                judged[p] = judge(p, None, None, False, catalogue, policy)
            relation, role, _ = judged[p]
            subject = names[s]
            if role != "ask" or subject is None:
                continue
            for piece in separators.split(rub(o)):
                literal = None
                if relation.answer in ("date", "number"):
                    literal = read_literal(piece, relation.answer)
                    if literal is None:
                        continue
                elif fault(piece, rules().value_faults):
                    continue
                key = literal.key if literal else piece.lower()
                label = literal.zh if literal else piece
                held = facts.setdefault((subject, relation.id), {})
                held[key] = Object(id=piece, labels={"zh": label})
    questions = 0
    relations = {relation.id: relation for relation, _, _ in judged.values()}
    with (out / "questions.jsonl").open("w", encoding="utf-8") as file:
        for (subject, relation_id), objects in facts.items():
            relation = relations[relation_id]
            if len(bare.get(subject, ())) > 1 or (relation.values == "one" and len(objects) > 1):
                continue
            if any(gives_away(subject, key) for key in objects):
                continue
            fact = Fact(
                subject_id=subject, relation_id=relation_id, objects=tuple(objects.values())
            )
            entity = Entity(id=subject, labels={"zh": subject})
            question = make_question(fact, entity, relation, "zh", split_of(subject))
            file.write(question.model_dump_json() + "\n")
            questions += 1
    return {"questions": questions, "rows": rows}


WAYS = {"duckdb": duckdb_way, "plain": plain_way}


def measure(way: str, source: Path, out: Path, memory: str) -> dict[str, Any]:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--child", way, "--file", str(source), "--out", str(out),
               "--memory", memory]  # fmt: skip
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the {way} way failed with exit status {child.returncode}")
    return {
        **json.loads(told),
        "seconds": round(time.monotonic() - start, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb": round(usage.ru_maxrss / (1 << 20), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--way", choices=[*WAYS, "both"], default="both")
    parser.add_argument("--file", type=Path, help="rows of your own instead of generated ones")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--memory", default="1400MB", help="memory limit of DuckDB")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--child", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(WAYS[options.child](options.file, options.out, options.memory)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-kg-") as folder:
        source = options.file or Path(folder) / "ownthink.csv"
        if options.file is None:
            print(f"generating {options.rows:,} rows …", file=sys.stderr)
            generate(source, options.rows)
        results: dict[str, Any] = {
            "benchmark": "kg",
            "rows": options.rows if options.file is None else None,
            "cores": os.cpu_count(),
            "source_gb": round(source.stat().st_size / (1 << 30), 2),
        }
        for way in WAYS if options.way == "both" else [options.way]:
            print(f"{way} …", file=sys.stderr)
            out = Path(folder) / way
            out.mkdir()
            results[way] = measure(way, source, out, options.memory)
            print(f"  {results[way]}", file=sys.stderr)
    if options.json:
        print(json.dumps(results, ensure_ascii=False))


if __name__ == "__main__":
    main()
