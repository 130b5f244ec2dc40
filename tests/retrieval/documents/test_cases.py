"""The files of tests/data/documents come in as a person would read them, or are left out with one line."""

from __future__ import annotations

import pytest

from retrieval.documents import read_document
from tests.retrieval.documents.samples import CASES

FOUNDED = "Le café Müller à Zürich a été fondé en 1923 par René."
RETURNS = "岳雲的父親是岳飛。臺灣的首府是臺北。退貨政策：七天內可以退貨。"
THREE = "\n".join(["Page text of the manual."] * 3)

# file → title, text of all its passages
READ = {
    "encodings/big5.html": ("退貨政策", RETURNS * 6),
    "encodings/big5.txt": ("big5", RETURNS),
    "encodings/cp1252.html": ("Café", " ".join([FOUNDED] * 8)),
    "encodings/gbk.txt": ("gbk", "岳云的父亲是岳飞。\n退货政策:七天内可以退货。"),
    "encodings/latin1.txt": (
        "latin1",
        "Le café Müller à Zürich coûte 5 €. La société a été fondée en 1923.",
    ),
    "encodings/sjis.txt": ("sjis", "東京の人口は約1400万人です。"),
    "encodings/utf16.txt": ("utf16", "岳云的父亲是岳飞。"),
    "encodings/utf16le-nobom.txt": (
        "utf16le-nobom",
        "岳云的父亲是岳飞。The rated power is 5 kW.",
    ),
    "encodings/utf8-cut.txt": (
        "utf8-cut",
        "岳云的父亲是岳飞。退货政策:七天内可以退货。\ufffd",
    ),
    "html/accordion.html": ("FAQ", "常见问题如下,点击展开。\n退货期限是七天。"),
    "html/details.html": ("FAQ", "退货期限?\n退货期限是七天。"),
    "html/div.html": ("通知", "退货期限是七天。\n保修期是三年。"),
    "html/dl.html": ("FAQ", "退货期限是多久?\n退货期限是七天。\n保修期是多久?\n保修期是三年。"),
    "html/dup.html": ("T", "退货期限是七天。\n保修期是三年。\n退货期限是七天。"),
    "html/footer-art.html": (
        "T",
        "正文第一段,说明退货期限是七天,并且运费由卖家承担。\n作者:王五。发表于 2024 年。",
    ),
    "html/list.html": ("步骤", "1. 关闭阀门\n2. 等待十分钟"),
    "html/pre.html": ("log", "port = 8443\nlimit = 30"),
    "html/short.html": ("A", "ZX-9 的功率是 5 kW。"),
    "html/table.html": ("参数", "型号：ZX-9，功率：5 kW\n型号：ZX-10，功率：7 kW"),
    "html/word.html": ("通知", "退货期限是七天。"),
    "markdown/code.md": (
        "Deploy guide",
        "To set the port run:\nexport ZX_PORT=8443\nzxctl start --port 8443\nThen open the page.",
    ),
    "markdown/comment-title.md": (
        "Real title",
        "# install deps\npip install zx\nReal title\nBody text here.",
    ),
    "markdown/crlf-fm.md": ("Refund policy", "Refunds within seven days."),
    "markdown/frontmatter.md": ("Refund policy", "Refunds within seven days."),
    "markdown/hr-first.md": (
        "Refund policy",
        "Refunds within seven days.\nWarranty is three years.",
    ),
    "markdown/html.md": ("T", "Line\nbreak\nMore\nhidden text\nlink img"),
    "markdown/math.md": (
        "Formula",
        "Area is 3*4*5=60 and name is my__init__file. Use __init__.py and a*b*c. Price: 5 * 3 * 2. "
        "Path C:\\dir*.txt and *.md files.",  # CommonMark: a backslash before a star escapes it
    ),
    "markdown/nested.md": (
        "How to write fences",
        "Use four backticks:\n```python\nprint(1)\n```\nThe licence key is ABC-123.\nend\n"
        "The port is 8443.",
    ),
    "markdown/setext.md": (
        "Refund policy",
        "Refunds within seven days.\nWarranty\nThree years.",
    ),
    "markdown/steps.md": ("Steps", "1. Close the valve.\n2. Wait 10 minutes.\n3. Open the lid."),
    "markdown/table.md": (
        "Prices",
        "Model: ZX-9, Power: 5 kW, Price: 100\nModel: ZX-10, Power: 7 kW, Price: 200",
    ),
    "markdown/unclosed.md": (
        "Log",
        "First paragraph: the port is 8443.\na\n\nSecond paragraph: the limit is 30 days.\nb",
    ),
    "markdown/year.md": (
        "History",
        "The company was founded in 1998. In March it moved to Berlin. The dose is 5. Not more.",
    ),
    "office/a.docx": ("a", "岳云的父亲是岳飞。"),
    "office/b.xlsx": ("b", "产品：功率"),
    "pdf/aes-owner.pdf": ("aes-owner", "The rated power of pump ZX-9 is 5.5 kW."),
    "pdf/cid.pdf": ("cid", "岳云的父亲是岳飞。\n水泵的额定功率是5.5千瓦。"),
    "pdf/surrogate.pdf": ("surrogate", "The rated power of pump ZX-9 is 5.5 kW.\nB"),
    "pdf/three.pdf": ("three", THREE),
}
LEFT_OUT = {
    "encodings/utf8-cut.txt": ["1 character: not valid UTF-8"],
    "pdf/aes-user.pdf": [": encrypted, it opens with a password only."],
    "pdf/html.pdf": [": not a PDF, though its name says so."],
    "jsonl/a.jsonl": ["record 2: none of text, content"],
    "jsonl/lc.jsonl": ["record 1: its text is empty or no text."],
}
RECORDS = {
    "faq.jsonl": [
        ("f1#0", "退货", "问题:退货期限是多久?\n答案:退货期限是七天。"),
        ("f2#0", "ZX-9", "问题:ZX-9的制造商是谁?\n答案:ZX-9的制造商是甲公司。"),
        ("f3#0", "ZX-8", "ZX-8的制造商是甲公司。"),
    ],
    "jsonl/a.jsonl": [("1#0", "", "岳云的父亲是岳飞。"), ("3#0", "", "法国的首都是巴黎。")],
    "jsonl/arr.jsonl": [("1#0", "", "a")],
    "jsonl/lc.jsonl": [("2#0", "", "法国的首都是巴黎。")],
    "jsonl/surrogate.jsonl": [
        ("a#0", "统计", "质能关系由爱因斯坦提出。符号\ufffd 不成对。"),
        ("b#0", "岳云", "岳云的父亲是岳飞。"),
    ],
}
NAMES = sorted(p.relative_to(CASES).as_posix() for p in CASES.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_a_case_comes_in_or_is_told(name: str) -> None:
    found = read_document(name, (CASES / name).read_bytes())
    told = LEFT_OUT.get(name, [])
    assert len(found.left_out) == len(told)
    for left, words in zip(found.left_out, told, strict=True):
        assert words in str(left)
        assert "\n" not in str(left)
    if name in RECORDS:
        passages = [(p.id, p.title, p.text) for p in found.passages]
        assert passages == [(f"{name}:{i}", title, text) for i, title, text in RECORDS[name]]
    elif name in READ:
        assert {p.title for p in found.passages} == {READ[name][0]}
        assert "\n".join(p.text for p in found.passages) == READ[name][1]
    else:
        assert found.passages == ()
        assert found.left_out
