"""Where a command gets a secret from: the environment, a file or standard input; an argument shows
it to the whole machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from almoner.commands.session import read_settings, stop

CLIENT_SECRET = Annotated[
    str | None,
    typer.Option(
        "--client-secret",
        help=(
            "The client's secret. Others here can read arguments: rather ALMONER_CLIENT_SECRET or"
            " --client-secret-file."
        ),
    ),
]
CLIENT_SECRET_FILE = Annotated[
    Path | None,
    typer.Option(
        "--client-secret-file",
        metavar="FILE",
        help="A file that holds the client's secret; - reads standard input.",
    ),
]
WAYS = "--client-secret-file FILE (- for standard input) or the variable ALMONER_CLIENT_SECRET"


def client_secret(argument: str | None, file: Path | None) -> str | None:
    """The secret, from wherever it was given; None where it was not. Ends the command where it was
    given twice or is not there.
    """
    if argument is not None and file is not None:
        stop("Give one of --client-secret and --client-secret-file.", 2)
    if argument is not None:
        typer.echo(
            "Others on this machine can read an argument while the command runs. Rather use"
            f" {WAYS}.",
            err=True,
        )
        return argument
    return read_settings().client_secret or None if file is None else _read(file)


def _read(file: Path) -> str:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        stop(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}", 2)
    return text.strip() or stop(
        f"There is no secret in {'standard input' if str(file) == '-' else file}.", 2
    )
