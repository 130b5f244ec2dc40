"""Office files, e-books, mails and PDFs: text with its place, and what is left out."""

from __future__ import annotations

import pytest

from kg_builder.passage import Passage
from retrieval.chunking import ChunkSettings
from retrieval.documents import Extraction, ocr, read_document
from retrieval.documents.formats.pdf import joined_lines
from tests.retrieval.documents.samples import eml, epub, pdf, pptx, xlsx


def lines(found: Extraction) -> list[str]:
    return [line for passage in found.passages for line in passage.text.split("\n")]


def place(passage: Passage, quote: str) -> dict[str, object]:
    """Where in the document a quote stands."""
    location = passage.location_at(passage.text.index(quote))
    assert location is not None
    return location.model_dump(exclude_defaults=True, exclude={"start"})


def test_rows_of_a_sheet_name_their_columns() -> None:
    found = read_document("a.xlsx", xlsx())
    assert lines(found) == [
        "价格表",
        "2024 年报价",
        "型号：ZX-9，规格 功率：5 kW，规格 价格：100，折扣：15%",
        "型号：ZX-10，规格 功率：7 kW，规格 价格：200，折扣：20%",
    ]
    assert [str(left) for left in found.left_out] == ["a.xlsx, sheet 空表: empty."]
    (passage,) = found.passages
    assert place(passage, "7 kW") == {"sheet": "价格表", "row": 6, "heading": "价格表"}


def test_slides_with_tables_and_notes() -> None:
    found = read_document("a.pptx", pptx())
    assert lines(found) == [
        "退货政策", "退货期限是七天。", "运费由卖家承担。", "参数", "型号：ZX-9，功率：5 kW",
    ]  # fmt: skip
    assert [left.part for left in found.left_out] == ["slide 2"]
    assert place(found.passages[0], "5 kW") == {"page": 3, "heading": "参数"}


def test_chapters_of_a_book_in_its_order() -> None:
    found = read_document("a.epub", epub())
    assert found.passages[0].title == "夜航书"
    assert lines(found) == ["第一章", "沈云舟上船。", "第二章", "船到了临江。"]
    assert [left.part for left in found.left_out] == ["chapter 3"]
    assert place(found.passages[0], "船到") == {"heading": "第二章"}


def test_a_mail_with_attachments() -> None:
    found = read_document("a.eml", eml())
    assert found.passages[0].title == "退货政策"
    assert lines(found)[0].startswith("From: 王五")
    assert lines(found)[2:] == [
        "退货期限是七天。", "价格.csv", "型号：ZX-9，功率：5 kW，价格：100",
    ]  # fmt: skip
    (left,) = found.left_out
    assert left.part == "attachment a.bin"
    assert "no reader for '.bin'" in left.reason


def test_pages_that_are_pictures_are_named() -> None:
    pages: list[str | None] = [
        f"Page {n} of the manual tells about part {n}." for n in range(1, 401)
    ]
    pictures = [3, 4, 5, 50, 99, 100, 101, 102, 200, 301, 399, 400]
    for number in pictures:
        pages[number - 1] = None
    found = read_document("manual.pdf", pdf(pages), ocr=False)
    (left,) = found.left_out
    assert left.part == "pages 3-5, 50, 99-102, 200, 301, 399-400"
    assert "picture" in left.reason
    last = found.passages[-1]
    assert place(last, "part 398") == {"page": 398}
    assert "".join(p.text for p in found.passages).count("Page 398 ") >= 1


def test_a_page_without_anything_is_told() -> None:
    found = read_document("a.pdf", pdf(["", "The father of Ann Lee is John Lee."]))
    assert [str(left) for left in found.left_out] == ["a.pdf, page 1: empty."]


@pytest.mark.slow  # the recogniser is loaded
@pytest.mark.skipif(not ocr.is_installed(), reason="the extra ocr is not installed")
def test_a_picture_is_read_where_ocr_is_installed() -> None:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (900, 140), "white")
    font = ImageFont.load_default(size=48)
    ImageDraw.Draw(picture).text((20, 40), "The port is 8443.", fill="black", font=font)
    assert ocr.recognise(np.asarray(picture)).replace(" ", "") == "Theportis8443."


def test_a_section_that_is_cut_keeps_its_heading() -> None:
    text = "# 手册\n\n## 请假\n\n" + "".join(f"第{n}条规定说的是第{n}件事。" for n in range(60))
    found = read_document("a.md", text.encode(), ChunkSettings(size=100, overlap=0))
    assert len(found.passages) > 5
    for passage in found.passages:
        assert passage.text.startswith("请假\n")
        assert place(passage, "条规定")["heading"] == "请假"
    assert place(found.passages[3], "条规定")["line"] == 5


def test_small_sections_share_a_passage() -> None:
    found = read_document("a.md", "# 手册\n\n## 甲\n\n一。\n\n## 乙\n\n二。\n".encode())
    (passage,) = found.passages
    assert passage.text == "甲\n一。\n乙\n二。"
    assert place(passage, "二") == {"heading": "乙", "line": 9}


def test_compatibility_forms_are_folded_and_others_kept() -> None:
    found = read_document("a.txt", "⽇⺟⻓⻔ ﬁne m² ① Ａ\u00ad".encode())
    assert lines(found) == ["日母长门 fine m² ① Ａ"]


def test_an_office_file_with_a_password_is_told() -> None:
    found = read_document("a.docx", b"\xd0\xcf\x11\xe0" + bytes(600))
    assert "encrypted with a password" in str(found.left_out[0])
    assert "Save it as .docx" in str(read_document("a.doc", b"x").left_out[0])


def test_lines_that_a_page_broke_are_joined_and_headings_stay_alone() -> None:
    page = (
        "3.1 概述\n本章说明水泵的安装方法，请在通电以前把全部内\n容读完，并且保存好这本手册。\n"
        "水泵的额定功率是五千瓦，电源电压是三百八十伏。"
    )
    assert joined_lines(page).split("\n") == [
        "3.1 概述",
        "本章说明水泵的安装方法，请在通电以前把全部内容读完，并且保存好这本手册。",
        "水泵的额定功率是五千瓦，电源电压是三百八十伏。",
    ]
    page = "Introduction\nThis manual is for Libtasn1, which is a library for\nAbstract Syntax Nota-\ntion."
    assert joined_lines(page).split("\n") == [
        "Introduction",
        "This manual is for Libtasn1, which is a library for Abstract Syntax Notation.",
    ]
