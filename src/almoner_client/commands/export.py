"""``almoner-client export``: a collection as a file."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from almoner_client.commands.options import Commands, add_connection, client, command
from almoner_client.errors import AlmonerError
from almoner_client.exporting import formats
from almoner_client.exporting.export import Export

_EXAMPLES = """\
  almoner-client export patients --to patients.csv
  almoner-client export patients --to intake.ndjson --where phase=intake --where last_name=Hopper
  almoner-client export messages --to messages.ndjson --json

An export that was ended goes on where it was when it is started again. It says its position in the
change feed: follow from there, and nothing is missed that is not in the file.
"""


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(commands, "export", "Write the rows of a collection into a file.", _EXAMPLES)
    add_connection(parser)
    parser.add_argument("collection", metavar="COLLECTION", help="whose rows are written")
    parser.add_argument("--to", metavar="FILE", type=Path, required=True, help=formats.KINDS)
    parser.add_argument(
        "--where",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a filter of the collection's Find; several narrow it further",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Exports."""
    where = dict(map(_filter, asked.where))
    with client(asked) as caller:
        report = Export(caller, asked.collection, asked.to, where, _say).run()
    if asked.json:
        print(json.dumps({"collection": asked.collection, "file": str(asked.to), **asdict(report)}))
    else:
        rows = "row" if report.rows == 1 else "rows"
        print(f"{asked.to} has {report.rows:,} {rows} of {asked.collection}.")
        print(f"Its position in the change feed: {report.after}")
    return 0


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise AlmonerError(f"--where takes NAME=VALUE, such as phase=intake, and not {text}.")
    return name, value


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
