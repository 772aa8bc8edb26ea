"""``almoner-client import``: the rows of a file into a collection."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final

from almoner_client._sync.client import Client
from almoner_client.commands.options import Commands, add_connection, client, command
from almoner_client.errors import AlmonerError
from almoner_client.importing.load import Import, LoadReport
from almoner_client.importing.offered import fields_of
from almoner_files import files, mapping, moments
from almoner_files.days import ISO, example
from almoner_files.fields import Fields
from almoner_files.mapping import Mapping
from almoner_files.prepare import is_id

_EXAMPLES = """\
  almoner-client import patients.csv --collection patients --dry-run
  almoner-client import patients.csv --collection patients --namespace 'ehr_{collection}'
  almoner-client import notes.ndjson --collection custom_data_type_records --mapping notes.yaml

Which column is which field is guessed, shown, and kept beside the file: change it there, in
FILE.mapping.yaml.
Rows that are refused stand in FILE.bad.csv with the reasons: mend them, and import that file.
"""
_SAMPLES: Final = 200
# So many rows of the file are looked for by their ids.
_ASKED: Final = 20


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(commands, "import", "Write the rows of a file into a collection.", _EXAMPLES)
    add_connection(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help=f"{files.KINDS}")
    parser.add_argument("--collection", required=True, help="where the rows belong")
    parser.add_argument("--mapping", type=Path, help="the file of the mapping to use")
    parser.add_argument(
        "--namespace",
        help="of the ids in the file; {collection} stands for what they are ids of (default:"
        f" {mapping.NAMESPACE})",
    )
    parser.add_argument(
        "--timezone",
        help=f"of times in the file that have no offset (default: {moments.UTC_ZONE})",
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
    if asked.timezone is not None and not moments.is_zone(asked.timezone):
        raise AlmonerError(f"There is no time zone {asked.timezone}. Name one such as US/Eastern.")
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
    if report.bad_rows is not None:
        # They are mended and read as they were: a few of them would be guessed otherwise.
        used[0].save(_path_beside(report.bad_rows))
    if asked.json:
        print(json.dumps(_as_json(asked, used[0], report)))
    else:
        _print(asked, report)
    return 1 if report.errors else 0


def _path_beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.mapping.yaml")


def _mapping(asked: argparse.Namespace, caller: Client) -> tuple[Mapping, Fields]:
    """The mapping that is kept, or the one that is likely, which is kept from now on."""
    fields = fields_of(caller, asked.collection)
    path = asked.mapping or _path_beside(asked.file)
    samples = [row.values for row in islice(files.rows(asked.file), _SAMPLES) if not row.broken]
    is_saved = path.is_file()
    if is_saved:
        used = mapping.read(path, fields)
        _check_saved(asked, path, used, samples)
    else:
        namespace = asked.namespace or mapping.NAMESPACE
        timezone = asked.timezone or moments.UTC_ZONE
        used = mapping.guess(asked.collection, namespace, samples, fields, timezone)
        used.save(path)
    _check_not_ours(asked, caller, used, samples)
    _say(f"The mapping, kept in {path}:")
    for column, target in used.columns.items():
        by = f", by its id in {target.namespace}" if target and target.namespace else ""
        _say(f"  {column} -> {target.field + by if target else 'left out'}")
    if used.identified_by:
        _say(f"The rows' own ids are in the namespace {used.own_namespace}.")
    _say_how_days_are_read(path, used, samples, fields, is_saved)
    lacking = fields.lacking([*used.constants, *(t.field for t in used.columns.values() if t)])
    if lacking:
        _say(f"No column goes into {', '.join(lacking)}, which every row needs.")
    return used, fields


def _check_not_ours(
    asked: argparse.Namespace, caller: Client, used: Mapping, samples: Sequence[dict[str, Any]]
) -> None:
    """Raises AlmonerError where what should be ids of another system are those of rows here, as in
    a file that was exported from here: each row would be created a second time.
    """
    column = used.identified_by
    ids = [str(row.get(column) or "").strip() for row in samples[:_ASKED]] if column else []
    if not ids or not all(map(is_id, ids)):
        return
    if caller.collection(asked.collection).with_ids(ids):
        raise AlmonerError(
            f"The ids in column {column} are those of rows that are here already: they would be"
            f" created again. Change rows of ours by their ids with POST /v1/{asked.collection}"
            '/batch and "update"; to import, name the ids that they have in another system.'
        )


def _check_saved(
    asked: argparse.Namespace, path: Path, saved: Mapping, samples: Sequence[dict[str, Any]]
) -> None:
    """Raises AlmonerError where a mapping that is kept is for something else than is asked for."""
    if saved.collection != asked.collection:
        raise AlmonerError(f"{path} is a mapping for {saved.collection}. Name another: --mapping")
    for name in ("namespace", "timezone"):
        value, known = getattr(asked, name), getattr(saved, name)
        if value not in (None, known):
            raise AlmonerError(
                f"{path} has the {name} {known}, and --{name} is {value}. Change it there, or name"
                " another mapping: --mapping"
            )
    missing, unnamed = mapping.unmatched(saved, samples)
    # Rows of JSON leave out what they have not; their ids they have.
    if asked.file.suffix.lower() in files.OF_OBJECTS:
        missing = [name for name in missing if name == saved.identified_by]
    if samples and (missing or unnamed):
        lacks = f" {asked.file} has no column {', '.join(missing)}." if missing else ""
        has = f" The mapping does not name {', '.join(unnamed)}." if unnamed else ""
        raise AlmonerError(
            f"{path} is the mapping of another file than this.{lacks}{has} Change the mapping (null"
            " leaves a column out), or delete it to have it made anew."
        )


def _say_how_days_are_read(
    path: Path, used: Mapping, samples: Sequence[dict[str, Any]], fields: Fields, is_saved: bool
) -> None:
    if mapping.has_times_without_offset(used, samples, fields):
        _say(
            f"Times without an offset are read as of {used.timezone}: name another zone by"
            f" --timezone, or as timezone in {path}."
        )
    if used.dates == ISO:
        return
    _say(f"Days are read as {used.dates}, such as {example(used.dates)} for January 31, 1970.")
    others = [] if is_saved else mapping.other_notations(used, samples, fields)
    for notation, day in others:
        _say(
            f"  This is a guess: {day} may be {notation} as well. If it is, change dates in {path}"
            " before you import."
        )


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
