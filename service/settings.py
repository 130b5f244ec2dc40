"""Settings: everything that an operator can choose, each named and documented here once.

Every setting is read from the environment as ``ZHIZHI_<NAME>``, or from a file of that name in
``ZHIZHI_SECRETS_DIR`` (for passwords: Docker and Kubernetes mount secrets as files).
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kg_builder.errors import UserError
from service.seams import Fallback, Profile, Sources

PREFIX = "ZHIZHI_"


class SettingsError(UserError):
    """A setting is not what it should be."""


class Settings(BaseSettings):
    """How the service runs. Defaults are for one machine and its own user."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    root_path: str = Field(default="", description="Path under which a reverse proxy serves this.")

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
        description="Questions waiting for the model before 503 is answered.",
    )
    retrieval_threads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="How many questions are retrieved for at the same time.",
    )
    max_body_bytes: int = Field(
        default=262_144,
        ge=1024,
        description="Largest request body; a larger one is answered with 413.",
    )
    max_connections: int = Field(
        default=2000, ge=1, description="Connections at once; further ones are answered with 503."
    )
    keep_alive_seconds: int = Field(
        default=15, ge=1, description="An idle connection is closed after this."
    )
    drain_seconds: int = Field(
        default=30, ge=0, description="On SIGTERM, how long requests in flight may take to finish."
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

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def load_settings(**overrides: object) -> Settings:
    """The settings of the environment, ``overrides`` first; all faults are reported at once."""
    secrets = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if secrets is not None and not Path(secrets).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR={secrets}: no such folder.")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(_secrets_dir=secrets, **given)  # type: ignore[call-arg, arg-type]
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


__all__ = ["PREFIX", "SecretStr", "Settings", "SettingsError", "load_settings"]
