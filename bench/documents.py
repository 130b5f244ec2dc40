"""How much of a folder of documents comes in, and how fast: the reader alone, without any index.

    python bench/documents.py FOLDER --json

`characters_kept` is the share of letters and digits that a second, simpler reading of the same bytes finds
(all text of a Markdown file's HTML, of a page's body, of an office file's XML, the whole of a text) and that
the passages have too; files for which there is no second reading count as they were read. Repeats of the
overlap are taken out.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections import Counter
from pathlib import Path

from retrieval.chunking import ChunkSettings
from retrieval.documents import Extraction, LeftOut, read_document
from retrieval.documents.characters import clean
from retrieval.documents.encoding import declared_charset, decode
from retrieval.documents.folder import find_files
from retrieval.documents.sources import Sources
from retrieval.errors import DocumentError

SETTINGS = ChunkSettings(overlap=0)  # no character twice
# Parts of office files that hold text, and the elements it is in.
OFFICE = {
    ".docx": ("word/document.xml", "t"),
    ".pptx": ("ppt/slides/slide", "t"),
    ".xlsx": ("xl/sharedStrings.xml", "t"),
}
UNSEEN = "//script|//style|//template|//noscript|//nav|//head|//comment()|//body/footer|//svg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="one line of JSON and nothing else")
    parser.add_argument("--ocr", action="store_true", help="read pictures, where OCR is installed")
    args = parser.parse_args()
    result, left_out = measure(args.folder, ocr=args.ocr)
    if not args.json:
        for left in left_out:
            print(f"left out: {left}")
    print(json.dumps(result))


def measure(folder: Path, *, ocr: bool) -> tuple[dict[str, float], list[LeftOut]]:
    """The figures of a folder, and all that was left out of it."""
    files = read = passages = size = visible = kept = 0
    seconds = 0.0
    left_out: list[LeftOut] = []
    for found in find_files([folder], Sources()):
        files += 1
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        data = found.path.read_bytes()
        started = time.perf_counter()
        extraction = read_document(found.identity, data, SETTINGS, ocr=ocr)
        seconds += time.perf_counter() - started
        left_out += extraction.left_out
        if not extraction.passages:
            continue
        read, passages, size = read + 1, passages + len(extraction.passages), size + len(data)
        mine = letters("\n".join(f"{p.title}\n{p.text}" for p in extraction.passages))
        theirs = letters(second_reading(found.path, data, extraction))
        visible += theirs.total()
        kept += (mine & theirs).total()
    return {
        "files": files,
        "read": read,
        "left_out": len(left_out),
        "passages": passages,
        "characters_kept": round(kept / visible, 4) if visible else 1.0,
        "mb_per_s": round(size / 1e6 / seconds, 2) if seconds else 0.0,
    }, left_out


def letters(text: str) -> Counter[str]:
    """How often each letter and digit is in a text."""
    return Counter(character for character in clean(text) if character.isalnum())


def second_reading(path: Path, data: bytes, extraction: Extraction) -> str:
    """All visible text of a file as a simpler reader finds it; what we read where there is none."""
    ending = path.suffix.lower()
    try:
        if ending in (".txt", ".text", ".log"):
            return decode(data).text
        if ending in (".md", ".markdown"):
            return _markdown(decode(data).text)
        if ending in (".html", ".htm", ".xhtml"):
            return _page(decode(data, declared_charset(data)).text)
        if ending in OFFICE:
            return _office(data, *OFFICE[ending])
    except DocumentError:
        pass
    return "\n".join(passage.text for passage in extraction.passages)


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    from retrieval.documents.formats.markdown import front_matter

    _, body = front_matter(text)
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return _page(parser.render(body))


def _page(text: str) -> str:
    from lxml import etree

    from retrieval.documents.formats.html import tree

    root = tree(text)
    if root is None:
        return ""
    for element in root.xpath(UNSEEN):
        element.tail, tail = None, element.tail
        above, before = element.getparent(), element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + (tail or "")
        elif above is not None:
            above.text = (above.text or "") + (tail or "")
        if above is not None:
            above.remove(element)
    return str(etree.tostring(root, method="text", encoding="unicode"))


def _office(data: bytes, part: str, name: str) -> str:
    from lxml import etree

    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.namelist():
            if entry.startswith(part) and entry.endswith(".xml"):
                root = etree.fromstring(archive.read(entry))
                found += root.xpath(f"//*[local-name()='{name}']/text()")
    return "\n".join(found)


if __name__ == "__main__":
    main()
