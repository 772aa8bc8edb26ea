"""``almoner-client``: the command line of the client."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from almoner_client import __version__
from almoner_client.commands import check, conform, export, import_, mirror, types
from almoner_client.errors import AlmonerError, TokenRefused
from almoner_files.errors import FileError

_EXAMPLES = """\
The server and who asks are named by ALMONER_URL, ALMONER_CLIENT_ID and ALMONER_CLIENT_SECRET.

examples:
  almoner-client check
  almoner-client mirror --to sqlite:///copy.db
  almoner-client mirror verify --to sqlite:///copy.db
  almoner-client import patients.csv --collection patients --dry-run
  almoner-client export patients --to patients.csv
  almoner-client types > program_types.py
  almoner-client conform https://care.example.org
"""
_COMMANDS = (check, mirror, import_, export, types, conform)


def parser() -> argparse.ArgumentParser:
    """The command line with all of its commands."""
    root = argparse.ArgumentParser(
        prog="almoner-client",
        description="Works with the Data API of an Almoner server.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"almoner-client {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command, and answers with the exit status: 0, 1 where what it checks is not so, 2
    where it cannot be done.
    """
    asked = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        status: int = asked.run(asked)
    except KeyboardInterrupt:
        return 130
    except (AlmonerError, FileError, OSError) as error:
        print(f"almoner-client: {error}{_hint(error)}", file=sys.stderr)
        return 2
    return status


def _hint(error: Exception) -> str:
    """What to do, where only a command can: the error is that of any program."""
    if isinstance(error, TokenRefused) and error.code == "invalid_scope":
        return " Name what it was granted with --scope, as in --scope 'patients.read changes.read'."
    return ""


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
