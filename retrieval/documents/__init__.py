"""Documents: files of people as passages, each with its place, and a reason for all that is left out."""

from retrieval.documents.document import Block, Document, Extraction, LeftOut
from retrieval.documents.folder import read_files
from retrieval.documents.language import language_of
from retrieval.documents.reader import read_document

__all__ = [
    "Block",
    "Document",
    "Extraction",
    "LeftOut",
    "language_of",
    "read_document",
    "read_files",
]
