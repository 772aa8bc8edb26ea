"""Where a copy is kept: by the address that ``--to`` names."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from almoner_client.errors import AlmonerError
from almoner_client.mirror.destination import Destination

KINDS: Final = (
    "sqlite:///copy.db, postgresql://user@host/copy, duckdb:///copy.duckdb, parquet:folder"
)


def open_destination(address: str) -> Destination:
    """The copy at this address, which is made where there is none. Raises AlmonerError."""
    scheme, _, rest = address.partition(":")
    if scheme == "sqlite":
        return _opened("sqlite", "SqliteDestination", _path(address, rest))
    if scheme == "duckdb":
        return _opened("duckdb", "DuckDestination", _path(address, rest))
    if scheme == "parquet":
        return _opened("parquet", "ParquetDestination", _path(address, rest))
    if scheme in ("postgresql", "postgres"):
        return _opened("postgresql", "PostgresDestination", address)
    raise AlmonerError(f"{address!r} is no address of a copy. Give one of: {KINDS}")


def _opened(module: str, name: str, address: str) -> Destination:
    try:
        kind: Any = getattr(import_module(f"almoner_client.mirror.{module}"), name)
    except ImportError as error:
        install = f"pip install 'almoner-client[{module}]'"
        raise AlmonerError(f"{error.name} is not installed. Install it with: {install}") from None
    destination: Destination = kind(address)
    return destination


def _path(address: str, rest: str) -> str:
    """The file of ``sqlite:///copy.db``, which is relative, of ``sqlite:////var/copy.db``, or the
    folder of ``parquet:folder``.
    """
    path = rest.removeprefix("///") if rest.startswith("///") else rest.removeprefix("//")
    if not path:
        raise AlmonerError(f"{address!r} names no file. Write it as sqlite:///copy.db")
    return path
