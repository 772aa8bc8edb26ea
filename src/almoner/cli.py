"""The command ``almoner``: one group of commands a file in ``commands/``.

A file is imported once its command is called, so that a server does not hold in memory what
migrates a database or fills a demo, and each command begins at once."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

# The file of each command in the order of the help, and what of it is called.
_COMMANDS: Final = {
    "demo": ("demo", "demo"),
    "serve": ("serve", "serve"),
    "migrate": ("database", "migrate_command"),
    "doctor": ("doctor", "doctor"),
    "receive": ("receive", "receive"),
    "restore": ("restore", "restore"),
    "shell": ("shell", "shell"),
}
_GROUPS: Final = (
    *("client", "token", "worker", "environment", "key", "subscription", "process"),
    *("integration", "workshop", "patient", "audit", "retention", "backup", "docs"),
)


class _Commands(TyperGroup):
    """The commands by their names, each made when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*_COMMANDS, *_GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        listed = self.list_commands(ctx)
        # What is near to an unknown name is looked for among those that were made.
        for name in [cmd_name] if cmd_name in listed else listed:
            if name not in self.commands:
                self.add_command(_command(name))
        return super().get_command(ctx, cmd_name)


def _command(name: str) -> Any:
    group = typer.Typer(rich_markup_mode=None, callback=_nothing)
    if name in _GROUPS:
        group.add_typer(import_module(f"almoner.commands.{name}").app, name=name)
    else:
        file, function = _COMMANDS[name]
        group.command(name)(getattr(import_module(f"almoner.commands.{file}"), function))
    return get_group(group).commands[name]


def _nothing() -> None:
    """Stands for what a group does by itself."""


app = typer.Typer(
    name="almoner",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"almoner {version('almoner')}")
        raise typer.Exit


@app.callback()
def almoner(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Almoner: an open, self-hosted care-management platform."""


def main() -> None:
    """``almoner``, as installed; ends with the status of the command."""
    app()
