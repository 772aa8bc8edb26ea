"""``almoner-client check``: whether the server can be reached with these credentials."""

from __future__ import annotations

import argparse

from almoner_client.commands.options import Commands, add_connection, client, command

_EXAMPLES = """\
  ALMONER_URL=https://care.example.org ALMONER_CLIENT_ID=... ALMONER_CLIENT_SECRET=... \\
    almoner-client check
"""


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "check",
        "Say whether the server can be reached with these credentials.",
        _EXAMPLES,
    )
    add_connection(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Asks for the end of the feed."""
    # Whoever asks whether it answers is told at once that it does not.
    with client(asked, retries=0) as caller:
        position = caller.feed("latest").meta.after
        print(f"{caller.url} answers, and its feed stands at {position}.")
    return 0
