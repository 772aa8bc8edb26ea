"""``almoner-client import``: the rows of a file into a collection."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final

from almoner_client._sync.client import Client
from almoner_client.commands.options import Commands, add_connection, client, command
from almoner_client.errors import AlmonerError
from almoner_client.importing.load import Import, LoadReport
from almoner_client.importing.offered import fields_of
from almoner_files import files, mapping
from almoner_files.fields import Fields
from almoner_files.mapping import Mapping

_EXAMPLES = """\
  almoner-client import patients.csv --collection patients --dry-run
  almoner-client import patients.csv --collection patients --namespace ehr
  almoner-client import notes.ndjson --collection custom_data_type_records --mapping notes.yaml

Which column is which field is guessed, shown, and kept beside the file: change it there, in
FILE.mapping.yaml.
Rows that are refused stand in FILE.bad.csv with the reasons: mend them, and import that file.
"""
_SAMPLES: Final = 200


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(commands, "import", "Write the rows of a file into a collection.", _EXAMPLES)
    add_connection(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help=f"{files.KINDS}")
    parser.add_argument("--collection", required=True, help="where the rows belong")
    parser.add_argument("--mapping", type=Path, help="the file of the mapping to use")
    parser.add_argument(
        "--namespace", default="import", help="of the ids in the file (default: import)"
    )
    parser.add_argument(
        "--on-existing",
        choices=("update", "keep", "refuse"),
        default="update",
        help="what is done with a row whose id is known (default: update)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="have the server check every row, and write none"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Imports, and answers 1 where rows were refused."""
    if not asked.file.is_file():
        raise AlmonerError(f"There is no file {asked.file}.")
    with client(asked) as caller:
        used = _mapping(asked, caller)
        report = Import(
            caller,
            asked.file,
            used[0],
            used[1],
            on_existing=asked.on_existing,
            dry_run=asked.dry_run,
        ).run()
    if asked.json:
        print(json.dumps(_as_json(asked, used[0], report)))
    else:
        _print(asked, report)
    return 1 if report.errors else 0


def _mapping(asked: argparse.Namespace, caller: Client) -> tuple[Mapping, Fields]:
    """The mapping that is kept, or the one that is likely, which is kept from now on."""
    fields = fields_of(caller, asked.collection)
    path = asked.mapping or asked.file.with_name(f"{asked.file.name}.mapping.yaml")
    if path.is_file():
        used = mapping.read(path, fields)
        if used.collection != asked.collection:
            raise AlmonerError(
                f"{path} is a mapping for {used.collection}. Name another: --mapping"
            )
    else:
        samples = [row.values for row in islice(files.rows(asked.file), _SAMPLES)]
        used = mapping.guess(asked.collection, asked.namespace, samples, fields)
        used.save(path)
    _say(f"The mapping, kept in {path}:")
    for column, target in used.columns.items():
        by = f", by its id in {target.namespace}" if target and target.namespace else ""
        _say(f"  {column} -> {target.field + by if target else 'left out'}")
    lacking = fields.lacking([*used.constants, *(t.field for t in used.columns.values() if t)])
    if lacking:
        _say(f"No column goes into {', '.join(lacking)}, which every row needs.")
    return used, fields


def _as_json(asked: argparse.Namespace, used: Mapping, report: LoadReport) -> dict[str, object]:
    return {
        "collection": used.collection,
        "dry_run": asked.dry_run,
        "rows": report.rows,
        "outcomes": report.outcomes,
        "errors": [asdict(error) for error in report.errors],
        "bad_rows": None if report.bad_rows is None else str(report.bad_rows),
        "mapping": used.as_values(),
    }


def _print(asked: argparse.Namespace, report: LoadReport) -> None:
    for error in report.errors:
        print(f"{asked.file}:{error.line}: {error.column or 'the row'}: {error.reason}")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in report.outcomes.items())
    print(f"{report.rows} {'row' if report.rows == 1 else 'rows'}: {counts or 'nothing to do'}.")
    if report.bad_rows is not None:
        print(f"Mend the rows in {report.bad_rows}, and import that file.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
