"""The dry run: what a new version of a program would break in what an environment holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, get_args

from almoner.database import Connection
from almoner.errors import Problem
from almoner.merging.three_way import same
from almoner.vocabulary import json_values
from almoner.vocabulary.definitions import Permission, Program, Rights
from almoner.vocabulary.fields import Object, printable
from almoner.vocabulary.kinds import Problems
from almoner.workshop import questions
from almoner.workshop.design import FieldDesign, Phase, ProgramDesign, Question
from almoner.workshop.published_programs import design_of, newest_version, rights

MOST_IDS: Final = 100
# The words by which a publisher accepts a kind of breakage, each with what it stands for.
WORDS: Final[Mapping[str, str]] = {
    "responses": "answers that do not fit, or whose assessment is gone",
    "records": "records of custom data that do not fit, or whose type is gone",
    "phases": "patients in a phase that is gone, or that none follows any more",
    "appointments": "appointments to come of a type that is gone",
    "tasks": "open tasks of a type that is gone",
    "roles": "workers who may do less than before, or more",
}
Progress = Callable[[int, int], None]
_BATCH: Final = 2_000
_MOST_REASONS: Final = 200
_REASONS_SHOWN: Final = 3
_LONGEST_HINT: Final = 160
# A write that began before an examination may be committed after it; none takes longer than this, in seconds.
_LONGEST_WRITE: Final = 60


@dataclass(frozen=True)
class Breakage:
    """One thing that breaks. ``kind`` tells which, ``word`` is what accepts it (``WORDS``), ``what`` names the element.

    ``ids`` are the first hundred of the ``count`` rows: of the responses, records, appointments, workers, or patients.
    """

    kind: str
    word: str
    what: str
    count: int
    ids: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Report:
    """What an examination found. ``version`` is the published version that the new one was compared with, 0 for none.

    ``examined`` counts the responses and records that were checked; ``began_at`` is the database's clock, in UTC.
    """

    breakages: tuple[Breakage, ...] = ()
    version: int = 0
    examined: int = 0
    began_at: datetime | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a publisher must say for all of it."""
        return tuple(word for word in WORDS if any(b.word == word for b in self.breakages))

    def missing(self, accepting: Collection[str]) -> tuple[str, ...]:
        """The words that have not been said."""
        return tuple(word for word in self.words if word not in accepting)


def unfollowed(done: int, total: int) -> None:
    """Progress that nobody follows."""


async def examine(
    connection: Connection,
    environment_id: int,
    design: ProgramDesign,
    progress: Progress = unfollowed,
    since: datetime | None = None,
) -> Report:
    """What a version breaks that is made of this design, which has no problems of its own.

    Reads one moment of the database and holds up nobody who writes. Only what differs from the published version is looked at;
    with ``since``, of responses and records only those that may have been written after that moment. ``progress`` is told how
    many of how many rows were checked. Inside of a transaction,
    this is part of it.
    """
    if connection.is_in_transaction():
        return await _examined(connection, environment_id, design, progress, since)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await _examined(connection, environment_id, design, progress, since)


async def _examined(
    connection: Connection, environment_id: int, design: ProgramDesign, progress: Progress, since: datetime | None
) -> Report:
    began_at: datetime = await connection.fetchval("SELECT clock_timestamp()")
    version = await newest_version(connection, environment_id)
    if version == 0:
        return Report(began_at=began_at)
    before = await design_of(connection, environment_id, version)
    house = _House(connection, environment_id)
    found = await house.phases(_gone(before.phases, design.phases), "which is gone")
    found += await house.phases(_ended(before.phases, design.phases), "which no other may follow any more")
    found += await house.appointments(_gone(before.appointment_types, design.appointment_types))
    found += await house.tasks(_gone(before.task_types, design.task_types))
    found += await house.begun(_gone(before.assessments, design.assessments, "id"), {a.id: a.name for a in before.assessments})
    found += await house.roles(before, design)
    # A type that was gone for a while is looked at as well: its records stayed.
    single = {item.name for item in design.custom_data_types if item.records == "one"}
    found += await house.several(single - {item.name for item in before.custom_data_types if item.records == "one"})
    checks = [_answers(before, design), _data(before, design)]
    checking = _Checking(progress, await house.total(checks, since))
    for check in checks:
        await house.check(check, checking, since)
        found += check.found()
    return Report(tuple(sorted(found, key=lambda b: list(WORDS).index(b.word))), version, checking.done, began_at)


def _gone(before: Collection[Any], after: Collection[Any], by: str = "name") -> list[str]:
    kept = {getattr(item, by) for item in after}
    return [key for item in before if (key := getattr(item, by)) not in kept]


def _ended(before: Collection[Phase], after: Collection[Phase]) -> list[str]:
    """The phases that become an end: something could follow them, and nothing can any more."""
    ends = {phase.name for phase in after if phase.next == ()}
    return [phase.name for phase in before if phase.name in ends and phase.next != ()]


@dataclass
class _Checking:
    """How far the checks are."""

    progress: Progress
    total: int
    done: int = 0

    def on(self, rows: int) -> None:
        self.done += rows
        self.progress(self.done, max(self.total, self.done))


@dataclass
class _Check:
    """Rows of one table against the elements of the design that differ: a model each, None where the element is gone."""

    word: str
    table: str
    name_column: str
    json_column: str
    models: Mapping[str, Object | None]
    models_before: Mapping[str, Object]
    shown: Mapping[str, str]
    counts: dict[str, int] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)

    def row(self, row_id: Any, name: str, document: str) -> None:
        model = self.models[name]
        reasons: Collection[str] = ()
        if model is not None:
            reasons = self._new_misfits(model, name, json_values.decode(document))
            if not reasons:
                return
        self.counts[name] = self.counts.get(name, 0) + 1
        kept = self.ids.setdefault(name, [])
        if len(kept) < MOST_IDS:
            kept.append(str(row_id))
        told = self.reasons.setdefault(name, Counter())
        told.update(reason for reason in reasons if reason in told or len(told) < _MOST_REASONS)

    def _new_misfits(self, model: Object, name: str, value: Any) -> Collection[str]:
        """Why it does not fit, save for what stood in its way in the published version already: that is not broken by this one."""
        found = _misfits(model, value)
        before = self.models_before.get(name) if found else None
        return found if before is None else set(found) - set(_misfits(before, value))

    def found(self) -> Iterator[Breakage]:
        for name, model in self.models.items():
            count = self.counts.get(name, 0)
            if count:
                kind = f"{self.word}_{'of_removed' if model is None else 'do_not_fit'}"
                sentence = _SENTENCES[kind].format(_many(count, self.word.removesuffix("s")), self.shown[name])
                if count == 1:
                    sentence = sentence.replace(" do not fit", " does not fit")
                sentence += self._because(name)
                yield Breakage(kind, self.word, self.shown[name], count, tuple(self.ids[name]), sentence)

    def _because(self, name: str) -> str:
        """The commonest reasons, each with how many rows it stands in the way of."""
        told = sorted(self.reasons[name].items(), key=lambda item: (-item[1], item[0]))[:_REASONS_SHOWN]
        return f" {'; '.join(f'{reason} ({count:,})' for reason, count in told)}." if told else ""


_SENTENCES: Final = {
    "responses_do_not_fit": "{} to {} do not fit its new version:",
    "responses_of_removed": "{} to {}, which is gone.",
    "records_do_not_fit": "{} of {} do not fit its new version:",
    "records_of_removed": "{} of {}, which is gone.",
}


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _misfits(model: Object, value: Any) -> Collection[str]:
    """Why a document does not fit, each reason once and without anything of what it holds; none where it fits."""
    if type(value) is not dict:
        return ("it is no object",)
    # Told apart first: a problem of an unknown key looks for similar names, which takes long.
    if not value.keys() <= model.by_name.keys():
        return {f"{printable(key)} is gone" for key in value if key not in model.by_name}
    problems: Problems = []
    model.keep(value, "", problems)
    return {_reason(problem) for problem in problems} if problems else ()


def _reason(problem: Problem) -> str:
    name = problem.extra["path"].removeprefix(".").partition("[")[0]
    if problem.rule == "required":
        return f"{name} must be given"
    hint = problem.detail.partition(": ")[2]
    if problem.rule == "not_asked":
        return f"{name} is not to be answered, as {hint.partition(';')[0]}"
    short = hint if len(hint) <= _LONGEST_HINT else ""
    return f"for {name}, {short}" if short else f"{name} is not of its new kind"


def _answers(before: ProgramDesign, design: ProgramDesign) -> _Check:
    old, new = ({a.id: a for a in d.assessments} for d in (before, design))
    changed = [key for key, item in new.items() if key not in old or _differ(old[key].questions, item.questions)]
    models: dict[str, Object | None] = {key: None for key in old if key not in new}
    models |= {key: questions.of_assessment(new[key], 0) for key in changed}
    models_before = {key: questions.of_assessment(old[key], 0) for key in changed if key in old}
    names = {key: item.name for key, item in (old | new).items()}
    return _Check("responses", "assessment_responses", "spec_id", "model", models, models_before, names)


def _data(before: ProgramDesign, design: ProgramDesign) -> _Check:
    old, new = ({t.name: t for t in d.custom_data_types} for d in (before, design))
    changed = [key for key, item in new.items() if key not in old or _differ(old[key].fields, item.fields)]
    models: dict[str, Object | None] = {key: None for key in old if key not in new}
    models |= {key: questions.of_custom_data_type(new[key], 0) for key in changed}
    models_before = {key: questions.of_custom_data_type(old[key], 0) for key in changed if key in old}
    names = {key: key for key in old | new}
    return _Check("records", "custom_data_type_records", "type_name", "body", models, models_before, names)


def _differ(before: Collection[FieldDesign], after: Collection[FieldDesign]) -> bool:
    """Whether something that fitted these fields might not fit those; how they read and in which order does not matter."""
    old, new = ({f.name: _strict(f) for f in fields} for fields in (before, after))
    return old.keys() != new.keys() or not all(same(old[name], new[name]) for name in old)


def _strict(item: FieldDesign) -> tuple[Any, ...]:
    shown_when = item.shown_when if isinstance(item, Question) else None
    return (item.kind, item.required, tuple(sorted(item.choices)), item.low, item.high, shown_when)


def _of_workers(held: list[str], count: int, ids: tuple[str, ...], old: Program, new: Program) -> Iterator[Breakage]:
    """What changes for the workers who hold these roles."""
    names, workers = ", ".join(held), _many(count, "worker")
    if not any(name in new.roles for name in held):
        gone = f"{workers} without any role, since {names} {'is' if len(held) == 1 else 'are'} gone."
        yield Breakage("workers_without_role", "roles", names, count, ids, gone)
        return
    before, after = _opened(old.rights(held)), _opened(new.rights(held))
    as_what = f"{workers} with the role{'' if len(held) == 1 else 's'} {names}"
    lost, won = [item for item in before if item not in after], [item for item in after if item not in before]
    if lost:
        yield Breakage("workers_lose", "roles", names, count, ids, f"{as_what} may no longer {' and '.join(lost)}.")
    if won:
        yield Breakage("workers_gain", "roles", names, count, ids, f"{as_what} may then also {' and '.join(won)}.")


def _opened(held: Rights) -> list[str]:
    """What rights open, in words."""
    found = [word.replace("_", " ") for word in get_args(Permission) if word in held.may]
    return [*found, *(["see all patients"] if held.all_patients and "give_care" in held.may else [])]


@dataclass(frozen=True)
class _House:
    """The rows of one environment."""

    connection: Connection
    environment_id: int

    async def total(self, checks: Collection[_Check], since: datetime | None) -> int:
        return sum([await self.connection.fetchval(*self._rows(c, since, "count(*)")) for c in checks if c.models])

    async def check(self, check: _Check, checking: _Checking, since: datetime | None) -> None:
        if not check.models:
            return
        cursor = await self.connection.cursor(*self._rows(check, since, f"id, {check.name_column}, {check.json_column}"))
        while rows := await cursor.fetch(_BATCH):
            for row in rows:
                check.row(*row)
            checking.on(len(rows))

    def _rows(self, check: _Check, since: datetime | None, columns: str) -> tuple[Any, ...]:
        statement = f"SELECT {columns} FROM {check.table} WHERE environment_id = $1 AND {check.name_column} = ANY($2)"
        if since is None:
            return statement, self.environment_id, list(check.models)
        recent = f"{statement} AND updated_at >= $3::timestamptz - interval '{_LONGEST_WRITE} seconds'"
        return recent, self.environment_id, list(check.models), since

    async def phases(self, names: list[str], why: str) -> list[Breakage]:
        condition = "patients WHERE environment_id = $1 AND phase = ANY($2)"
        rows = await self._counted("phase", condition, names)
        return [
            Breakage("patients_in_phase", "phases", name, n, ids, f"{_many(n, 'patient')} in the phase {name}, {why}.")
            for name, n, ids in rows
        ]

    async def tasks(self, gone: list[str]) -> list[Breakage]:
        condition = "patient_tasks WHERE environment_id = $1 AND task_type = ANY($2) AND dismissed IS NOT TRUE"
        rows = await self._counted("task_type", condition, gone)
        return [
            Breakage("open_tasks", "tasks", name, n, ids, f"{_many(n, 'open task')} of {name}, which is gone.")
            for name, n, ids in rows
        ]

    async def begun(self, gone: list[str], names: Mapping[str, str]) -> list[Breakage]:
        """Forms that workers have begun to fill in; the ids are those of the patients."""
        condition = (
            "(SELECT spec_id, patient_id AS id FROM assessment_drafts WHERE environment_id = $1 AND spec_id = ANY($2)) AS begun"
        )
        rows = await self._counted("spec_id", condition, gone)
        text = "{} begun of {}, which is gone: they could not be sent any more."
        return [
            Breakage("begun_of_removed", "responses", names[key], n, ids, text.format(_many(n, "form"), names[key]))
            for key, n, ids in rows
        ]

    async def appointments(self, gone: list[str]) -> list[Breakage]:
        condition = (
            "calendar_events WHERE environment_id = $1 AND appointment_type = ANY($2) AND outcome IS DISTINCT FROM 'cancelled' "
            "AND (end_time > clock_timestamp() OR day >= current_date)"
        )
        rows = await self._counted("appointment_type", condition, gone)
        return [
            Breakage("appointments", "appointments", name, n, ids, f"{_many(n, 'appointment')} to come of {name}, which is gone.")
            for name, n, ids in rows
        ]

    async def several(self, single: set[str]) -> list[Breakage]:
        condition = (
            "(SELECT type_name, user_id AS id FROM custom_data_type_records WHERE environment_id = $1 AND type_name = ANY($2) "
            "GROUP BY type_name, user_id HAVING count(*) > 1) AS several"
        )
        rows = await self._counted("type_name", condition, sorted(single))
        text = "{} with several records of {}, of which there may be one."
        return [
            Breakage("several_records", "records", name, n, ids, text.format(_many(n, "patient"), name)) for name, n, ids in rows
        ]

    async def roles(self, before: ProgramDesign, after: ProgramDesign) -> list[Breakage]:
        """Workers left without a role, and those whose roles together open less than before, or more."""
        old, new = Program(roles=rights(before)), Program(roles=rights(after))
        changed = [name for name in dict.fromkeys((*old.roles, *new.roles)) if old.roles.get(name) != new.roles.get(name)]
        rows = await self.connection.fetch(
            f"SELECT roles, count(*), (array_agg(worker_id ORDER BY worker_id))[:{MOST_IDS}] FROM worker_accounts "
            "WHERE environment_id = $1 AND disabled_at IS NULL AND roles && $2 GROUP BY roles ORDER BY roles",
            *(self.environment_id, changed),
        )
        return [found for held, n, ids in rows for found in _of_workers(held, n, tuple(map(str, ids)), old, new)]

    async def _counted(self, name: str, condition: str, gone: list[str]) -> list[tuple[str, int, tuple[str, ...]]]:
        """By name, how many rows there are and the ids of the first."""
        if not gone:
            return []
        rows = await self.connection.fetch(
            f"SELECT {name}, count(*), (array_agg(id ORDER BY id))[:{MOST_IDS}] FROM {condition} GROUP BY {name} "
            f"ORDER BY array_position($2::text[], {name})",
            *(self.environment_id, gone),
        )
        return [(row[0], row[1], tuple(map(str, row[2]))) for row in rows]
