"""How the engine does imports (``work.step.Handler``): each part is checked, written or taken back
in one transaction with the mark that it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from almoner.access.secrets import SecretBox
from almoner.data_api.batch_rows import BatchRequest
from almoner.data_api.declare import Row, Verb
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection, Database
from almoner.imports import checking, results, rows, undo
from almoner.imports.checking import Prepared
from almoner.imports.rows import (
    CHECK,
    FORGET,
    QUEUE,
    UNDO,
    WRITE,
    Checked,
    ImportPart,
    ImportRow,
    LikelyDuplicate,
    RowProblem,
)
from almoner.imports.sources import IMPORTED
from almoner.vocabulary.fields import Shape
from almoner.work import backoff
from almoner.work.step import DONE, FAILED, READY, Outcome, PlainHandler, Step, StepRun
from almoner_files import mapping
from almoner_files.mapping import Mapping as Columns

THROUGH: Final = "import"
ATTEMPTS: Final = 5
_LATER: Final = 3600.0
# What the store says came of a row, where it has a word of its own.
_OUTCOMES: Final = {"kept": "unchanged"}


class ImportHandler(PlainHandler):
    """Does the imports of every environment."""

    queue = QUEUE
    concurrency = 2

    def __init__(self, database: Database, store: Store, box: SecretBox) -> None:
        self._database = database
        self._store = store
        self._box = box

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        for step, outcome in settled:
            if step.name != FORGET and outcome.state in (DONE, FAILED):
                await rows.advance(connection, environment_id, step.job_id, step.name)

    async def run(self, run: StepRun) -> Outcome:
        step = run.step
        doing = {CHECK: self._check, WRITE: self._write, UNDO: self._undo, FORGET: self._forget}
        try:
            return await doing[step.name](run)
        except backoff.SESSION_ENDED:
            raise
        except Exception as error:
            backoff.log_fault("an import", error)
            return backoff.again(step, ATTEMPTS, Outcome(FAILED))

    async def _check(self, run: StepRun) -> Outcome:
        connection = await run.transaction()
        import_, part = await self._part(connection, run.step)
        if part is None:
            return Outcome(DONE)
        environment_id, resource = run.step.environment_id, IMPORTED[import_.collection]
        columns = _columns(import_)
        every = await checking.prepare(connection, environment_id, resource, columns, part.rows)
        every = [_repeated(each, columns, run.step.args["repeated"]) for each in every]
        unfit, prepared = _apart(every)
        problems = [problem for each in unfit for problem in each.problems]
        trial = (connection, self._store.within(connection), _actor(environment_id, import_))
        existing = checking.existing_of(import_.choices)
        tried = await checking.tried(*trial, resource, prepared=prepared, existing=existing)
        outcomes: list[tuple[int, str, str | None, Any]] = []
        new: list[Prepared] = []
        for each, row in zip(prepared, tried, strict=True):
            problems += checking.problems_of(resource, columns, each.source, row.problems)
            if row.outcome == "created":
                new.append(each)
            if row.outcome:
                outcome = _OUTCOMES.get(row.outcome, row.outcome)
                outcomes.append((each.source.line, outcome, None, None))
        problems += await checking.further_problems(
            *trial, resource, columns, unfit=unfit, existing=existing
        )
        outcomes += [(line, "refused", None, None) for line in {each.line for each in problems}]
        duplicates = (
            await checking.duplicates(connection, environment_id, new)
            if import_.collection == "patients"
            else []
        )
        duplicates += _alike(new, duplicates, run.step.args.get("alike", {}))
        problems.sort(key=lambda problem: problem.line)
        place = (environment_id, import_.id, part.place)
        await results.set_results(connection, *place, outcomes)
        await rows.set_checked(connection, self._box, *place, Checked(problems, duplicates))
        return Outcome(DONE)

    async def _write(self, run: StepRun) -> Outcome:
        connection = await run.transaction()
        import_, part = await self._part(connection, run.step)
        if part is None:
            return Outcome(DONE)
        environment_id, resource = run.step.environment_id, IMPORTED[import_.collection]
        columns = _columns(import_)
        checked = part.checked or Checked([], [])
        bad = {problem.line for problem in checked.problems}
        sources = [source for source in part.rows if source.line not in bad]
        every = await checking.prepare(connection, environment_id, resource, columns, sources)
        unfit, prepared = _apart(every)
        problems = [problem for each in unfit for problem in each.problems]
        outcomes: list[tuple[int, str, str | None, Any]] = []
        writing = _Writing(prepared, checked, import_)
        outcomes += [(line, "skipped", None, None) for line in writing.skipped]
        store, by = self._store.within(connection), _actor(environment_id, import_)
        existing = checking.existing_of(import_.choices)
        written = await checking.create_all(store, by, resource, writing.created, existing)
        changed = await checking.write_all(store, by, resource, writing.changes())
        tried = (*writing.created, *writing.changed)
        for each, row in zip(tried, (*written, *changed), strict=True):
            problems += checking.problems_of(resource, columns, each.source, row.problems)
            if row.written is not None:
                outcome = _OUTCOMES.get(row.outcome, row.outcome)
                moment = row.written.updated_at
                outcomes.append((each.source.line, outcome, row.written.id, moment))
        problems = sorted([*checked.problems, *problems], key=lambda problem: problem.line)
        refused = {problem.line for problem in problems}
        outcomes += [(line, "refused", None, None) for line in refused]
        place = (environment_id, import_.id, part.place)
        await results.set_results(connection, *place, outcomes)
        left = [source for source in part.rows if source.line in refused]
        await rows.keep_bad_rows(connection, self._box, *place, left, problems)
        return Outcome(DONE)

    async def _undo(self, run: StepRun) -> Outcome:
        connection = await run.transaction()
        environment_id = run.step.environment_id
        import_ = await rows.get(connection, environment_id, run.step.job_id)
        store, by = self._store.within(connection), _actor(environment_id, import_)
        resource = IMPORTED[import_.collection]
        place = run.step.args["part"]
        for result in await results.results(
            connection, environment_id, import_.id, place, ("created", "updated")
        ):
            outcome, note = "taken back", None
            try:
                async with connection.transaction():
                    await undo.take_back(connection, store, by, resource, result)
            except undo.KeptError as error:
                outcome, note = "left", str(error)
            await results.mark(
                connection, environment_id, import_.id, line=result.line, outcome=outcome, note=note
            )
        return Outcome(DONE)

    async def _forget(self, run: StepRun) -> Outcome:
        connection = await run.transaction()
        environment_id, import_id = run.step.environment_id, run.step.job_id
        import_ = await rows.get(connection, environment_id, import_id)
        if import_.is_under_way:
            return Outcome(READY, wait=_LATER)
        if await rows.is_old(connection, environment_id, import_id):
            await rows.forget(connection, environment_id, import_id)
        return Outcome(DONE)

    async def _part(
        self, connection: Connection, step: Step
    ) -> tuple[ImportRow, ImportPart | None]:
        environment_id, import_id = step.environment_id, step.job_id
        import_ = await rows.get(connection, environment_id, import_id)
        place = step.args["part"]
        return import_, await rows.part(connection, self._box, environment_id, import_id, place)


def _repeated(each: Prepared, columns: Columns, repeated: Mapping[str, int]) -> Prepared:
    """The row, with the problem that an earlier line has its id where one does."""
    first = repeated.get(str(each.source.line))
    if first is None:
        return each
    column, reason = columns.identified_by or "", f"line {first} has the same id"
    problem = RowProblem(each.source.line, column, reason)
    return replace(each, problems=(*each.problems, problem))


def _alike(
    new: Sequence[Prepared],
    duplicates: Sequence[LikelyDuplicate],
    alike: Mapping[str, tuple[int, str]],
) -> list[LikelyDuplicate]:
    """The new rows that are likely somebody of whom an earlier line is, and nobody who is here."""
    here = {each.line for each in duplicates}
    lines = [each.source.line for each in new if each.source.line not in here]
    return [
        LikelyDuplicate(line, "", why, earlier)
        for line in lines
        if str(line) in alike
        for earlier, why in [alike[str(line)]]
    ]


def _apart(rows: Sequence[Prepared]) -> tuple[list[Prepared], list[Prepared]]:
    """The rows with something wrong in them, and the others."""
    return [each for each in rows if each.problems], [each for each in rows if not each.problems]


class _Writing:
    """What is done with each row of a part: created, made a change of who is here, or skipped."""

    def __init__(self, prepared: Sequence[Prepared], checked: Checked, import_: ImportRow) -> None:
        self.created: list[Prepared] = []
        self.changed: list[Prepared] = []
        self.skipped: list[int] = []
        self._here = {each.line: each.patient_id for each in checked.duplicates}
        for each in prepared:
            line = each.source.line
            choice = checking.choice_of(import_.choices, line) if line in self._here else "create"
            if choice == "create":
                self.created.append(each)
            elif choice == "update" and self._here[line]:
                self.changed.append(each)
            else:
                self.skipped.append(line)

    def changes(self) -> BatchRequest:
        """The updates of those who are here."""
        # What a Create alone takes, such as a first phone number, is no part of a change.
        fields = {field.name for field in IMPORTED["patients"].fields if field.update}
        bodies: list[Row] = [
            {name: value for name, value in each.body.items() if name in fields}
            | {"id": self._here[each.source.line]}
            for each in self.changed
        ]
        return BatchRequest(verb=Verb.UPDATE, rows=bodies, shape=Shape.STORED, atomic=False)


def _columns(import_: ImportRow) -> Columns:
    assert import_.columns is not None
    return mapping.of_values(import_.columns)


def _actor(environment_id: int, import_: ImportRow) -> Actor:
    actor = f"worker:{import_.worker_id}"
    return Actor(environment_id, actor, THROUGH, import_.id, whole=True)
