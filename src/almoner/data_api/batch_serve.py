"""``POST /v1/<collection>/batch``: what it asks for, and its answer (additive)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from almoner.access.policy import sees
from almoner.access.tokens import Access
from almoner.data_api import ignored, nested
from almoner.data_api.batch_rows import KEEP, REFUSE, UPDATE, BatchRequest, BatchRow
from almoner.data_api.declare import Resource, Row, Verb
from almoner.data_api.decode import moved
from almoner.errors import ApiError, Problem, parse_problem, problem_objects
from almoner.vocabulary.fields import Shape, add_unknown, missing_field
from almoner.vocabulary.kinds import Guid, Problems

MOST_ROWS: Final = 1000
ON_EXISTING: Final = (REFUSE, KEEP, UPDATE)
_LISTS: Final = {"create": Verb.CREATE, "update": Verb.UPDATE}
_GUID: Final = Guid()
_encode = msgspec.json.Encoder().encode


def parse(resource: Resource, body: Row, shape: Shape, minimal: bool = False) -> BatchRequest:
    """What a body asks for; ``minimal`` answers are enough where the headers say so. Raises
    ApiError with everything in it that does not fit, but for the rows, which are refused by
    themselves.
    """
    problems: Problems = []
    offered = {name: verb for name, verb in _LISTS.items() if verb in resource.verbs}
    options = {**dict.fromkeys(offered), "atomic": None, "on_existing": None}
    for key in body:
        if key not in options:
            add_unknown(problems, key, "", options)
    named = [name for name in offered if name in body]
    if len(named) != 1:
        expected = " or ".join(offered)
        problems.append(parse_problem("object", ".", f"one list of rows is expected, {expected}"))
    if type(body.get("atomic", True)) is not bool:
        problems.append(parse_problem("boolean", ".atomic", "true or false is expected"))
    on_existing = body.get("on_existing", REFUSE)
    if on_existing not in ON_EXISTING:
        hint = f"one of {', '.join(ON_EXISTING)} is expected"
        problems.append(parse_problem("enum", ".on_existing", hint))
    elif on_existing != REFUSE and named != ["create"]:
        problems.append(parse_problem("enum", ".on_existing", "it goes together with create"))
    for name in named:
        if type(body[name]) is not list or not 1 <= len(body[name]) <= MOST_ROWS:
            hint = f"a list of 1 to {MOST_ROWS} objects is expected"
            problems.append(parse_problem("list", f".{name}", hint))
    if problems:
        raise ApiError(problems)
    unread: dict[int, Problem] = {}
    return BatchRequest(
        verb=offered[named[0]],
        rows=_rows(offered[named[0]], body[named[0]], unread),
        unread=unread,
        shape=shape,
        atomic=body.get("atomic", True),
        on_existing=on_existing,
        minimal=minimal,
    )


def _rows(verb: Verb, rows: list[Any], unread: dict[int, Problem]) -> list[Row]:
    """The rows, each Update with its id as it is spelled; into ``unread`` goes why one is none."""
    checked: list[Row] = []
    for number, row in enumerate(rows):
        problems: Problems = []
        if type(row) is not dict:
            row = {}
            problems.append(parse_problem("json", ".", "a JSON object is expected"))
        elif verb is Verb.UPDATE and row.get("id") is None:
            problems.append(missing_field(".id"))
        elif verb is Verb.UPDATE:
            row = {**row, "id": _GUID.decode(row["id"], ".id", problems)}
        unread.update((number, problem) for problem in problems)
        checked.append(row)
    return checked


def written_along(resource: Resource, request: BatchRequest, known: Iterable[Resource]) -> set[str]:
    """The collections that a batch writes to besides, and that need a scope of their own."""
    if request.verb is not Verb.CREATE:
        return set()
    own = resource.spelled[request.shape].names
    mappings = [r.name for r in known if r.any_reference and r.name not in own]
    return {name for row in request.rows for name in nested.own_scopes(resource, row)} | {
        name for name in mappings for row in request.rows if row.get(name)
    }


def answer(resource: Resource, access: Access, minimal: bool, batch: Sequence[BatchRow]) -> bytes:
    """What came of each row, in their order. Of those that are there the id alone where ``minimal``
    is enough, or under a token that may not read the collection.
    """
    whole = not minimal and sees(access, resource.name)
    each = partial(_answer_of, resource, access.spelling, whole)
    return b'{"data":[' + b",".join(map(each, batch)) + b"]}"


def _answer_of(resource: Resource, shape: Shape, whole: bool, each: BatchRow) -> bytes:
    if each.written is None:
        refused = ApiError([moved(problem, each.place) for problem in each.problems])
        return _encode({"status": refused.status, "errors": problem_objects(refused)})
    row = each.written.body if whole else b'{"id":"' + each.written.id.encode() + b'"}'
    entry: dict[str, Any] = {"status": 200, "outcome": each.outcome, "row": msgspec.Raw(row)}
    if each.ignored:
        names = (
            ignored.differing(resource, shape, replace(each.written, ignored=each.ignored))
            if whole
            # The id of an Update names the row.
            else [name for name, value in each.ignored.items() if value != each.written.id]
        )
        entry |= {"ignored_fields": names} if names else {}
    return _encode(entry)
