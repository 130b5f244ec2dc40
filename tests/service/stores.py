"""A PostgreSQL and a Redis of the tests' own, on loopback, that can be stopped and started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Postgres:
    """A PostgreSQL server."""

    def __init__(self) -> None:
        # Not under pytest's folders, which are for their own user alone.
        self.folder = Path(tempfile.mkdtemp(prefix="zhizhi-postgres-"))
        folder = self.folder
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        found = str(binaries[-1]) if binaries else shutil.which("initdb")
        if found is None:
            pytest.skip("PostgreSQL is not installed")
        self.bin = Path(found).resolve().parent
        # initdb refuses to run as root; the Debian package brings a user for it.
        self.user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
        self.port = free_port()
        if self.user:
            shutil.chown(folder, "postgres")
        self.run("initdb", "-D", f"{folder}/data", "-U", "zhizhi", "-A", "trust", "--no-sync")
        self.start()
        self.url = f"postgresql+psycopg://zhizhi@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.bin / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **self.user,
        )

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", "-o",
                 options, "start")  # fmt: skip

    def stop(self) -> None:
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", "immediate", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


class Redis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("Redis is not installed")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
