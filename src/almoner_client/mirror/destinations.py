"""Where a copy is kept: by the address that ``--to`` names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from almoner_client.errors import AlmonerError
from almoner_client.mirror.destination import Destination

KINDS: Final = (
    "sqlite:///copy.db, postgresql://user@host/copy, duckdb:///copy.duckdb, parquet:folder"
)


def open_destination(address: str) -> Destination:
    """The copy at this address, which is made where there is none. Raises AlmonerError."""
    kind, place = _kind(address)
    try:
        destination: Destination = kind(place)
    except kind.errors as error:
        raise _unusable(address, error) from None
    return destination


@contextmanager
def opened(address: str, existing: bool = False) -> Iterator[Destination]:
    """The copy at this address, while the block runs. ``existing``: none is made where there is
    none. Raises AlmonerError, also where its database cannot go on.
    """
    kind, place = _kind(address)
    if existing and kind.in_files and not Path(place).exists():
        raise _none_there(address)
    destination = open_destination(address)
    try:
        if existing and not destination.state():
            raise _none_there(address)
        yield destination
    except kind.errors as error:
        raise _unusable(address, error) from None
    finally:
        destination.close()


def _unusable(address: str, error: Exception) -> AlmonerError:
    return AlmonerError(f"The copy at {_without_password(address)} cannot be used: {error}")


def _none_there(address: str) -> AlmonerError:
    place = _without_password(address)
    return AlmonerError(
        f"There is no copy at {place}. Make one first: almoner-client mirror --to {place} --once"
    )


def _without_password(address: str) -> str:
    """The address without the password that may stand in it."""
    parts = urlsplit(address)
    return address.replace(f":{parts.password}@", ":...@") if parts.password else address


def _kind(address: str) -> tuple[Any, str]:
    """The kind of copy, and where it is. Raises AlmonerError."""
    scheme, _, rest = address.partition(":")
    if scheme == "sqlite":
        return _imported("sqlite", "SqliteDestination"), _path(address, rest)
    if scheme == "duckdb":
        return _imported("duckdb", "DuckDestination"), _path(address, rest)
    if scheme == "parquet":
        return _imported("parquet", "ParquetDestination"), _path(address, rest)
    if scheme in ("postgresql", "postgres"):
        return _imported("postgresql", "PostgresDestination"), address
    raise AlmonerError(f"{address!r} is no address of a copy. Give one of: {KINDS}")


def _imported(module: str, name: str) -> type[Destination]:
    try:
        kind: type[Destination] = getattr(import_module(f"almoner_client.mirror.{module}"), name)
    except ImportError as error:
        install = f"pip install 'almoner-client[{module}]'"
        raise AlmonerError(f"{error.name} is not installed. Install it with: {install}") from None
    return kind


def _path(address: str, rest: str) -> str:
    """The file of ``sqlite:///copy.db``, which is relative, of ``sqlite:////var/copy.db``, or the
    folder of ``parquet:folder``.
    """
    path = rest.removeprefix("///") if rest.startswith("///") else rest.removeprefix("//")
    if not path:
        raise AlmonerError(f"{address!r} names no file. Write it as sqlite:///copy.db")
    return path
