"""``almoner-client conform``: whether a server keeps the contract."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict

from almoner_client.commands.options import Commands, command
from almoner_client.conform.suite import FAILED, PASSED, Outcome, check_reachable
from almoner_client.conform.suite import run as run_checks
from almoner_client.options import from_environment

_EXAMPLES = """\
  almoner-client conform https://care.example.org
  almoner-client conform https://care.example.org --shape enveloped --json

It creates patients: let the client be of an environment for tests, and of the shape in question.
"""


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(commands, "conform", "Check whether a server keeps the contract.", _EXAMPLES)
    parser.add_argument("url", metavar="URL", help="the server")
    parser.add_argument(
        "--shape", choices=("documented", "enveloped"), default="documented", help="of its answers"
    )
    parser.add_argument(
        "--audience", metavar="URL", help="the server's own token URL, where a gateway is before it"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Runs every check, and answers 1 where one fails. Raises AlmonerError where there is no
    server.
    """
    credentials = from_environment({**os.environ, "ALMONER_URL": asked.url})
    check_reachable(credentials)
    outcomes = list(
        run_checks(credentials, enveloped=asked.shape == "enveloped", audience=asked.audience)
    )
    failed = [outcome for outcome in outcomes if outcome.outcome == FAILED]
    if asked.json:
        counts = {
            word: sum(outcome.outcome == word for outcome in outcomes)
            for word in sorted({outcome.outcome for outcome in outcomes})
        }
        print(
            json.dumps(
                {
                    "url": asked.url,
                    "shape": asked.shape,
                    "conforms": not failed,
                    "counts": counts,
                    "checks": [asdict(outcome) for outcome in outcomes],
                }
            )
        )
    else:
        _print_table(outcomes)
    return 1 if failed else 0


def _print_table(outcomes: Sequence[Outcome]) -> None:
    width = max(len(outcome.check) for outcome in outcomes)
    for outcome in outcomes:
        print(f"{outcome.outcome:<8} {outcome.check:<{width}}  {outcome.source}")
        if outcome.outcome != PASSED:
            print(f"         {outcome.detail}")
            print(f"         What must hold: {outcome.about}")
    passed = sum(outcome.outcome == PASSED for outcome in outcomes)
    print(f"{passed} of {len(outcomes)} passed.")
