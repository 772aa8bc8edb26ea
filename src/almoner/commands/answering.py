"""What commands have in common that list or change something: they print JSON for programs, or
words and tables for people.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple

import typer

from almoner.commands.session import AS_JSON, called, print_json, print_rows, run, say, within

Command = Callable[..., None]


class Rows(NamedTuple):
    """A table of these columns; ``empty`` is said where it has no rows, and the columns that are
    ``whole`` are never folded.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    empty: str
    whole: Collection[str] = frozenset()


class Answer:
    """What came of a command: ``value`` for programs, ``parts`` for people, one below the other. It
    ends with ``status``.
    """

    def __init__(self, value: Any, *parts: str | Rows, status: int = 0) -> None:
        self.value, self.parts, self.status = value, parts, status


def acting(see: str = "") -> Callable[[Callable[..., Coroutine[Any, Any, Answer]]], Command]:
    """Makes a command of a function that does something, whose parameters are its options; --json
    is one more.

    ``see`` is the command that lists what there is, told where something was not found.
    """

    def command(work: Callable[..., Coroutine[Any, Any, Answer]]) -> Command:
        @wraps(work)
        def answered(as_json: bool, **options: Any) -> None:
            answer = run(
                work(**options), f"{see}{within(options.get('environment'))}" if see else ""
            )
            if as_json:
                print_json(answer.value)
            else:
                for part in answer.parts:
                    say(part) if isinstance(part, str) else print_rows(*part)
            if answer.status:
                raise typer.Exit(answer.status)

        signature = inspect.signature(work, eval_str=True)
        json = inspect.Parameter(
            "as_json", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=AS_JSON
        )
        parameters = [*signature.parameters.values(), json]
        answered.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return answered

    return command


def listing(
    columns: Sequence[str], empty: str
) -> Callable[[Callable[..., Coroutine[Any, Any, Sequence[Mapping[str, Any]]]]], Command]:
    """Makes a command of a function that returns rows: JSON has all of each, the table these
    columns.

    ``empty`` is said where there are none; ``{called}`` in it is how this program was called.
    """

    def command(read: Callable[..., Coroutine[Any, Any, Sequence[Mapping[str, Any]]]]) -> Command:
        @wraps(read)
        async def work(**options: Any) -> Answer:
            rows = await read(**options)
            return Answer(rows, Rows(rows, columns, empty.format(called=called())))

        return acting()(work)

    return command
