"""Settings: everything that an operator can choose, each named and documented here once.

Every setting is read from the environment as ``ZHIZHI_<NAME>``, or from a file of that name in
``ZHIZHI_SECRETS_DIR`` (for passwords: Docker and Kubernetes mount secrets as files).
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kg_builder.errors import UserError
from service.seams import Fallback, Profile, Sources

PREFIX = "ZHIZHI_"

Network = IPv4Network | IPv6Network


class SettingsError(UserError):
    """A setting is not what it should be."""


class Settings(BaseSettings):
    """How the service runs. Defaults are for one machine and its own user."""

    # An empty variable is one that compose.yaml passes on without a value: as good as absent.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    root_path: str = Field(default="", description="Path under which a reverse proxy serves this.")

    model_url: str = Field(
        default="",
        description="OpenAI-compatible server (vLLM, …) that runs the bundle's model, such as "
        "http://vllm:8000/v1; empty: the model runs in this process.",
    )
    model_name: str = Field(
        default="",
        description="The model's name at ZHIZHI_MODEL_URL; empty: the bundle's base model.",
    )
    model_base_name: str = Field(
        default="",
        description="There too, the name of the model without the adapter; a bundle with an adapter "
        "is calibrated on both.",
    )
    model_key: SecretStr | None = Field(default=None, description="Key of that server.")
    searxng_url: str = Field(
        default="", description="SearXNG to search the web with, such as http://searxng:8080."
    )
    search: str = Field(
        default="",
        description="Search providers in the order in which they are asked, such as "
        "searxng,bocha,ddgs (also tavily, brave, serper); empty: SearXNG where it has an address.",
    )
    searches_per_second: float = Field(
        default=5.0,
        gt=0,
        description="Calls to each search provider; more wait, as long as their deadline allows.",
    )
    tavily_key: SecretStr | None = Field(default=None, description="Key of the provider tavily.")
    brave_key: SecretStr | None = Field(default=None, description="Key of the provider brave.")
    serper_key: SecretStr | None = Field(default=None, description="Key of the provider serper.")
    bocha_key: SecretStr | None = Field(default=None, description="Key of the provider bocha.")
    order: Literal["index_first", "web_first", "together"] = Field(
        default="index_first", description="Which source is asked first where both are wanted."
    )
    private_networks: str = Field(
        default="",
        description="Private networks whose pages may be fetched, such as 10.1.0.0/16; "
        "without it public addresses alone.",
    )
    reranker: str = Field(
        default="",
        description="Cross-encoder of sentence-transformers (folder or id) that puts the passages "
        "in order again; empty: none.",
    )
    span_reader: str = Field(
        default="",
        description="Question-answering model of transformers (folder or hub id), or a reader of zhizhi "
        "reader train, that finds answers in the evidence; empty: the one that comes with zhizhi.",
    )
    reader_url: str = Field(
        default="",
        description="OpenAI-compatible server that reads the evidence, such as http://vllm:8000/v1; "
        "empty: answers are cut out of the evidence.",
    )
    reader_name: str = Field(default="", description="The model's name at ZHIZHI_READER_URL.")
    reader_key: SecretStr | None = Field(default=None, description="Key of that server.")
    reader_model: str = Field(
        default="",
        description="Model (folder or hub id) that reads the evidence in this process, instead of a server.",
    )

    profile: Profile = Field(
        default="webqa", description="Operating point where a request names none."
    )
    fallback: Fallback = Field(
        default="auto", description="Retrieval where a request does not say."
    )
    sources: Sources = Field(
        default="both", description="Where to retrieve when a request does not say."
    )
    deadline_ms: int = Field(
        default=20_000,
        ge=50,
        le=600_000,
        description="Time for an answer where a request does not say.",
    )
    max_deadline_ms: int = Field(
        default=120_000,
        ge=50,
        le=600_000,
        description="The longest deadline a request may ask for.",
    )

    max_batch: int = Field(
        default=32, ge=1, le=4096, description="Most questions in one model batch."
    )
    max_queue: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Questions that may wait, for the model or for retrieval, before 503 is answered.",
    )
    retrieval_threads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="How many questions are retrieved for at the same time.",
    )
    max_question_tokens: int = Field(
        default=2048,
        ge=16,
        description="Longest question in tokens of the model (of a model server, estimated: 3 bytes each); a "
        "longer one is answered with 422.",
    )
    max_body_bytes: int = Field(
        default=262_144,
        ge=1024,
        description="Largest request body; a larger one is answered with 413.",
    )
    max_document_bytes: int = Field(
        default=20 * 2**20, ge=1, description="Largest file that may be uploaded as a document."
    )
    max_upload_bytes: int = Field(
        default=100 * 2**20,
        ge=1024,
        description="Largest request that uploads documents; a larger one is answered with 413.",
    )
    max_upload_files: int = Field(
        default=100, ge=1, le=1000, description="Most files in one such request."
    )
    max_documents: int = Field(
        default=10_000, ge=1, description="Most documents that uploads may fill the index to."
    )
    document_types: str = Field(
        default="",
        description="Endings of the files that may be uploaded, such as pdf,docx,md; empty: all that can "
        "be read.",
    )
    document_seconds: float = Field(
        default=600.0, gt=0, description="Longest time that reading one uploaded file may take."
    )
    max_connections: int = Field(
        default=2000, ge=1, description="Connections at once; further ones are answered with 503."
    )
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        description="Connections at once from one address; further ones are answered with 503. Those of "
        "ZHIZHI_TRUSTED_PROXIES are not counted.",
    )
    max_header_bytes: int = Field(
        default=65_536,
        ge=1024,
        description="Largest request line and headers; larger ones are answered with 431.",
    )
    header_seconds: float = Field(
        default=10.0,
        gt=0,
        description="A connection whose request headers have not come after this is closed.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of reverse proxies, such as 10.0.0.5,172.18.0.0/16, whose "
        "X-Forwarded-For and X-Forwarded-Proto are believed; without it nobody's are.",
    )
    keep_alive_seconds: int = Field(
        default=15, ge=1, description="An idle connection is closed after this."
    )
    drain_seconds: int = Field(
        default=30, ge=0, description="On SIGTERM, how long requests in flight may take to finish."
    )

    keys_file: Path | None = Field(
        default=None, description="File of API keys (zhizhi keys add); without it nobody is asked."
    )
    allow_anonymous: bool = Field(
        default=False, description="Serve other machines although there are no API keys."
    )
    rate: str = Field(
        default="",
        description='Limit for callers whose key names none, such as "60/minute"; empty: none.',
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis that replicas share for rate limits and cached answers: redis://…",
    )

    cache_size: int = Field(
        default=10_000, ge=0, description="Answers kept in memory; 0 keeps none, nor in Redis."
    )
    cache_seconds: float = Field(
        default=3600, gt=0, description="How long an answer may be given again."
    )
    speculate: Literal["off", "unknown", "always"] = Field(
        default="off",
        description="Retrieve beside the generation: never, when the question looks unknown, always.",
    )

    log_url: SecretStr | None = Field(
        default=None,
        description="Question log for the next round of training: sqlite:///FILE or "
        "postgresql+psycopg://…; without it nothing is kept.",
    )
    log_days: int = Field(
        default=180, ge=1, description="Questions in the question log are deleted after so long."
    )
    log_margin: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Direct answers are kept too when their confidence is this near the threshold.",
    )
    metrics_open: bool = Field(
        default=False, description="Show /metrics without a key although keys are asked for."
    )
    tracing: bool = Field(
        default=False,
        description="Send OpenTelemetry traces as the OTEL_… variables say (needs the SDK).",
    )

    cors_origins: tuple[str, ...] = Field(
        default=(),
        description='Origins of web pages that may call the API, as JSON: ["https://a.example"].',
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Format of the log on stderr."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Verbosity."
    )
    log_questions: bool = Field(
        default=False, description="Put the text of questions into the operational log."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks(value)
        return value

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)


def networks(names: str) -> tuple[Network, ...]:
    """The networks of a comma-separated list; an address is a network of one. Raises ValueError."""
    return tuple(ip_network(one.strip()) for one in names.split(",") if one.strip())


def is_loopback(host: str) -> bool:
    """Whether an address or a name is that of this machine, to itself alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def load_settings(**overrides: object) -> Settings:
    """The settings of the environment, ``overrides`` first; all faults are reported at once."""
    secrets = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if secrets is not None and not Path(secrets).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR={secrets}: no such folder.")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(_secrets_dir=secrets, **given)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [_fault(dict(fault)) for fault in error.errors()]
        raise SettingsError("\n".join(faults)) from None


def _fault(fault: dict[str, object]) -> str:
    location = fault["loc"]
    assert isinstance(location, tuple)
    name = ".".join(str(part) for part in location)
    field = Settings.model_fields.get(str(location[0])) if location else None
    # A secret's value must not end up on a terminal or in a log.
    secret = field is not None and "SecretStr" in str(field.annotation)
    value = "(secret)" if secret else repr(fault.get("input"))
    purpose = f" {field.description}" if field is not None else ""
    return f"{PREFIX}{name.upper()}={value}: {fault['msg']}.{purpose}"


def settings_table() -> str:
    """Every setting as a Markdown table: what docs/service.md shows."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        value = "" if default in (None, "", ()) else f"`{shown}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {value} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(settings_table())
