"""A PostgreSQL server on 127.0.0.1 for the tests that pull through JDBC."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

USER, PASSWORD = "deepkt", "pass'word"


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    log: Path

    @property
    def statements(self) -> str:
        """What it was asked so far."""
        return self.log.read_text()

    def sql(self, text: str) -> None:
        """Execute statements."""
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        command = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "postgres"]
        subprocess.run(
            [*command, "-qX", "-v", "ON_ERROR_STOP=1"],
            input=text, text=True, env=environment, check=True, capture_output=True,
        )  # fmt: skip


@contextmanager
def running() -> Iterator[Server]:
    """The server, until the end of the block; the test is skipped where none is installed."""
    missing = [name for name in ("initdb", "pg_ctl", "psql") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no PostgreSQL server here: {', '.join(missing)} not found")
    folder = Path(tempfile.mkdtemp(prefix="deepkt-postgres-"))
    who = _other_user() if os.geteuid() == 0 else {}  # it does not run as root
    if who:
        os.chown(folder, who["user"], who["group"])
    data, port = folder / "data", _free_port()
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -k '' -c fsync=off -c log_statement=all "
        "-c timezone=Asia/Tokyo"  # no zone that a test could be right in by chance
    )

    def run(*command: str) -> None:
        done = subprocess.run(
            command, **who, cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr

    log = folder / "log"
    try:
        run("initdb", "-D", str(data), "-U", USER, "-A", "scram-sha-256", "-E", "UTF8",
            f"--pwfile={folder / 'password'}", "--no-sync")  # fmt: skip
        run("pg_ctl", "-D", str(data), "-w", "-l", str(log), "-o", options, "start")
        yield Server(port, log)
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _other_user() -> dict[str, int]:
    found = pwd.getpwnam("nobody")
    return {"user": found.pw_uid, "group": found.pw_gid}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
