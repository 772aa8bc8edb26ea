"""What the benchmarks need of the machine: which process runs on which core, its memory, and what
machine it is.
"""

from __future__ import annotations

import os
import platform
import socket
from contextlib import suppress
from pathlib import Path

SERVER_CORE = 0
LOAD_CORE = 1


def take_load_core() -> None:
    """Move this process, and with it all that it starts from now on, to the core of the load and
    the database.

    Raises SystemExit where there are fewer than two cores: every number would be wrong.
    """
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise SystemExit(
            "The benchmark needs cores 0 and 1: the server runs on one, load and database on the"
            " other."
        )
    os.sched_setaffinity(0, {LOAD_CORE})


def on_server_core(command: list[str]) -> list[str]:
    """The command, pinned to the core of the server under test."""
    return ["taskset", "--cpu-list", str(SERVER_CORE), *command]


def free_port() -> int:
    """A port of the loopback address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """The process and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name in parentheses may hold spaces; the parent's id is the second field after it.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry.name))
    members = [pid]
    for member in members:
        members += children.get(member, [])
    return members


def pin_database(backend: int) -> bool:
    """Move the PostgreSQL server that owns this backend process to the core of the load; False
    where it is elsewhere.

    A database in a container or on another machine cannot be moved from here, and one of another
    user may not be."""
    server = postmaster(backend)
    if server is None:
        return False
    try:
        for pid in family(server):
            os.sched_setaffinity(pid, {LOAD_CORE})
    except OSError:
        return False
    return True


def on_all_cores(*pids: int) -> None:
    """Let these processes, and all of theirs, run on whichever core is free: where one command is
    measured, which has the machine to itself."""
    for pid in pids:
        for member in family(pid):
            os.sched_setaffinity(member, range(os.cpu_count() or 1))


def pin_all_but(session: int) -> None:
    """Move the PostgreSQL server of this session, and every process of it but the session's own, to
    the core of the server under test. One that ends meanwhile is left out."""
    server = postmaster(session)
    for pid in family(server) if server is not None else []:
        if pid != session:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(pid, {SERVER_CORE})


def processor_ms(pid: int) -> float:
    """Processor time that a process and its descendants have used since they began, in
    milliseconds: a machine that is busy with other work changes it little."""
    nanoseconds = 0
    for member in family(pid):
        for used in Path(f"/proc/{member}/task").glob("*/schedstat"):
            try:
                nanoseconds += int(used.read_text().split()[0])
            except OSError:
                continue
    return nanoseconds / 1e6


def ended_ms(pid: int) -> float:
    """Processor time of a process's children that have ended, in milliseconds."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") * 1000


def postmaster(backend: int) -> int | None:
    """The PostgreSQL server that owns this backend process; None where it runs elsewhere."""
    try:
        parent = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
        return parent if "postgres" in Path(f"/proc/{parent}/cmdline").read_text() else None
    except OSError:
        return None


def resident_mib(pid: int) -> float:
    """Memory in use (RSS) of a process and its descendants, in MiB."""
    pages = 0
    for member in family(pid):
        try:
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def description() -> str:
    """The machine in general words, for the page of results."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB of memory, Linux, Python"
        f" {platform.python_version()}"
    )
