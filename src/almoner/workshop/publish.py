"""Publishing a program: an immutable, numbered version of the whole, and of each element that changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from almoner.database import Connection
from almoner.definitions import CustomDataType as CheckedType
from almoner.definitions import Program, Spec
from almoner.workshop.design import AppointmentType, Assessment, CustomDataType, Named, Phase, ProgramDesign, TaskType
from almoner.workshop.field_kinds import model
from almoner.workshop.program_file import parse

# The first half of the advisory lock of an environment's publishing; its second half is the environment's id.
_LOCK: Final = 470265031
_ELEMENTS: Final[Mapping[str, type[Any]]] = {"assessment": Assessment, "custom_data_type": CustomDataType}
Element = Assessment | CustomDataType
Key = tuple[str, str]
T = TypeVar("T")


class _Outline(Struct, frozen=True, kw_only=True):
    """What a version of a program consists of, as the element of kind ``program`` keeps it.

    ``assessments`` and ``custom_data_types`` pair the id or name with the version that this program has of it.
    """

    name: str
    phases: tuple[Phase, ...] = ()
    appointment_types: tuple[AppointmentType, ...] = ()
    task_types: tuple[TaskType, ...] = ()
    assessments: tuple[tuple[str, int], ...] = ()
    custom_data_types: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Change:
    """One element of a program that a publish added, changed or removed.

    ``kind`` is ``assessment``, ``custom_data_type``, ``phase``, ``appointment_type``, ``task_type`` or, where its name
    changed, ``program``. ``version`` is the element's own number; None where the element has none or is removed.
    """

    action: str
    kind: str
    name: str
    version: int | None = None

    def __str__(self) -> str:
        version = f" (version {self.version})" if self.version else ""
        return f"{self.action} {self.kind.replace('_', ' ')} {self.name}{version}"


@dataclass(frozen=True)
class Published:
    """What a publish led to. ``is_new`` is false where the file was published already; nothing is written then."""

    version: int
    changes: tuple[Change, ...]
    summary: str
    is_new: bool


async def publish(connection: Connection, environment_id: int, source: str, by: str) -> Published:
    """Publishes a program file in an environment, in one transaction; ``by`` names who does it.

    Raises ProgramFileError, with every problem and its line, where the file does not hold a program. Two publishes in
    one environment wait for each other.
    """
    design = parse(source)
    digest = hashlib.sha256(source.encode()).hexdigest()
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, environment_id)
        last = await connection.fetchrow(
            "SELECT version, digest FROM programs WHERE environment_id = $1 ORDER BY version DESC LIMIT 1",
            environment_id,
        )
        if last is not None and last["digest"] == digest:
            version: int = last["version"]
            return Published(version, (), f"This file is version {version} already; nothing was published.", False)
        return await _write(connection, environment_id, (design, source, digest, by), 1 + (last["version"] if last else 0))


async def _write(
    connection: Connection, environment_id: int, given: tuple[ProgramDesign, str, str, str], version: int
) -> Published:
    design, source, digest, by = given
    latest = await _latest_elements(connection, environment_id)
    versions: dict[Key, int] = {}
    fresh: list[tuple[str, str, int, Any]] = []
    for kind, element in _elements(design):
        number, known = latest.get((kind, element.key), (0, None))
        if known != element:
            number += 1
            fresh.append((kind, element.key, number, element))
        versions[kind, element.key] = number
    outline = _outline(design, versions)
    before = await _outline_of(connection, environment_id, version - 1)
    changes = tuple(_changes(before, outline))
    summary = "; ".join(map(str, changes)) or "only comments, order or layout changed"
    await connection.execute(
        "INSERT INTO programs (environment_id, version, source, digest, summary, published_by) VALUES ($1, $2, $3, $4, $5, $6)",
        *(environment_id, version, source, digest, summary, by),
    )
    rows = [*fresh, ("program", design.name, version, outline)]
    await connection.executemany(
        "INSERT INTO program_elements (environment_id, kind, name, version, program_version, definition) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [(environment_id, kind, name, n, version, _json(value)) for kind, name, n, value in rows],
    )
    return Published(version, changes, summary, True)


async def newest_version(connection: Connection, environment_id: int) -> int:
    """The number of the newest published program; 0 where there is none."""
    version: int = await connection.fetchval(
        "SELECT coalesce(max(version), 0) FROM programs WHERE environment_id = $1", environment_id
    )
    return version


async def load(connection: Connection, environment_id: int) -> Program:
    """The newest published program as the API checks against it, with every published version of its specs."""
    # One statement, so that what is read belongs together even while someone publishes.
    rows = await connection.fetch(
        "SELECT kind, name, version, definition FROM program_elements WHERE environment_id = $1 AND (kind <> 'program' "
        "OR program_version = (SELECT max(version) FROM programs WHERE environment_id = $1))",
        environment_id,
    )
    outline = next((_outline_from(r) for r in rows if r["kind"] == "program"), None)
    if outline is None:
        return Program()
    version = next(r["version"] for r in rows if r["kind"] == "program")
    specs = {(r["name"], r["version"]): _spec(r) for r in rows if r["kind"] == "assessment"}
    types = {(r["name"], r["version"]): r for r in rows if r["kind"] == "custom_data_type"}
    return Program(
        version=version,
        phases=_names(outline.phases),
        appointment_types=_names(outline.appointment_types),
        task_types=_names(outline.task_types),
        specs=specs,
        newest_specs={spec_id: specs[spec_id, number] for spec_id, number in outline.assessments},
        custom_data_types={name: _type(types[name, number]) for name, number in outline.custom_data_types},
    )


def _names(group: Iterable[Named]) -> Any:
    """The names in the designer's order, quick to look one up in."""
    return dict.fromkeys(item.name for item in group).keys()


def _spec(row: Mapping[str, Any]) -> Spec:
    design = _decoded(row, Assessment)
    return Spec(design.id, design.name, row["version"], design.title, model(design.fields))


def _type(row: Mapping[str, Any]) -> CheckedType:
    design = _decoded(row, CustomDataType)
    return CheckedType(design.name, row["version"], model(design.fields))


def _elements(design: ProgramDesign) -> Iterable[tuple[str, Element]]:
    yield from (("assessment", item) for item in design.assessments)
    yield from (("custom_data_type", item) for item in design.custom_data_types)


async def _latest_elements(connection: Connection, environment_id: int) -> dict[Key, tuple[int, Element]]:
    """The last published version of every assessment and type, those included that the program no longer has."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (kind, name) kind, name, version, definition FROM program_elements "
        "WHERE environment_id = $1 AND kind <> 'program' ORDER BY kind, name, version DESC",
        environment_id,
    )
    return {(r["kind"], r["name"]): (r["version"], _decoded(r, _ELEMENTS[r["kind"]])) for r in rows}


async def _outline_of(connection: Connection, environment_id: int, version: int) -> _Outline:
    row = await connection.fetchrow(
        "SELECT definition FROM program_elements WHERE environment_id = $1 AND kind = 'program' AND version = $2",
        *(environment_id, version),
    )
    return _Outline(name="") if row is None else _outline_from(row)


def _outline_from(row: Mapping[str, Any]) -> _Outline:
    return _decoded(row, _Outline)


def _outline(design: ProgramDesign, versions: Mapping[Key, int]) -> _Outline:
    return _Outline(
        name=design.name,
        phases=design.phases,
        appointment_types=design.appointment_types,
        task_types=design.task_types,
        assessments=tuple((a.id, versions["assessment", a.id]) for a in design.assessments),
        custom_data_types=tuple((t.name, versions["custom_data_type", t.name]) for t in design.custom_data_types),
    )


def _changes(before: _Outline, after: _Outline) -> Iterable[Change]:
    if before.name and before.name != after.name:
        yield Change("renamed", "program", f"{before.name} to {after.name}")
    for kind in ("phase", "appointment_type", "assessment", "custom_data_type", "task_type"):
        old, new = _by_name(before, kind), _by_name(after, kind)
        for name, item in new.items():
            number = item if isinstance(item, int) else None
            if name not in old:
                yield Change("added", kind, name, number)
            elif old[name] != item:
                yield Change("changed", kind, name, number)
        yield from (Change("removed", kind, name) for name in old if name not in new)


def _by_name(outline: _Outline, kind: str) -> dict[str, Any]:
    """The elements of a kind: by name or id the version, or the whole definition where it has no version of its own."""
    group = getattr(outline, f"{kind}s")
    return dict(group) if kind in _ELEMENTS else {item.name: item for item in group}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decoded(row: Mapping[str, Any], of: type[T]) -> T:
    return msgspec.json.decode(row["definition"], type=of)
