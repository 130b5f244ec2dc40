"""POST, GET and DELETE /v1/documents: what questions are answered from, changed while they are answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from kg_builder.errors import UserError
from retrieval.errors import DocumentError, SearchError
from service.documents.library import DocumentLibrary
from service.documents.status import (
    Accepted,
    DocumentList,
    DocumentStatus,
    UploadLimits,
    Withdrawn,
)
from service.documents.upload_names import document_id, endings
from service.guard import Guard
from service.openapi import problems
from service.problems import Fault, Problem
from service.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATH = "/v1/documents"
FIELD = "files"
MAX_WAITING = 2000  # files that are not in the index yet; more are asked for later
RETRY_SECONDS = 30
MULTIPART = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The files. A file's name, which may have folders before it, is "
                            "the id of its document; one that is there is replaced.",
                        }
                    },
                }
            }
        },
    }
}


class Capabilities(BaseModel):
    """What the page may offer to whoever asks."""

    documents: bool = Field(description="Whether documents can be added and withdrawn.")


def capability_routes(library: DocumentLibrary, guard: Guard) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["documents"])

    @api.get("/capabilities", summary="What the page may offer")
    async def capabilities(request: Request) -> Capabilities:
        """True as well where a key is still to be given."""
        possible = library.index is not None
        try:
            guard.caller(request, "documents")
        except Problem as problem:
            possible = possible and problem.status == 401
        return Capabilities(documents=possible)

    return api


def document_routes(library: DocumentLibrary, settings: Settings, guard: Guard) -> APIRouter:
    allowed: Any = Depends(guard.needs("documents"))
    api = APIRouter(prefix=PATH, tags=["documents"], dependencies=[allowed])
    limits = upload_limits(settings)

    @api.post(
        "",
        status_code=202,
        summary="Add documents",
        openapi_extra=MULTIPART,
        responses=problems(400, 401, 403, 413, 422, 429, 501, 503),
    )
    async def add(request: Request) -> Accepted:
        """Takes several files. Each comes back as `waiting`, or as `failed` with the reason; the others come
        in all the same. `GET` says how far they are.

        Once this answers, the files are on disk: a restart does not lose them."""
        required(library)
        # Read only now: who may not upload has nothing of his body kept.
        async with request.form(max_files=limits.files) as form:
            files = [part for part in form.getlist(FIELD) if isinstance(part, UploadFile)]
            if not files:
                detail = (
                    f"There is no file in the request: send multipart/form-data with {FIELD}=@FILE."
                )
                raise Problem(422, "no-file", detail)
            if library.waiting + len(files) > MAX_WAITING:
                detail = f"{library.waiting} files wait to be taken in. Try again later."
                headers = {"Retry-After": str(RETRY_SECONDS)}
                raise Problem(503, "queue-full", detail, headers=headers)
            return Accepted(documents=tuple(await run_sync(accept, library, limits, files)))

    @api.get(
        "",
        summary="The documents that questions are answered from",
        responses=problems(401, 403, 422, 429, 501, 503),
    )
    async def listed(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> DocumentList:
        documents = await of(library, library.documents)
        shown = tuple(documents[offset : offset + limit])
        return DocumentList(documents=shown, total=len(documents), limits=limits)

    @api.get(
        "/{document:path}",
        summary="One document",
        responses=problems(401, 403, 404, 422, 429, 501, 503),
    )
    async def one(document: str) -> DocumentStatus:
        for status in await of(library, library.documents):
            if status.id == document:
                return status
        raise no_such(document)

    @api.delete(
        "/{document:path}",
        summary="Withdraw a document",
        responses=problems(401, 403, 404, 422, 429, 501, 503),
    )
    async def withdraw(document: str) -> Withdrawn:
        """Once this answers, no question is answered from it, and no cached answer is given that was."""
        done = await of(library, lambda: library.withdraw(document))
        if done is None:
            raise no_such(document)
        try:
            return Withdrawn(id=document, passages=await asyncio.wrap_future(done))
        except Exception as error:
            logger.exception("a document could not be withdrawn")
            detail = f"It could not be withdrawn: {error}" if isinstance(error, UserError) else None
            raise Problem(503, "index-unavailable", detail or "The index cannot be changed now; the "
                          "server's log says why.") from error  # fmt: skip

    return api


def upload_limits(settings: Settings) -> UploadLimits:
    return UploadLimits(
        file_bytes=settings.max_document_bytes,
        request_bytes=settings.max_upload_bytes,
        files=settings.max_upload_files,
        documents=settings.max_documents,
        types=endings(settings.document_types),
    )


def accept(
    library: DocumentLibrary, limits: UploadLimits, files: list[UploadFile]
) -> list[DocumentStatus]:
    """Every file as it was taken, or why it was not. Raises Problem 422 where none was."""
    there = {status.id for status in library.documents()}
    taken: dict[int, tuple[str, UploadFile]] = {}
    answered: dict[int, DocumentStatus] = {}
    for number, file in enumerate(files):
        name = file.filename or ""
        try:
            identity = document_id(name, limits.types)
            check_size(file, limits)
            if identity not in there and len(there) >= limits.documents:
                raise DocumentError(f"the index holds {len(there):,} documents, as many as it may.")
        except DocumentError as error:
            shown = name[:200] or f"{FIELD}/{number}"
            answered[number] = DocumentStatus(id=shown, state="failed", error=str(error))
            continue
        there.add(identity)
        taken[number] = (identity, file)
    if not taken:
        faults = [
            Fault(pointer=f"#/{FIELD}/{number}", detail=f"{status.id}: {status.error}")
            for number, status in answered.items()
        ]
        raise Problem(422, "no-document", "No file of the request can be taken in.", errors=faults)
    kept = library.submit([(identity, file.file) for identity, file in taken.values()])
    answered |= dict(zip(taken, kept, strict=True))
    return [answered[number] for number in range(len(files))]


def check_size(file: UploadFile, limits: UploadLimits) -> None:
    size = file.size or 0
    if size > limits.file_bytes:
        raise DocumentError(
            f"{size / 2**20:.1f} MiB; a file may have {limits.file_bytes / 2**20:g} MiB. Cut it into several."
        )
    if not size:
        raise DocumentError("it is empty.")


async def of(library: DocumentLibrary, asked: Callable[[], T]) -> T:
    """What the library says, in a thread; Problem where it cannot."""
    required(library)
    try:
        return await run_sync(asked)
    except (SearchError, UserError) as error:
        logger.warning("documents: %s", error)
        raise Problem(503, "index-unavailable", "The index does not answer.") from error


def required(library: DocumentLibrary) -> None:
    if library.index is None:
        raise Problem(501, "no-index", "This server has no index that documents could be put into.")


def no_such(document: str) -> Problem:
    return Problem(404, "no-document", f"There is no document {document[:200]!r}.")
