"""Program files as the commands of the Workshop take them, and how a dry run is shown."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from almoner.commands.session import called, print_json, say, stop
from almoner.workshop.breakages import Report
from almoner.workshop.checks import DesignProblem
from almoner.workshop.design import ProgramDesign
from almoner.workshop.program_file import ProgramFileError, parse

FILE = Annotated[
    Path, typer.Argument(help="The program file; - reads standard input.", metavar="program.yaml")
]
BY = Annotated[str, typer.Option(help="Who does it; the user of this machine when left out.")]
# What a command ends with where a program would break something.
BREAKS = 3
_FIRST_IDS = 5


def read(file: Path) -> str:
    """The text of the file, or of standard input. Ends the command where it cannot be read."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        stop(
            f"{file} cannot be read: {error.strerror}. One to start from: {called()} workshop"
            " example > program.yaml"
        )
    except UnicodeDecodeError as error:
        stop(f"{file} is not UTF-8: byte {error.start + 1} does not belong. Save it as UTF-8.")


def parsed(file: Path, source: str, as_json: bool) -> ProgramDesign:
    """The design that the source holds. Ends the command with its problems where it holds none."""
    try:
        return parse(source)
    except ProgramFileError as error:
        if as_json:
            print_json({"problems": error.problems})
            raise typer.Exit(1) from None
        lines = [
            f"{file}:{p.line}: {p.path + ': ' if p.path else ''}{p.text}" for p in error.problems
        ]
        stop("\n".join([*lines, f"Problems: {len(lines)}."]))


def refused(problems: Iterable[DesignProblem]) -> NoReturn:
    """Ends the command with the problems of a draft."""
    lines = [str(problem) for problem in problems]
    stop("\n".join([*lines, f"Problems: {len(lines)}. Put them right in the draft first."]))


def user(by: str) -> str:
    """Whoever was named, or the user of this machine."""
    try:
        return by or getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for as long as something is counted; gone afterwards."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def say_breakages(report: Report, in_error: bool = False) -> None:
    """What a program breaks, a line each, with the first ids."""
    for breakage in report.breakages:
        more = " ..." if breakage.count > _FIRST_IDS else ""
        typer.echo(f"  {breakage.sentence} Accept with: --accept {breakage.word}", err=in_error)
        typer.echo(f"    {' '.join(breakage.ids[:_FIRST_IDS])}{more}", err=in_error)


def say_changes(lines: Iterable[object]) -> None:
    for line in lines:
        say(f"  {line}")
