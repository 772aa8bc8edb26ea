"""From the bytes of a request to checked values, with every problem found on the way
(clarifications 6 and 9).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from almoner.data_api.declare import Resource, Row, Verb
from almoner.errors import MOST_PROBLEMS, ApiError, Problem, parse_problem, problem
from almoner.vocabulary import json_values
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import (
    MISSING,
    NOW,
    Field,
    Shape,
    add_unknown,
    missing_field,
    printable,
)
from almoner.vocabulary.kinds import Kind, Problems

_KEYS = re.compile(rb'"[ \t\r\n]*:')
# Stands for a number that cannot be kept while its place is looked for.
_NONE = Decimal("NaN")


def json_object(raw: bytes) -> Row:
    """The JSON object of a body, whatever its Content-Type said (clarification 8). Raises a 400
    ``ApiError`` otherwise.
    """
    if not raw.strip():
        raise problem("bad_request", "The body is empty. Send a JSON object.")
    try:
        value = json_values.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise _unreadable(raw) from None
    if type(value) is not dict:
        raise problem(
            "parse_exception", "The body is not a JSON object. Send an object, in braces.", path="."
        )
    depth, keys = json_values.measured(value)
    if depth > json_values.DEEPEST:
        raise problem(
            "parse_exception",
            f"The body is nested deeper than {json_values.DEEPEST} levels.",
            path=".",
        )
    # Each key is followed by a colon: fewer keys than such places, and one may have been given
    # twice.
    if len(_KEYS.findall(raw)) != keys:
        _refuse_doubles(raw)
    return value


def _refuse_doubles(raw: bytes) -> None:
    """Raises a 400 ``ApiError`` where an object has a key twice: which value is meant, nobody knows
    (RFC 8259, section 4).
    """

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, value in pairs:
            if key in members:
                detail = f"The key {key[:100]} is given twice in one object. Give it once."
                raise problem("parse_exception", detail, path=f".{key[:100]}")
            members[key] = value
        return members

    json.loads(raw, object_pairs_hook=checked)


def _unreadable(raw: bytes) -> ApiError:
    """Why a body is not read: its encoding, a number that no computer holds, or its syntax."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_float=_number, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        detail = (
            f"The body is not UTF-8: byte {error.start + 1} does not belong. Encode it as UTF-8."
        )
        return problem("parse_exception", detail, path=".")
    except RecursionError:
        detail = f"The body is nested deeper than {json_values.DEEPEST} levels."
        return problem("parse_exception", detail, path=".")
    except ValueError as error:
        detail = "The body is not JSON. Check its quotes, commas and braces."
        if isinstance(error, _NoNumberError):
            detail = f"The body is not JSON, which has no {error}. Send a number, or null."
        return problem("parse_exception", detail, path=".")
    beyond = [
        parse_problem("number", path, json_values.BEYOND)
        for path in islice(_beyond(value, ""), MOST_PROBLEMS)
    ]
    return (
        ApiError(beyond)
        if beyond
        else problem("parse_exception", "The body is not JSON that can be read.", path=".")
    )


class _NoNumberError(ValueError):
    """NaN or an infinity, which some programs write into JSON."""


def _no_constant(name: str) -> None:
    raise _NoNumberError(name)


def _number(text: str) -> float | Decimal:
    try:
        return json_values.number(text)
    except ValueError:
        return _NONE


def _beyond(value: Any, path: str) -> Iterator[str]:
    """The paths of the numbers that cannot be kept."""
    if value is _NONE:
        yield path or "."
    elif type(value) is dict:
        for key, item in value.items():
            yield from _beyond(item, f"{path}.{printable(key)}")
    elif type(value) is list:
        for number, item in enumerate(value):
            yield from _beyond(item, f"{path}[{number}]")


def values(
    resource: Resource,
    body: Row,
    verb: Verb,
    shape: Shape,
    problems: Problems,
    whole: bool = False,
    ignored: Row | None = None,
) -> Row:
    """The fields that a body names, decoded. Adds a problem for each that does not fit and, on
    Create, each that is missing.

    ``whole`` is for writers inside the house, who set any field of the model, not only those that
    the API's verb sets. Into ``ignored`` goes, by its key, what the body says of fields that the
    verb does not set, or that ``settle`` decided against."""
    spelled = resource.spelled[shape]
    names = spelled.names
    creating = verb is Verb.CREATE
    known: dict[str, Field] = {}
    row: Row = {}
    passed: Row = {} if ignored is None else ignored
    for key, value in body.items():
        field = names.get(key)
        if field is None or not (creating or is_sent_back(field, shape)):
            known = known or {n: f for n, f in names.items() if creating or is_sent_back(f, shape)}
            _refuse(problems, key, field, known)
        elif not (field.create if creating else field.update) and not (
            whole and _is_of_the_model(field)
        ):
            passed[key] = value
        elif field.name in row and _differs(field, row[field.name], value):
            problems.append(_double_field(field, key))
        elif value is not None:
            row[field.name] = field.kind.decode(value, f".{key}", problems)
        elif field.nullable and not field.required:
            row[field.name] = None
        elif field.required or not creating:
            problems.append(
                replace(
                    parse_problem(field.kind.name, f".{key}", "it cannot be null"), rule="required"
                )
            )
    if creating:
        problems += [
            missing_field(f".{f.name}") for f in spelled.required if _missing(f, row, body, names)
        ]
    else:
        problems += [
            missing_field(f".{f.name}") for f in spelled.update_required if f.name not in body
        ]
    if resource.settle is not None:
        before = dict(row)
        resource.settle(row)
        if row != before:
            passed.update(
                (key, value)
                for key, value in body.items()
                if key in names and _decided_against(names[key], before, row)
            )
    return row


def _decided_against(field: Field, before: Row, row: Row) -> bool:
    value = before.get(field.name)
    return value is not None and row.get(field.name) != value


def is_sent_back(field: Field, shape: Shape) -> bool:
    """Whether an Update knows it, to set it or to leave it: all that a program may have got and
    sends back whole (clarification 9).

    What Create alone takes is not in the documented shape's rows, and a PUT that would lose a new
    e-mail address is refused there. The enveloped shape's patients have their numbers and addresses
    inside (welkin-2020)."""
    return field.update or field.returned or (field.create and shape is Shape.ENVELOPED)


def _is_of_the_model(field: Field) -> bool:
    """Whether a writer inside the house may set it."""
    return (
        field.stored
        and field.generated is None
        and field.name not in ("id", "updated_at", "created_at")
    )


def _missing(field: Field, row: Row, body: Row, names: Mapping[str, Field]) -> bool:
    return field.name not in row and all(names[key] is not field for key in body if key in names)


def _differs(field: Field, known: Any, value: Any) -> bool:
    """Whether a value is another than the one known by another name, however it is spelled."""
    other = None if value is None else field.kind.decode(value, "", [])
    return bool(known != other)


def _refuse(problems: Problems, key: str, field: Field | None, known: Mapping[str, Field]) -> None:
    """Adds the problem of a name that nobody knows, or of a ``field`` of Create's alone."""
    if field is None:
        add_unknown(problems, key, "", known)
        return
    detail = f"The field at .{key} is a Create's alone. {field.about}"
    detail += " Change the row that it makes, in its own collection."
    problems.append(Problem("parse_exception", detail, {"path": f".{key}"}, rule="unknown_field"))


def _double_field(field: Field, key: str) -> Problem:
    detail = f"The field {field.name} is given under two of its names, with different values."
    return Problem("bad_request", detail, {"path": f".{key}"})


def check(
    resource: Resource,
    row: Row,
    program: Program,
    named: frozenset[str] | None,
    before: Sequence[Problem] = (),
) -> Problems:
    """What the program and the resource's own rules refuse. ``named``: the fields that an Update
    names; None on Create.

    ``before``: what was found already. A rule that reads a field which did not parse is left out:
    it would only report what follows from that."""
    problems: Problems = []
    for field, kind in resource.program_choices:
        value = row.get(field.name)
        if (
            value is not None
            and (named is None or field.name in named)
            and value not in program.names(kind.of)
        ):
            known = ", ".join(sorted(program.names(kind.of))) or "none; publish a program first"
            hint = f"the published program defines these {kind.of.replace('_', ' ')}: {known}"
            problems.append(parse_problem(kind.name, f".{field.name}", hint))
    unread = not before or resource.checked_fields.isdisjoint(map(_first_key, before))
    if unread and (named is None or named & resource.checked_fields):
        for rule in resource.checks:
            rule(row, program, problems)
    return problems


def _first_key(problem: Problem) -> str:
    """The field of the row that a problem is about: ``model`` of ``.model.pain_scale``."""
    return str(problem.extra.get("path", "")).removeprefix(".").partition(".")[0].partition("[")[0]


def complete(resource: Resource, row: Row) -> list[Any]:
    """The parameters of an insert: every writable column in order, with its default where the row
    has none.
    """
    values: list[Any] = []
    for name, default, bind in _parameters(resource):
        value = row.get(name)
        if value is None:
            value = default
        values.append(bind(value) if bind else value)
    return values


@cache
def _parameters(resource: Resource) -> tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]:
    """Each writable column with its default (None where it has none of its own), and what binds it,
    where that does anything.
    """
    return tuple(
        (
            f.name,
            None if f.default is MISSING or f.default is NOW else f.default,
            None if type(f.kind).bind is Kind.bind else f.kind.bind,
        )
        for f in resource.writable
    )


def moved(problem: Problem, prefix: str) -> Problem:
    """The same problem, its path behind ``prefix``: of a related row (``.external_ids[0]``) or of a
    row among many (``[7]``).
    """
    path = str(problem.extra.get("path", ""))
    place = prefix if path == "." else f"{prefix}{path}"
    # As a word of its own: the path of the whole is a full stop.
    word = rf"(?<![\w\]]){re.escape(path)}(?!\w)"
    detail = re.sub(word, lambda _: place, problem.detail, count=1) if path else problem.detail
    return replace(problem, detail=detail, extra={**problem.extra, "path": place})
