"""Rows of an import made ready: their bodies, with what keeps them from being taken; tried without
being written; and who may be here already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.data_api import decode, set_statements
from almoner.data_api.batch_rows import KEEP, UPDATE, BatchRequest, BatchRow
from almoner.data_api.declare import Resource, Row, Verb
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.errors import Problem, without_path
from almoner.imports.rows import LikelyDuplicate, RowProblem
from almoner.imports.sources import IMPORTED, fields_of
from almoner.patient_merges.duplicates import likely_each
from almoner.resources.external_ids import external_ids
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems, Ref
from almoner_files.delimited import SourceRow
from almoner_files.mapping import EXTERNAL_ID, Target
from almoner_files.mapping import Mapping as Columns
from almoner_files.prepare import Bodies, id_of, is_id

EXISTING: Final = "existing"
_MAPPED: Final = set_statements.pointed_at(external_ids, set_statements.pointing_key(external_ids))
_WORKERS: Final = """
SELECT lower(email), id::text FROM workers
WHERE environment_id = $1 AND lower(email) = ANY ($2::text[])
"""


class Undone(Exception):  # noqa: N818  # it ends a trial
    """Nothing of what was tried is to stand."""


@dataclass(frozen=True)
class Prepared:
    """A row of the file and the body of its Create, without the cells that ``problems`` are of."""

    source: SourceRow
    body: Row
    problems: tuple[RowProblem, ...] = ()


async def prepare(
    connection: Connection,
    environment_id: int,
    resource: Resource,
    columns: Columns,
    sources: Sequence[SourceRow],
) -> list[Prepared]:
    """The bodies of rows, each with what is wrong with its cells. A reference may be an id of the
    other system; of a worker, an e-mail address as well.
    """
    known = await _references(connection, environment_id, resource, columns, sources)

    def look_up(target: Target, value: str) -> str:
        # Ids of other systems may look like ours.
        if (target.field, value) not in known and not is_id(value):
            raise ValueError(f"nothing has this id in {target.namespace}")
        return known.get((target.field, value), value)

    bodies = Bodies(columns, fields_of(resource), look_up)
    prepared: list[Prepared] = []
    for source in sources:
        body, errors = bodies.of(source)
        problems = tuple(RowProblem(each.line, each.column, each.reason) for each in errors)
        own = id_of(source, columns)
        if own and resource is not external_ids:
            body[external_ids.name] = [{"namespace": columns.own_namespace, EXTERNAL_ID: own}]
        prepared.append(Prepared(source, body, problems))
    return prepared


async def _references(
    connection: Connection,
    environment_id: int,
    resource: Resource,
    columns: Columns,
    sources: Sequence[SourceRow],
) -> Mapping[tuple[str, str], str]:
    """The ids here, by field and what stands in a cell."""
    known: dict[tuple[str, str], str] = {}
    for column, target in columns.columns.items():
        if target is None or target.namespace is None:
            continue
        kind = resource.field(target.field).kind
        assert isinstance(kind, Ref)
        cells = list({str(source.values.get(column) or "").strip() for source in sources} - {""})
        namespaces = [target.namespace] * len(cells)
        mappings = await connection.fetch(_MAPPED, environment_id, kind.to, namespaces, cells)
        known |= {(target.field, cells[row["place"] - 1]): row["row_id"] for row in mappings}
        if kind.to == "workers":
            mails = {cell.lower(): cell for cell in cells}
            people = await connection.fetch(_WORKERS, environment_id, list(mails))
            known |= {(target.field, mails[mail]): worker_id for mail, worker_id in people}
    return known


async def create_all(
    store: Store, by: Actor, resource: Resource, prepared: Sequence[Prepared], existing: str
) -> list[BatchRow]:
    """Creates rows, each by itself; what becomes of one whose id is known here, ``existing`` says:
    ``update`` or ``keep``.
    """
    updated = existing == UPDATE and Verb.UPDATE in resource.verbs
    request = BatchRequest(
        verb=Verb.CREATE,
        rows=[each.body for each in prepared],
        shape=Shape.STORED,
        atomic=False,
        on_existing=UPDATE if updated else KEEP,
    )
    return await write_all(store, by, resource, request)


async def write_all(
    store: Store, by: Actor, resource: Resource, request: BatchRequest
) -> list[BatchRow]:
    """Writes rows, and answers with what came of each."""
    if not request.rows:
        return []
    written: list[BatchRow] = []

    def answer(batch: Sequence[BatchRow]) -> bytes:
        written.extend(batch)
        return b""

    await store.write_many(by, resource, request, answer)
    return written


async def tried(
    connection: Connection,
    store: Store,
    by: Actor,
    resource: Resource,
    prepared: Sequence[Prepared],
    existing: str,
) -> list[BatchRow]:
    """What would come of creating rows; nothing of it stands."""
    written: list[BatchRow] = []
    try:
        async with connection.transaction():
            written = await create_all(store, by, resource, prepared, existing)
            raise Undone
    except Undone:
        return written


async def further_problems(
    connection: Connection,
    store: Store,
    by: Actor,
    resource: Resource,
    columns: Columns,
    unfit: Sequence[Prepared],
    existing: str,
) -> list[RowProblem]:
    """What else is wrong with rows that cannot be taken for what is wrong already, so that all of
    it is mended at once. They are tried apart from the others, which they are not to get in the
    way of.
    """
    whole = [each for each in unfit if not each.source.broken]
    further: list[RowProblem] = []
    for each, row in zip(
        whole,
        await tried(connection, store, by, resource, prepared=whole, existing=existing),
        strict=True,
    ):
        # What a column is refused for already, it is refused for once.
        refused = {problem.column for problem in each.problems}
        further += [
            problem
            for problem in problems_of(resource, columns, each.source, row.problems)
            if problem.column not in refused
        ]
    return further


def problems_of(
    resource: Resource, columns: Columns, source: SourceRow, problems: Sequence[Problem]
) -> list[RowProblem]:
    """What a row was refused for, with the column that it came from; where none did, with what the
    field is called.
    """
    titles = {field.name: field.title for field in resource.fields}
    reasons = []
    for problem in problems:
        path = str(problem.extra.get("path", "")).lstrip(".")
        if path.startswith(external_ids.name):
            column = columns.identified_by or ""
        else:
            column = columns.column_of(path) if path else ""
            column = column if column in columns.columns else titles.get(column, column)
        blank = problem.rule == "required"
        reason = "it is blank, and a new row needs it" if blank else without_path(problem)
        reasons.append(RowProblem(source.line, column, reason))
    return reasons


async def duplicates(
    connection: Connection,
    environment_id: int,
    prepared: Sequence[Prepared],
) -> list[LikelyDuplicate]:
    """The rows of patients that may be somebody who is here already, each with who is the most
    likely.
    """
    patients = IMPORTED["patients"]
    lines: list[int] = []
    rows: list[Row] = []
    for each in prepared:
        problems: Problems = []
        row = decode.values(
            patients, dict(each.body), Verb.CREATE, Shape.STORED, problems, whole=True
        )
        if not problems:
            lines.append(each.source.line)
            rows.append(row)
    by_row = await likely_each(connection, environment_id, None, rows)
    return [
        LikelyDuplicate(line, candidate.id, candidate.why)
        for line, candidates in zip(lines, by_row, strict=True)
        for candidate in candidates[:1]
    ]


def repeated(parts: Iterable[Sequence[SourceRow]], columns: Columns) -> list[dict[str, int]]:
    """For each part, the lines whose id an earlier line has, with that one."""
    first: dict[str, int] = {}
    by_part: list[dict[str, int]] = []
    for part in parts:
        there: dict[str, int] = {}
        for source in part:
            own = id_of(source, columns)
            if own and first.setdefault(own, source.line) != source.line:
                there[str(source.line)] = first[own]
        by_part.append(there)
    return by_part


def alike(
    parts: Iterable[Sequence[SourceRow]], columns: Columns
) -> list[dict[str, tuple[int, str]]]:
    """For each part, the lines that are likely somebody of whom an earlier line is, with that one
    and why. What is the same for every row tells nobody from another.
    """
    cells = replace(columns, constants={})
    bodies = Bodies(cells, fields_of(IMPORTED[columns.collection]), lambda _, cell: cell)
    first: dict[tuple[str, str], int] = {}
    by_part: list[dict[str, tuple[int, str]]] = []
    for part in parts:
        there: dict[str, tuple[int, str]] = {}
        for source in part:
            traits = _traits(bodies.of(source)[0])
            earlier = [(first[trait], trait[0]) for trait in traits if trait in first]
            if earlier:
                there[str(source.line)] = min(earlier)
            for trait in traits:
                first.setdefault(trait, source.line)
        by_part.append(there)
    return by_part


def _traits(body: Row) -> list[tuple[str, str]]:
    """What a row may have in common with another of the same person: in words, and the value."""
    traits: list[tuple[str, str]] = []
    person = [str(body.get(name) or "") for name in ("last_name", "first_name", "birthday")]
    if all(person):
        name = " ".join(" ".join(person).casefold().split())
        traits.append(("born on the same day, with the same name", name))
    phone = "".join(filter(str.isdigit, str(body.get("phone") or "")))
    if phone:
        traits.append(("has the same phone number", phone[-10:]))
    if body.get("email"):
        traits.append(("has the same e-mail address", str(body["email"]).casefold()))
    return traits


def choice_of(choices: Mapping[str, str], line: int) -> str:
    """What is done with a row that may be somebody who is here: ``skip``, ``update`` or
    ``create``.
    """
    return choices.get(str(line)) or choices.get("default", "skip")


def existing_of(choices: Mapping[str, Any]) -> str:
    """What is done with a row whose id is known here: ``update`` or ``keep``."""
    return str(choices.get(EXISTING, UPDATE))
