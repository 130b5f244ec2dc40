"""What can go wrong in retrieval, as a user can mend it.

RetrievalError
├── IndexRefusedError     an index is absent, unfinished, damaged, foreign or of another embedder
│   └── IndexBusyError    it is being changed by another process: to be tried again
├── EmbedderError         an embedder cannot be loaded or trained
├── DocumentError         a document cannot be read
└── SearchSettingsError   a search provider or the chain is configured wrongly

SearchError, ReadingError   a source or a reading model fails now: nobody's mistake, no RetrievalError
"""

from __future__ import annotations

from kg_builder.errors import UserError


class RetrievalError(UserError):
    """Any mistake around retrieval that the user can mend."""


class IndexRefusedError(RetrievalError):
    """An index that cannot be served from, with the reason."""


class IndexBusyError(IndexRefusedError):
    """An index that another process is changing."""


class EmbedderError(RetrievalError):
    """An embedder that cannot be loaded or trained, with the reason."""


class DocumentError(RetrievalError):
    """A document that cannot be read, with its path."""


class SearchSettingsError(RetrievalError):
    """A search provider or the chain is configured in a way that cannot work."""


class SearchError(Exception):
    """A source could not be searched at all; not the user's mistake, so no UserError."""


class ReadingError(Exception):
    """A reading model could not be used: another reader takes its place."""
