"""OCR: the text of pictures, by RapidOCR with the Chinese and English model that it comes with."""

from __future__ import annotations

import threading
from functools import cache
from importlib.util import find_spec
from typing import Any

DPI = 200  # at which a page is drawn: ten-point letters are 28 pixels high
MIN_SCORE = 0.5  # of a line, below which it is a stain
_LOCK = threading.Lock()  # one picture at a time: each takes all cores


@cache
def is_installed() -> bool:
    """Whether the extra ``ocr`` is there."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def recognise(picture: Any) -> str:
    """The lines of a picture (uint8 array of height x width x 3), from top to bottom."""
    with _LOCK:
        found = _engine()(picture)
    if found.txts is None:
        return ""
    lines = [
        (
            float(box[:, 1].mean()),
            float(box[:, 0].min()),
            float(box[:, 1].max() - box[:, 1].min()),
            text,
        )
        for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        if score >= MIN_SCORE
    ]
    return "\n".join(_rows(lines))


def _rows(lines: list[tuple[float, float, float, str]]) -> list[str]:
    """Pieces (middle, left, height, text) of one height on the page are one line."""
    rows: list[list[tuple[float, float, float, str]]] = []
    for piece in sorted(lines):
        if rows and piece[0] - rows[-1][0][0] < 0.5 * min(piece[2], rows[-1][0][2]):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [" ".join(p[3] for p in sorted(row, key=lambda p: p[1])) for row in rows]


@cache
def _engine() -> Any:
    import logging

    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "critical"})
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return engine
