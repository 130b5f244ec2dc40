"""DocumentStatus: what the service says of a document, from its arrival until it can be found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal[
    "waiting",  # it has come whole and is on disk
    "reading",  # its text is being taken out of the file
    "indexing",  # its passages are being put into the index
    "ready",  # questions are answered from it
    "failed",  # it could not be taken in; ``error`` says why
]


class LeftOutPart(BaseModel):
    """A part of a document that questions cannot be answered from, and why."""

    model_config = ConfigDict(frozen=True)

    part: str = Field(default="", description="Pages, sheet or record; empty: the whole file.")
    reason: str


class DocumentStatus(BaseModel):
    """One document. ``id`` is what ``DELETE`` takes."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str = ""
    state: State
    passages: int = Field(default=0, description="Passages that can be found now.")
    progress: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How much of the state's work is done, while it lasts.",
    )
    left_out: tuple[LeftOutPart, ...] = ()
    error: str | None = Field(
        default=None, description="Why the file that came last was not taken."
    )
    bytes: int | None = Field(default=None, description="Size of the file, where it was uploaded.")
    added: datetime | None = Field(default=None, description="When it was uploaded.")


class UploadLimits(BaseModel):
    """What may be uploaded."""

    file_bytes: int
    request_bytes: int
    files: int = Field(description="Most files in one request.")
    documents: int = Field(description="Most documents that the index may hold.")
    types: tuple[str, ...] = Field(description="Endings of the files that can be read.")


class DocumentList(BaseModel):
    """A part of the list, what is under way first, then by id."""

    documents: tuple[DocumentStatus, ...]
    total: int
    limits: UploadLimits


class Accepted(BaseModel):
    """Every file of the request: ``waiting``, or ``failed`` with the reason."""

    documents: tuple[DocumentStatus, ...]


class Withdrawn(BaseModel):
    """A document that is gone: no answer is read from it any more."""

    id: str
    passages: int = Field(description="Passages that were deleted.")
