"""Options that several commands have."""

from __future__ import annotations

import argparse
from typing import Any

from almoner_client._sync.client import Client
from almoner_client.options import Options

Commands = Any  # argparse keeps the type of its sub-parsers to itself


def command(commands: Commands, name: str, about: str, examples: str) -> argparse.ArgumentParser:
    """A command with its description and its examples."""
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return added


def add_connection(parser: argparse.ArgumentParser) -> None:
    """How the server is reached, besides what the process's environment says."""
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust")
    parser.add_argument(
        "--scope",
        default="all",
        help="what to ask a token for, where the client was granted less than all",
    )
    parser.add_argument("--proxy", metavar="URL", help="the proxy to go by")
    parser.add_argument(
        "--audience", metavar="URL", help="the server's own token URL, where a gateway is before it"
    )


def client(asked: argparse.Namespace, retries: int = Options.retries) -> Client:
    """The client of the process's environment. Raises AlmonerError."""
    options = Options(
        ca=asked.ca,
        proxy=asked.proxy,
        audience=asked.audience,
        scope=asked.scope,
        retries=retries,
    )
    return Client.from_environment(options)
