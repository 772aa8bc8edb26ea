"""Three machines with PostgreSQL under Patroni, and etcd on each: network namespaces of this machine, from Debian's packages.

Within namespaces of one's own alone (``make test-cluster``): network interfaces are made here, and processes are looked for by
theirs. Each machine can be killed, can hang, and can be cut off."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

_BIN: Final = "/usr/lib/postgresql/15/bin"
_NET: Final = "10.77.0"
# Patroni takes a primary for gone that has not renewed its lease for so long.
TTL_SECONDS: Final = 10
_FOLLOWED: Final = """
SELECT count(*) = 2 AND count(*) FILTER (WHERE sync_state = 'sync') = 1
FROM pg_stat_replication WHERE state = 'streaming'
"""
_START_SECONDS: Final = 90.0


@dataclass(frozen=True)
class Member:
    """What Patroni says of a node: its role (``leader``, ``sync_standby``, ``replica``) and state."""

    role: str
    state: str


class Node:
    """A machine: its own network, with etcd, Patroni and PostgreSQL. ``folder`` is theirs."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.name = f"node{number}"
        self.address = f"{_NET}.{10 + number}"
        self.folder = folder / self.name
        self.folder.mkdir(mode=0o700)
        _run("chown", "postgres:postgres", str(self.folder))
        # A network namespace is there as long as a process is in it.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo in; exec sleep infinity"], stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "uplink")
        _run("ip", "link", "set", "uplink", "netns", str(self._holder.pid))
        _run("ip", "link", "set", self._link, "master", "switch", "up")
        self._within("ip", "addr", "add", f"{self.address}/24", "dev", "uplink")
        for link in ("lo", "uplink"):
            self._within("ip", "link", "set", link, "up")

    @property
    def _link(self) -> str:
        return f"port{self.number}"

    def start(self, all_nodes: list[str]) -> None:
        """Starts what is to run on it, beside nodes of these addresses."""
        (self.folder / "patroni.yml").write_text(json.dumps(self._patroni(all_nodes)))
        members = ",".join(f"node{address[-1]}=http://{address}:2380" for address in all_nodes)
        self._spawn(
            "etcd",
            *("etcd", "--name", self.name, "--data-dir", str(self.folder / "etcd")),
            *("--listen-peer-urls", f"http://{self.address}:2380"),
            *("--listen-client-urls", f"http://{self.address}:2379"),
            *("--advertise-client-urls", f"http://{self.address}:2379"),
            *("--initial-advertise-peer-urls", f"http://{self.address}:2380"),
            *("--initial-cluster", members, "--heartbeat-interval", "100"),
            *("--election-timeout", "1000", "--log-level", "error"),
            # The interface that Patroni 3.0 has no stale copy of.
            "--enable-v2",
        )
        self._spawn("patroni", "patroni", str(self.folder / "patroni.yml"))

    def kill(self) -> None:
        """Kills all that runs on it, and nothing is answered for it any more."""
        for pid in self._pids():
            with _gone():
                os.kill(pid, signal.SIGKILL)

    def hang(self) -> None:
        """All that runs on it stands still; connections stay open, and nobody answers."""
        for pid in self._pids():
            with _gone():
                os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """What stood still goes on."""
        for pid in self._pids():
            with _gone():
                os.kill(pid, signal.SIGCONT)

    def cut_off(self) -> None:
        """Nothing arrives from it or at it any more, and nobody is told."""
        _run("ip", "link", "set", self._link, "down")

    def connect(self) -> None:
        """Its network is there again."""
        _run("ip", "link", "set", self._link, "up")

    def close(self) -> None:
        """Ends all of it."""
        self.kill()
        self._holder.kill()
        self._holder.wait()

    def logged(self) -> str:
        """The end of what Patroni has logged."""
        return "\n".join(
            f"--- {self.name} {name}:\n" + path.read_text()[-1200:]
            for name in ("patroni",)
            if (path := self.folder / f"{name}.log").exists()
        )

    def _pids(self) -> Iterator[int]:
        """Whoever is in its network, but who holds it open."""
        own = os.readlink(f"/proc/{self._holder.pid}/ns/net")
        for process in Path("/proc").glob("[0-9]*"):
            with _gone():
                if int(process.name) != self._holder.pid and os.readlink(process / "ns/net") == own:
                    yield int(process.name)

    def _within(self, *words: str) -> None:
        _run("nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *words)

    def _spawn(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            subprocess.Popen(
                [
                    *("nsenter", f"--net=/proc/{self._holder.pid}/ns/net"),
                    *("runuser", "-u", "postgres", "--", *words),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def _patroni(self, all_nodes: list[str]) -> dict[str, Any]:
        """Its configuration: YAML, of which JSON is a part."""
        login = {"username": "postgres", "password": "none"}
        return {
            "scope": "almoner",
            "name": self.name,
            "restapi": {
                "listen": f"{self.address}:8008",
                "connect_address": f"{self.address}:8008",
            },
            "etcd": {"hosts": [f"{address}:2379" for address in all_nodes]},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_SECONDS,
                    "loop_wait": 1,
                    "retry_timeout": 4,
                    # What was killed is not waited for.
                    "primary_start_timeout": 0,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {
                            "max_connections": 100,
                            "wal_log_hints": "on",
                            "shared_buffers": "64MB",
                            "fsync": "off",
                            "wal_keep_size": "256MB",
                            "wal_retrieve_retry_interval": "500ms",
                        },
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"{self.address}:5432",
                "connect_address": f"{self.address}:5432",
                "data_dir": str(self.folder / "data"),
                "bin_dir": _BIN,
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {"superuser": login, "replication": login, "rewind": login},
                "pg_hba": [
                    "local all all trust",
                    f"host all all {_NET}.0/24 trust",
                    f"host replication all {_NET}.0/24 trust",
                ],
                "parameters": {"unix_socket_directories": str(self.folder)},
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
            },
        }


class Cluster:
    """The three machines, and the switch between them and here."""

    def __init__(self, folder: Path) -> None:
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "switch", "type", "bridge")
        _run("ip", "addr", "add", f"{_NET}.1/24", "dev", "switch")
        _run("ip", "link", "set", "switch", "up")
        self.nodes = [Node(number, folder) for number in (1, 2, 3)]
        self.addresses = [node.address for node in self.nodes]

    @property
    def dsn(self) -> str:
        """The address of the database: all hosts, of which the one that takes writes is meant."""
        hosts = ",".join(f"{address}:5432" for address in self.addresses)
        return f"postgresql://postgres@{hosts}/almoner?target_session_attrs=read-write"

    async def start(self) -> None:
        """Starts the machines, and makes the database."""
        for node in self.nodes:
            node.start(self.addresses)
        leader = await self.whole()
        connection = await asyncpg.connect(
            f"postgresql://postgres@{leader.address}:5432/postgres", timeout=10
        )
        await connection.execute("CREATE DATABASE almoner")
        await connection.close()

    async def whole(self) -> Node:
        """The primary, once there is one, with a synchronous standby and another one behind it."""
        ends_at = time.monotonic() + _START_SECONDS
        expected = {"leader": 1, "sync_standby": 1, "replica": 1}
        while True:
            members = await asyncio.to_thread(self._members)
            roles = [member.role for member in members.values()]
            states = {member.state for member in members.values()}
            if {role: roles.count(role) for role in expected} == expected and states <= {
                "running",
                "streaming",
            }:
                (leader,) = (node for node in self.nodes if members[node.name].role == "leader")
                if await _is_followed(leader):
                    return leader
            assert time.monotonic() < ends_at, f"{members}\n{self.logged()}"
            await asyncio.sleep(0.3)

    def logged(self) -> str:
        """The end of what each Patroni has logged."""
        return "\n".join(node.logged() for node in self.nodes)

    def close(self) -> None:
        """Ends them."""
        for node in self.nodes:
            node.close()

    def _members(self) -> dict[str, Member]:
        for address in self.addresses:
            try:
                with urllib.request.urlopen(f"http://{address}:8008/cluster", timeout=2) as answer:
                    members = json.load(answer)["members"]
            except (OSError, ValueError, KeyError):
                continue
            return {member["name"]: Member(member["role"], member["state"]) for member in members}
        return {}


async def _is_followed(primary: Node) -> bool:
    """Whether both standbys receive what is written, one of them before it is acknowledged."""
    try:
        connection = await asyncpg.connect(
            f"postgresql://postgres@{primary.address}:5432/postgres", timeout=5
        )
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    try:
        return bool(await connection.fetchval(_FOLLOWED))
    finally:
        connection.terminate()


@contextmanager
def _gone() -> Iterator[None]:
    """Who has ended meanwhile needs nothing more."""
    try:
        yield
    except (ProcessLookupError, FileNotFoundError, PermissionError):
        return


def _run(*words: str) -> None:
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{' '.join(words)}: {ran.stderr}"
