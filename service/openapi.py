"""The OpenAPI document: problems, examples, and what FastAPI cannot know by itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.problems import MEDIA_TYPE, ProblemDetails

POINT = {
    "name": "webqa",
    "threshold": 0.81,
    "target_precision": 0.9,
    "certified": True,
    "n": 412,
    "coverage": 0.48,
    "delta": 0.05,
    "closed": ["1"],
    "retrieved": {"threshold": 0.54, "certified": True, "n": 380, "coverage": 0.83},
}
DIRECT = {
    "id": "5d1f6a0e7f0b4f0cb2f6b8a3c1d2e3f4",
    "question": "法国的首都是哪里?",
    "answer": "法国的首都是巴黎。",
    "route": "direct",
    "language": "zh",
    "confidence": 0.97,
    "citations": [],
    "closest": [],
    "evidence": [],
    "model": "embedded-0.1",
    "index": "embedded-0.1",
    "threshold": 0.81,
    "operating_point": POINT,
    "promise": {"part": "direct", "basis": "certified", "target_precision": 0.9, "delta": 0.05},
    "cached": False,
    "timings_ms": {"direct": 12.1, "total": 12.3},
    "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
}
RETRIEVED = DIRECT | {
    "question": "岳云的父亲是?",
    "answer": "岳云的父亲是岳飞。",
    "route": "retrieval",
    "abstention": "model_refused",
    "confidence": 0.93,
    "provider": "index",
    "promise": {"part": "retrieved", "basis": "certified", "target_precision": 0.9, "delta": 0.05},
    "citations": [
        {
            "number": 1,
            "passage_id": "岳云#0",
            "title": "岳云",
            "url": "",
            "quote": "岳云的父亲是岳飞",
            "start": 0,
            "end": 8,
            "source": "index",
        }
    ],
    "timings_ms": {"direct": 12.1, "retrieval": 20.4, "total": 32.8},
}
REFUSED = DIRECT | {
    "question": "李白的手机号码是多少?",
    "answer": "我不知道和“李白的手机号码”相关的信息。",
    "route": "refused",
    "reason": "insufficient_evidence",
    "promise": None,
    "explanation": "在检索到的资料里没有找到足够有把握的答案。",
    "abstention": "model_refused",
    "confidence": 0.03,
}
ANSWER_EXAMPLES = {
    "direct": {"summary": "The model was sure", "value": DIRECT},
    "retrieval": {"summary": "The model was not; the evidence was", "value": RETRIEVED},
    "refused": {"summary": "Nobody knew", "value": REFUSED},
}
STREAM_EXAMPLE = """event: step
data: {"state": "asking", "abstention": null}

event: route
data: {"route": "direct", "reason": null, "abstention": null, "confidence": 0.97}

event: token
data: {"text": "巴"}

event: token
data: {"text": "黎"}

event: final
data: {"id": "…", "question": "法国的首都是哪里?", "answer": "巴黎", "route": "direct", …}

"""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with these problems."""
    return {
        status: {"model": ProblemDetails, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document, with problems under their own media type."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    _own_media_type(status, response)
        app.openapi_schema = document
    return app.openapi_schema


def _own_media_type(status: str, response: dict[str, Any]) -> None:
    content = response.get("content", {})
    if not status.startswith(("4", "5")):
        return
    for media_type in ("application/json", "text/event-stream"):
        if "ProblemDetails" in str(content.get(media_type, {}).get("schema", "")):
            content[MEDIA_TYPE] = content.pop(media_type)
