"""SourceSpec: what a user says about a source; anything not said is detected."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Format = Literal[
    "embedded", "tables", "triples", "wide", "neo4j", "jsonl", "rdf", "wikidata", "sparql"
]


class SourceSpec(BaseModel):
    """A place to read from. A plain string is its location: ``embedded``, a path or a URL.

    ``fields`` maps our column names (s, p, o, s_zh, s_en, o_zh, o_en, sitelinks …) to the names or,
    in delimited files without a header, the 0-based positions that the source uses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    location: str = Field(min_length=1)
    format: Format | None = None  # None: detected from the name and the first bytes
    name: str = ""  # how questions and reports call it; default: the file's name
    fields: dict[str, str | int] = {}
    delimiter: str | None = None
    properties: tuple[str, ...] = ()  # Wikidata, RDF, SPARQL: read these properties only
    query: str = ""  # SPARQL: a SELECT of ?s ?p ?o; paged unless it has a LIMIT of its own
    page_size: int = Field(default=10_000, ge=1)
    max_bad_share: float = Field(default=0.05, ge=0, le=1)
    limit: int | None = Field(default=None, ge=1)  # read at most so many rows
    licence: str = ""  # for the dataset card

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"location": value} if isinstance(value, str) else value
