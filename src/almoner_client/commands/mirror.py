"""``almoner-client mirror``: a copy in a database of one's own, and whether it is whole."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from dataclasses import asdict
from typing import Final

from almoner_client.commands.options import Commands, add_connection, client, command
from almoner_client.errors import AlmonerError
from almoner_client.mirror.copy import Mirror
from almoner_client.mirror.destinations import KINDS, opened
from almoner_client.mirror.follow import bring_up_to_date, follow
from almoner_client.mirror.verify import JSON, VERSION, verify

_OBJECTS: Final = 100_000
_EXAMPLES = """\
  almoner-client mirror --to sqlite:///copy.db
  almoner-client mirror --to sqlite:///copy.db --collections patients,messages --once
  almoner-client mirror verify --to sqlite:///copy.db --repair --json
"""
_VERIFY_EXAMPLES = """\
  almoner-client mirror verify --to sqlite:///copy.db
  almoner-client mirror verify --to sqlite:///copy.db --repair --json
"""


def add_to(commands: Commands) -> None:
    """Adds the command, and ``mirror verify`` below it."""
    parser = command(
        commands,
        "mirror",
        "Keep a copy of the server's collections in a database of your own.",
        _EXAMPLES,
    )
    add_connection(parser)
    parser.add_argument("--to", metavar="URL", help=f"the copy: {KINDS}")
    parser.add_argument(
        "--once", action="store_true", help="end when it has caught up, rather than follow"
    )
    parser.add_argument(
        "--collections",
        metavar="NAMES",
        help="what to copy besides what the copy has, with commas between them, or all (default:"
        " all in a new copy)",
    )
    parser.set_defaults(run=run)
    below = parser.add_subparsers(title="commands", metavar="COMMAND")
    verifying = command(
        below, "verify", "Say which rows of a copy differ from the server's.", _VERIFY_EXAMPLES
    )
    add_connection(verifying)
    verifying.add_argument("--to", metavar="URL", required=True, help=f"the copy: {KINDS}")
    verifying.add_argument("--repair", action="store_true", help="mend the rows that differ")
    verifying.add_argument(
        "--by",
        choices=(VERSION, JSON),
        default=VERSION,
        help="compare ids and moments of change, or every row's JSON, which costs the server more"
        " (default: version)",
    )
    verifying.add_argument("--json", action="store_true", help="print JSON, for programs")
    verifying.set_defaults(run=run_verify, collections=None)


def run(asked: argparse.Namespace) -> int:
    """Brings the copy up to date, and follows."""
    if asked.to is None:
        raise AlmonerError("Say where the copy is, as in: --to sqlite:///copy.db")
    # Rows are in no cycles: to look for some in each seven hundred would take a tenth of the time.
    gc.set_threshold(_OBJECTS)
    with client(asked) as caller, opened(asked.to) as destination:
        names = [name.strip() for name in (asked.collections or "").split(",") if name.strip()]
        mirror = Mirror(caller, destination, names, _say)
        bring_up_to_date(mirror)
        _say(f"The copy{_narrower(mirror)} has caught up, at {mirror.after}.")
        if not asked.once:
            follow(mirror)
    return 0


def run_verify(asked: argparse.Namespace) -> int:
    """Compares, and answers 1 where anything differs."""
    with client(asked) as caller, opened(asked.to, existing=True) as destination:
        mirror = Mirror(caller, destination, say=_say)
        mirror.prepare()
        mirror.load()
        differing = verify(mirror, asked.repair, asked.by)
        destination.settled()
    if asked.json:
        print(
            json.dumps(
                {
                    "differing": [asdict(difference) for difference in differing],
                    "repaired": bool(asked.repair),
                    "collections": list(mirror.tables),
                }
            )
        )
    else:
        for difference in differing:
            row_id = difference.id or "without an id"
            print(f"{difference.collection} {row_id} is {difference.what}")
        count, were = len(differing), "row differs" if len(differing) == 1 else "rows differ"
        done = f", and {'was' if count == 1 else 'were'} mended" if asked.repair else ""
        whole = f"The copy{_narrower(mirror)} is whole."
        print(f"{count} {were}{done}." if differing else whole)
    return 1 if differing else 0


def _narrower(mirror: Mirror) -> str:
    """What the copy is of, where the server has more."""
    return "" if mirror.covers_all else f" of {', '.join(mirror.tables)}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
