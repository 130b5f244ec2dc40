"""API keys: who may do what, and how often. Only hashes are stored.

A key is ``zz_<id>_<secret>``: the id finds the entry, the SHA-256 of the secret is compared. The secret has
256 random bits, so a slow hash would add nothing but time.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from limits import parse as parse_rate
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kg_builder.errors import UserError
from kg_builder.files import write_text

logger = logging.getLogger(__name__)

Scope = Literal["ask", "feedback", "admin"]
SCOPES: tuple[Scope, ...] = ("ask", "feedback", "admin")

KEY = re.compile(r"zz_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")


class KeysError(UserError):
    """The key file is missing or not what it should be, or a key in it is."""


class Key(BaseModel):
    """An entry of the key file. ``rate`` is in the words of the limits library: ``60/minute``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    name: str
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope]
    rate: str | None = None
    concurrency: int | None = Field(default=None, ge=1)
    created: datetime
    expires: datetime | None = None

    @field_validator("rate")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse_rate(rate)
        return rate

    def expired(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


class KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Key] = []


def read_keys(path: Path) -> list[Key]:
    """The entries of a key file."""
    try:
        return KeyFile.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise KeysError(
            f"{path}: {error.strerror or error}. Make a key: zhizhi keys add NAME --file {path}"
        ) from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise KeysError(f"{path}: {where}: {fault['msg']}.") from None


def _write_keys(path: Path, keys: list[Key]) -> None:
    write_text(path, KeyFile(keys=keys).model_dump_json(indent=2, exclude_none=True) + "\n")
    path.chmod(0o600)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One change at a time; the lock goes with its process, so that a kill leaves none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def add_key(
    path: Path,
    name: str,
    scopes: frozenset[Scope] = frozenset({"ask", "feedback"}),
    *,
    rate: str | None = None,
    concurrency: int | None = None,
    expires: datetime | None = None,
) -> str:
    """Make a key and give it back; it is not stored and cannot be shown again."""
    identity, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    try:
        key = Key(
            id=identity,
            name=name,
            hash=_hash(secret),
            scopes=scopes,
            rate=rate,
            concurrency=concurrency,
            created=datetime.now(UTC),
            expires=expires,
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise KeysError(
            f"{fault['loc'][0]}={fault['input']!r}: {fault['msg']}. A rate looks like 60/minute."
        ) from None
    with _changing(path):
        keys = read_keys(path) if path.exists() else []
        if any(one.name == name for one in keys):
            raise KeysError(
                f"{path} has a key {name!r} already. Revoke it first, or choose a name."
            )
        _write_keys(path, [*keys, key])
    return f"zz_{identity}_{secret}"


def revoke_key(path: Path, name_or_id: str) -> None:
    """Take a key out of the file; a running service notices within a second."""
    with _changing(path):
        keys = read_keys(path)
        kept = [key for key in keys if name_or_id not in (key.id, key.name)]
        if len(kept) == len(keys):
            known = ", ".join(key.name for key in keys) or "none"
            raise KeysError(f"{path} has no key {name_or_id!r}. It has: {known}.")
        _write_keys(path, kept)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyRing:
    """The keys of a file, read again when it changes.

    A file that cannot be read is said to be so at once. Its keys of before hold for GRACE_SECONDS, in which
    somebody may be editing it; then none does until it can be read again: a key that was revoked, with
    the file itself if need be, must not live on.
    """

    CHECK_SECONDS = 1.0
    GRACE_SECONDS = 10.0

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._checked = 0.0
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}
        self._lost: float | None = None  # since when the file cannot be read
        self._fault = ""
        self._read()

    def trouble(self) -> str | None:
        """What is wrong with the file, None where nothing is."""
        with self._lock:
            self._look()
            return self._fault or None

    def find(self, presented: str) -> Key | None:
        """The key that was presented, or None where it is unknown, wrong or expired."""
        match = KEY.fullmatch(presented)
        if match is None:
            return None
        with self._lock:
            self._look()
            key = self._keys.get(match[1])
        digest = _hash(match[2])
        # An unknown id costs the same comparison as a wrong secret.
        right = hmac.compare_digest(digest, key.hash if key else "0" * 64)
        if key is None or not right or key.expired(datetime.now(UTC)):
            return None
        return key

    def _look(self) -> None:
        """Read the file again where it has changed, at most once in CHECK_SECONDS."""
        now = self._clock()
        if now - self._checked > self.CHECK_SECONDS:
            self._checked = now
            try:
                if self._lost is not None or self._stamp_now() != self._stamp:
                    self._read()
            except (KeysError, OSError) as error:
                self._failed(now, error)
        if self._lost is not None and now - self._lost > self.GRACE_SECONDS and self._keys:
            logger.error("no API key is valid until %s can be read again", self._path)
            self._keys = {}

    def _failed(self, now: float, error: Exception) -> None:
        if self._lost is None:
            self._lost, self._fault = now, "the key file cannot be read"
            logger.error("API keys: %s", error)

    def _read(self) -> None:
        # The stamp first: what is written while the file is read is read again.
        stamp = self._stamp_now() if self._path.exists() else None
        keys = read_keys(self._path)
        if self._lost is not None:
            logger.info("the API keys of %s can be read again", self._path)
        self._stamp, self._lost, self._fault = stamp, None, ""
        self._keys = {key.id: key for key in keys}
        self._checked = self._clock()

    def _stamp_now(self) -> tuple[int, int, int]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_ino, stat.st_size
