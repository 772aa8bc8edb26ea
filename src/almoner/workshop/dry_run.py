"""The dry run: what a new version of a program would break in what an environment holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, get_args

from almoner.database import Connection
from almoner.vocabulary.definitions import Permission, Program, Rights
from almoner.workshop.breakages import MOST_IDS, WORDS, Breakage, Report, many
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.misfits import Check, answers, records
from almoner.workshop.process_design import Process
from almoner.workshop.published_programs import design_of, newest_version, rights

Progress = Callable[[int, int], None]
_BATCH: Final = 2_000
# A write that began before an examination may be committed after it; none takes longer than this,
# in seconds.
_LONGEST_WRITE: Final = 60


def unfollowed(done: int, total: int) -> None:
    """The ``progress`` of a check that nobody watches."""


async def examine(
    connection: Connection,
    environment_id: int,
    design: ProgramDesign,
    progress: Progress = unfollowed,
    since: datetime | None = None,
) -> Report:
    """What a version breaks that is made of this design, which has no problems of its own.

    Reads one moment of the database and holds up nobody who writes. Only what differs from the
    published version is looked at; with ``since``, of responses and records only those that may
    have been written after that moment. ``progress`` is told how many of how many rows were
    checked. Inside of a transaction, this is part of it."""
    if connection.is_in_transaction():
        return await _examined(connection, environment_id, design, progress, since)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await _examined(connection, environment_id, design, progress, since)


async def _examined(
    connection: Connection,
    environment_id: int,
    design: ProgramDesign,
    progress: Progress,
    since: datetime | None,
) -> Report:
    began_at: datetime = await connection.fetchval("SELECT clock_timestamp()")
    version = await newest_version(connection, environment_id)
    if version == 0:
        return Report(began_at=began_at)
    before = await design_of(connection, environment_id, version)
    environment = _EnvironmentRows(connection, environment_id)
    breakages = await environment.named(_IN_PHASE, _gone(before.phases, design.phases))
    breakages += await environment.named(_IN_END, _ended(before.phases, design.phases))
    gone = _gone(before.appointment_types, design.appointment_types)
    breakages += await environment.named(_APPOINTMENTS, gone)
    breakages += await environment.named(_TASKS, _gone(before.task_types, design.task_types))
    gone = _gone(before.assessments, design.assessments, "id")
    breakages += await environment.named(_BEGUN, gone, {a.id: a.name for a in before.assessments})
    titles = {process.name: process.title or process.name for process in before.processes}
    gone = _gone(before.processes, design.processes)
    breakages += await environment.named(_WAIT_FOR_GONE, gone, titles)
    acts = {process.name: _acts(process) for process in design.processes}
    changed = [each.name for each in before.processes if acts.get(each.name, ()) != _acts(each)]
    changed = [name for name in changed if name not in gone]
    breakages += await environment.named(_WAIT_FOR_CHANGED, changed, titles)
    breakages += await environment.roles(before, design)
    # A type that was gone for a while is looked at as well: its records stayed.
    single = _single(design) - _single(before)
    breakages += await environment.named(_SEVERAL, sorted(single))
    checks = [answers(before, design), records(before, design)]
    checking = _Checking(progress, await environment.total(checks, since))
    for check in checks:
        await environment.check(check, checking, since)
        breakages += check.breakages()
    return Report(
        tuple(sorted(breakages, key=lambda b: list(WORDS).index(b.word))),
        version,
        checking.done,
        began_at,
    )


@dataclass(frozen=True)
class _Rows:
    """Rows that name an element in ``column``: what breaks of them where it is gone, as
    ``Breakage`` has it, and what people call them (``thing``).

    ``source`` is SQL for what is counted; its parameters are the environment and the names."""

    kind: str
    word: str
    thing: str
    column: str
    source: str
    sentence: str = "{} of {}, which is gone."


_IN_PHASE: Final = _Rows(
    kind="patients_in_phase",
    word="phases",
    thing="patient",
    column="phase",
    source="patients WHERE environment_id = $1 AND phase = ANY($2)",
    sentence="{} in the phase {}, which is gone.",
)
_IN_END: Final = replace(
    _IN_PHASE, sentence="{} in the phase {}, which no other may follow any more."
)
_TASKS: Final = _Rows(
    kind="open_tasks",
    word="tasks",
    thing="open task",
    column="task_type",
    source=(
        "patient_tasks WHERE environment_id = $1 AND task_type = ANY($2) AND dismissed IS NOT TRUE"
    ),
)
# What has set a process off goes on in the version in which it did (decision 42). The ids are those
# of the patients.
_WAIT_FOR_GONE: Final = _Rows(
    kind="waiting_for_process",
    word="processes",
    thing="patient",
    column="process",
    source=(
        "(SELECT DISTINCT process, patient_id AS id FROM process_firings WHERE environment_id = $1"
        " AND process = ANY($2) AND state IN ('open', 'held')) AS waiting"
    ),
    sentence=(
        "{} waiting in the process {}, which is gone: it still acts for each, as it was when it was"
        " set off."
    ),
)
_WAIT_FOR_CHANGED: Final = replace(
    _WAIT_FOR_GONE,
    sentence=(
        "{} waiting in the process {}, which changes: for each it acts as it was when it was set"
        " off."
    ),
)
# Forms that workers have begun to fill in; the ids are those of the patients.
_BEGUN: Final = _Rows(
    kind="begun_of_removed",
    word="responses",
    thing="form",
    column="spec_id",
    source=(
        "(SELECT spec_id, patient_id AS id FROM assessment_drafts WHERE environment_id = $1 AND"
        " spec_id = ANY($2)) AS begun"
    ),
    sentence="{} begun of {}, which is gone: they could not be sent any more.",
)
_APPOINTMENTS: Final = _Rows(
    kind="appointments",
    word="appointments",
    thing="appointment",
    column="appointment_type",
    source=(
        "calendar_events WHERE environment_id = $1 AND appointment_type = ANY($2) AND outcome IS"
        " DISTINCT FROM 'cancelled' AND (end_time > clock_timestamp() OR day >= current_date)"
    ),
    sentence="{} to come of {}, which is gone.",
)
_SEVERAL: Final = _Rows(
    kind="several_records",
    word="records",
    thing="patient",
    column="type_name",
    source=(
        "(SELECT type_name, user_id AS id FROM custom_data_type_records WHERE environment_id = $1"
        " AND type_name = ANY($2) GROUP BY type_name, user_id HAVING count(*) > 1) AS several"
    ),
    sentence="{} with several records of {}, of which there may be one.",
)


def _gone(before: Collection[Any], after: Collection[Any], by: str = "name") -> list[str]:
    keys = {getattr(item, by) for item in after}
    return [key for item in before if (key := getattr(item, by)) not in keys]


def _ended(before: Collection[Phase], after: Collection[Phase]) -> list[str]:
    """The phases that become an end: something could follow them, and nothing can any more."""
    ends = {phase.name for phase in after if phase.next == ()}
    return [phase.name for phase in before if phase.name in ends and phase.next != ()]


def _acts(process: Process) -> tuple[Any, ...]:
    """What a process does, whatever it is called."""
    return process.when, process.conditions, process.wait, process.actions


def _single(design: ProgramDesign) -> set[str]:
    """The custom data types of which a patient has one record."""
    return {item.name for item in design.custom_data_types if item.records == "one"}


@dataclass
class _Checking:
    """How far the checks are."""

    progress: Progress
    total: int
    done: int = 0

    def on(self, rows: int) -> None:
        self.done += rows
        self.progress(self.done, max(self.total, self.done))


def _of_workers(
    roles: list[str], count: int, ids: tuple[str, ...], old: Program, new: Program
) -> Iterator[Breakage]:
    """What changes for the workers who hold these roles."""
    names, workers = ", ".join(roles), many(count, "worker")
    if not any(name in new.roles for name in roles):
        gone = (
            f"{workers} without any role, since {names} {'is' if len(roles) == 1 else 'are'} gone."
        )
        yield Breakage("workers_without_role", "roles", names, count, ids, sentence=gone)
        return
    before, after = _opened(old.rights(roles)), _opened(new.rights(roles))
    as_what = f"{workers} with the role{'' if len(roles) == 1 else 's'} {names}"
    for kind, words, differing in (
        ("workers_lose", "may no longer", [item for item in before if item not in after]),
        ("workers_gain", "may then also", [item for item in after if item not in before]),
    ):
        if differing:
            sentence = f"{as_what} {words} {' and '.join(differing)}."
            yield Breakage(kind, "roles", names, count, ids, sentence=sentence)


def _opened(rights: Rights) -> list[str]:
    """What rights open, in words."""
    words = [word.replace("_", " ") for word in get_args(Permission) if word in rights.may]
    return [
        *words,
        *(["see all patients"] if rights.all_patients and "give_care" in rights.may else []),
    ]


@dataclass(frozen=True)
class _EnvironmentRows:
    """The rows of one environment."""

    connection: Connection
    environment_id: int

    async def total(self, checks: Collection[Check], since: datetime | None) -> int:
        return sum(
            [
                await self.connection.fetchval(*self._rows(c, since, "count(*)"))
                for c in checks
                if c.models
            ]
        )

    async def check(self, check: Check, checking: _Checking, since: datetime | None) -> None:
        if not check.models:
            return
        cursor = await self.connection.cursor(
            *self._rows(check, since, f"id, {check.name_column}, {check.json_column}")
        )
        while rows := await cursor.fetch(_BATCH):
            for row in rows:
                check.row(*row)
            checking.on(len(rows))

    def _rows(self, check: Check, since: datetime | None, columns: str) -> tuple[Any, ...]:
        statement = (
            f"SELECT {columns} FROM {check.table} WHERE environment_id = $1 AND {check.name_column}"
            " = ANY($2)"
        )
        if since is None:
            return statement, self.environment_id, list(check.models)
        recent = (
            f"{statement} AND updated_at >= $3::timestamptz - interval '{_LONGEST_WRITE} seconds'"
        )
        return recent, self.environment_id, list(check.models), since

    async def named(
        self, rows: _Rows, names: list[str], titles: Mapping[str, str] | None = None
    ) -> list[Breakage]:
        """What breaks where elements of these names are gone; ``titles``: what people call them."""
        if not names:
            return []
        counted = await self.connection.fetch(
            f"SELECT {rows.column}, count(*), (array_agg(id ORDER BY id))[:{MOST_IDS}] FROM"
            f" {rows.source} GROUP BY {rows.column} ORDER BY array_position($2::text[],"
            f" {rows.column})",
            *(self.environment_id, names),
        )
        called = [(titles[name] if titles else name, n, ids) for name, n, ids in counted]
        return [
            Breakage(
                *(rows.kind, rows.word, title, n, tuple(map(str, ids))),
                sentence=rows.sentence.format(many(n, rows.thing), title),
            )
            for title, n, ids in called
        ]

    async def roles(self, before: ProgramDesign, after: ProgramDesign) -> list[Breakage]:
        """Workers left without a role, and those whose roles together open less than before, or
        more.
        """
        old, new = Program(roles=rights(before)), Program(roles=rights(after))
        changed = [
            name
            for name in dict.fromkeys((*old.roles, *new.roles))
            if old.roles.get(name) != new.roles.get(name)
        ]
        rows = await self.connection.fetch(
            f"SELECT roles, count(*), (array_agg(worker_id ORDER BY worker_id))[:{MOST_IDS}] FROM"
            " worker_accounts WHERE environment_id = $1 AND disabled_at IS NULL AND roles && $2"
            " GROUP BY roles ORDER BY roles",
            *(self.environment_id, changed),
        )
        return [
            breakage
            for roles, n, ids in rows
            for breakage in _of_workers(roles, n, tuple(map(str, ids)), old, new)
        ]
