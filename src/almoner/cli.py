"""The command ``almoner``: one group of commands a file in ``commands/``."""

from __future__ import annotations

import typer

from almoner.commands import audit, client, docs, environment, key, subscription, token, worker, workshop
from almoner.commands.database import migrate_command
from almoner.commands.demo import demo
from almoner.commands.doctor import doctor
from almoner.commands.receive import receive
from almoner.commands.serve import serve
from almoner.commands.shell import shell

app = typer.Typer(
    name="almoner",
    help="Almoner: an open, self-hosted care-management platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo)
app.command()(serve)
app.command("migrate")(migrate_command)
app.command()(doctor)
app.command()(receive)
app.command()(shell)
for name, group in (
    ("client", client.app),
    ("token", token.app),
    ("worker", worker.app),
    ("environment", environment.app),
    ("key", key.app),
    ("subscription", subscription.app),
    ("workshop", workshop.app),
    ("audit", audit.app),
    ("docs", docs.app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """The entry point of the command."""
    app()
