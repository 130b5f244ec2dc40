"""Small files of every kind, made as programs make them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

CASES = Path(__file__).parents[2] / "data" / "documents"


def pdf(pages: Sequence[str | None]) -> bytes:
    """A PDF with one line of Latin text a page; None is a page that is a picture."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    font = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray"
        b" /BitsPerComponent 8 /Length 1 >>\nstream\n\x80\nendstream"
    )
    objects.append(picture)
    kids = []
    for text in pages:
        drawn = (
            b"q 612 0 0 792 0 0 cm /Im1 Do Q"
            if text is None
            else f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources %s"
            b" /XObject << /Im1 3 0 R >> >> >>" % (len(objects), font)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size %d /Root 1 0 R >>\n" % (len(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def xlsx() -> bytes:
    import openpyxl

    file = openpyxl.Workbook()
    sheet = file.active
    sheet.title = "价格表"
    sheet.append(["2024 年报价"])
    sheet.append(["型号", "规格", None, "折扣"])
    sheet.append([None, "功率", "价格", None])
    sheet.append(["ZX-9", "5 kW", 100.0, 0.15])
    sheet.append([])
    sheet.append(["ZX-10", "7 kW", 200, 0.2])
    for span in ("A1:D1", "B2:C2", "A2:A3", "D2:D3"):
        sheet.merge_cells(span)
    for row in (4, 6):
        sheet.cell(row, 4).number_format = "0%"
    file.create_sheet("空表")
    return saved(file)


def pptx() -> bytes:
    import pptx as library
    from pptx.util import Inches

    file = library.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[1])
    slide.shapes.title.text = "退货政策"
    slide.placeholders[1].text = "退货期限是七天。"
    slide.notes_slide.notes_text_frame.text = "运费由卖家承担。"
    file.slides.add_slide(file.slide_layouts[6])
    third = file.slides.add_slide(file.slide_layouts[5])
    third.shapes.title.text = "参数"
    table = third.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for row, cells in enumerate((("型号", "功率"), ("ZX-9", "5 kW"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    return saved(file)


def saved(file: object) -> bytes:
    out = io.BytesIO()
    file.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def epub() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "OPS/book.opf",
            '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>夜航书</dc:title>'
            '</metadata><manifest><item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="a" href="a%20b.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="c" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/></spine></package>',
        )
        head = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body>'
        archive.writestr("OPS/b.xhtml", head + "<h1>第二章</h1><p>船到了临江。</p></body></html>")
        archive.writestr("OPS/a b.xhtml", head + "<h1>第一章</h1><p>沈云舟上船。</p></body></html>")
    return out.getvalue()


def eml() -> bytes:
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "退货政策"
    message["From"] = "王五 <wang@example.com>"
    message["Date"] = "Mon, 06 May 2024 10:00:00 +0800"
    message.set_content("退货期限是七天。\n")
    message.add_attachment("型号,功率,价格\nZX-9,5 kW,100\n".encode("gb18030"),
                           maintype="text", subtype="csv", filename="价格.csv")  # fmt: skip
    message.add_attachment(b"\0\1", maintype="application", subtype="x", filename="a.bin")
    return bytes(message)


def every_kind() -> dict[str, bytes]:
    """A file of every kind that is read, by name."""
    made = {
        "a.pdf": pdf(["The father of Ann Lee is John Lee.", None]),
        "a.xlsx": xlsx(),
        "a.pptx": pptx(),
        "a.epub": epub(),
        "a.eml": eml(),
        "a.csv": "型号,功率,价格\nZX-9,5 kW,100\n".encode("gb18030"),
    }
    found = {p.name: p.read_bytes() for p in sorted(CASES.rglob("*")) if p.is_file()}
    return {**found, **made}
