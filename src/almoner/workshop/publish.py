"""Publishing a program: an immutable, numbered version of the whole, and of each element that
changed.

What opens more to anybody is published by a second person who administers, or at the command line
(``access.grants``)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from almoner.access import worker_events
from almoner.access.grants import Grant, require, require_second_person, widened
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection
from almoner.errors import problem
from almoner.merging.three_way import same
from almoner.vocabulary.definitions import NO_RIGHTS, Program, Rights
from almoner.workshop.breakages import Report
from almoner.workshop.checks import DesignProblem, problems
from almoner.workshop.compare import Difference, compare, summary
from almoner.workshop.design import ProgramDesign
from almoner.workshop.dry_run import Progress, examine, unfollowed
from almoner.workshop.program_file import parse
from almoner.workshop.program_text import write
from almoner.workshop.published_programs import (
    Element,
    design_of,
    encoded,
    latest_elements,
    newest_version,
    outline_at,
    outline_of,
    rights,
)

# The first half of the advisory lock of an environment's publishing; its second half is the
# environment's id.
_LOCK: Final = 470265031
_APPROVE: Final = """
UPDATE publish_requests SET state = 'approved', decided_by = $3, decided_at = clock_timestamp()
WHERE environment_id = $1 AND number = $2 AND state = 'waiting' RETURNING true
"""
Key = tuple[str, str]
# Writes down, in the transaction of a publish, what comes of the version that it made.
Recording = Callable[[int], Awaitable[None]]


async def nothing_more(version: int) -> None:
    """What is recorded of a publish that is one by itself."""


@dataclass(frozen=True)
class Published:
    """What a publish led to. ``is_new`` is false where this was published already; nothing is
    written then.

    ``report`` is what it broke, with the publisher's leave.
    """

    version: int
    changes: tuple[Difference, ...]
    summary: str
    is_new: bool
    report: Report = field(default_factory=Report)


class UnfitDesign(Exception):  # noqa: N818  # it tells what happened
    """A design that cannot be published; ``problems`` are all that it has."""

    def __init__(self, problems: Collection[DesignProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class Breaks(Exception):  # noqa: N818  # it tells what happened
    """A publish that breaks something without leave: ``missing`` are the words that were not said.
    Nothing was published.
    """

    def __init__(self, report: Report, missing: Collection[str]) -> None:
        super().__init__(" ".join(b.sentence for b in report.breakages if b.word in missing))
        self.report = report
        self.missing = tuple(missing)


class Overtaken(Exception):  # noqa: N818  # it tells what happened
    """A publish over a version that its publisher has not seen: ``version`` went live meanwhile.
    Nothing was published.
    """

    def __init__(self, version: int) -> None:
        super().__init__(f"Version {version} went live meanwhile.")
        self.version = version


class Widens(Exception):  # noqa: N818  # it tells what happened
    """A publish that opens more to workers and waits for a second person; ``sentences`` say what.
    Nothing was published.
    """

    def __init__(self, sentences: tuple[str, ...]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True)
class RequestedPublish:
    """The request that a publish is the answer to: its number, and the actor who asked."""

    number: int
    by: str


@dataclass(frozen=True)
class _Submission:
    """What is to be published, and what is said of it."""

    design: ProgramDesign
    source: str
    by: str
    message: str
    is_file: bool
    granter: By
    asked: RequestedPublish | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()


async def publish(
    connection: Connection,
    environment_id: int,
    program: str | ProgramDesign,
    by: str,
    message: str = "",
    accepting: Collection[str] = frozenset(),
    progress: Progress = unfollowed,
    over: int | None = None,
    granter: By = AT_THE_TERMINAL,
    asked: RequestedPublish | None = None,
    recording: Recording = nothing_more,
) -> Published:
    """Publishes a program file, or a design, in an environment; ``by`` names who does it,
    ``message`` is what they say of it.

    ``granter`` is who does it and what they hold; with ``asked`` they approve of what somebody else
    asked for. What ``recording`` writes stands with the version or not at all, also where that was
    published already.

    What it breaks is found out first (``dry_run.examine``), and once more in the publishing
    transaction for what was written meanwhile. ``accepting`` are the words for what may break. Two
    publishes in one environment wait for each other; with ``over`` this is to replace that version
    (0: nothing), and no other. The connection must not be in a transaction: an examination may take
    a minute.

    Raises ProgramFileError, with every problem and its line, or Unfit where this holds no program
    that can be published; Breaks where it breaks what is not accepted; Overtaken where another
    version than ``over`` is live; Widens where it opens more to workers and nobody asked a second
    person yet; a 403 ``ApiError`` where this is no such person."""
    submission = _submission(program, by, message, granter, asked)
    while True:
        async with connection.transaction():
            known = await _already(connection, environment_id, submission)
            if known is not None:
                await recording(known.version)
                return known
        report = await examine(connection, environment_id, submission.design, progress)
        if over not in (None, report.version):
            raise Overtaken(report.version)
        _insist(report, accepting)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, environment_id)
            if await newest_version(connection, environment_id) != report.version:
                # Somebody published meanwhile: what this breaks is to be found out anew.
                continue
            _insist(
                await examine(connection, environment_id, submission.design, since=report.began_at),
                accepting,
            )
            before = await _roles_before(connection, environment_id, report.version)
            await _authorise(connection, environment_id, submission, before)
            published = await _write(connection, environment_id, submission, report, before)
            await recording(published.version)
            return published


def _submission(
    program: str | ProgramDesign, by: str, message: str, granter: By, asked: RequestedPublish | None
) -> _Submission:
    if isinstance(program, str):
        return _Submission(
            design=parse(program),
            source=program,
            by=by,
            message=message,
            is_file=True,
            granter=granter,
            asked=asked,
        )
    design_problems = problems(program)
    if design_problems:
        raise UnfitDesign(design_problems)
    return _Submission(
        design=program,
        source=write(program),
        by=by,
        message=message,
        is_file=False,
        granter=granter,
        asked=asked,
    )


async def _roles_before(
    connection: Connection, environment_id: int, version: int
) -> Mapping[str, Rights]:
    """The roles that are in force now: those that every program has where nothing is published
    yet.
    """
    outline = await outline_at(connection, environment_id, version)
    return (
        Program().roles
        if outline is None
        else rights(ProgramDesign(name=outline.name, roles=outline.roles))
    )


async def _authorise(
    connection: Connection,
    environment_id: int,
    submission: _Submission,
    before: Mapping[str, Rights],
) -> None:
    """In the publishing transaction: that whoever publishes may open what this opens. Raises
    Widens, or a 403 ``ApiError``.
    """
    holds = submission.granter.holds
    if submission.asked is not None:
        require_second_person(holds, submission.granter.actor, submission.asked.by)
        if not await connection.fetchval(
            _APPROVE, environment_id, submission.asked.number, submission.granter.actor
        ):
            raise problem(
                "bad_request",
                "This was decided meanwhile, or a newer one took its place. Look at what waits"
                " now.",
            )
    if holds.everything:
        return
    after = rights(submission.design)
    role_rows = await connection.fetch(
        "SELECT DISTINCT roles FROM worker_accounts WHERE environment_id = $1", environment_id
    )
    widenings = widened(before, after, [row["roles"] for row in role_rows])
    if widenings and submission.asked is None:
        # Nobody is cared for in a test environment: who administers the live one opens what they
        # like there.
        is_for_tests = await connection.fetchval(
            "SELECT test_of IS NOT NULL FROM environments WHERE id = $1", environment_id
        )
        if not (is_for_tests and holds.administers):
            raise Widens(widenings)
    if widenings:
        # A role that comes back opens itself again to whoever has it still.
        in_use = before.keys() | {name for row in role_rows for name in row["roles"]}
        for name in sorted(in_use & after.keys()):
            require(holds, Grant(rights=after[name], had=before.get(name, NO_RIGHTS)))


def _insist(report: Report, accepting: Collection[str]) -> None:
    missing = report.missing(accepting)
    if missing:
        raise Breaks(report, missing)


async def _already(
    connection: Connection, environment_id: int, submission: _Submission
) -> Published | None:
    """What there is to say where the newest version is this very file, or holds this very
    design.
    """
    last = await connection.fetchrow(
        "SELECT version, digest FROM programs WHERE environment_id = $1 ORDER BY version DESC"
        " LIMIT 1",
        environment_id,
    )
    if last is None:
        return None
    if last["digest"] != submission.digest and (
        submission.is_file
        or not same(await design_of(connection, environment_id, last["version"]), submission.design)
    ):
        return None
    return Published(
        last["version"],
        (),
        f"This is version {last['version']} already; nothing was published.",
        False,
    )


async def _write(
    connection: Connection,
    environment_id: int,
    submission: _Submission,
    report: Report,
    roles_before: Mapping[str, Rights],
) -> Published:
    version = 1 + report.version
    before = ProgramDesign(name=submission.design.name)
    if report.version:
        before = await design_of(connection, environment_id, report.version)
    changes = compare(before, submission.design)
    change_text = (
        summary(changes)
        if changes
        else "only comments or layout changed"
        if report.version
        else "a program without any parts"
    )
    await connection.execute(
        "INSERT INTO programs (environment_id, version, source, digest, summary, message,"
        " published_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(environment_id, version, submission.source, submission.digest),
        *(change_text, submission.message, submission.by),
    )
    await _write_elements(connection, environment_id, submission.design, version)
    await worker_events.changed(
        *(connection, environment_id, "program published", submission.granter),
        about=f"program:{version}",
        before=_rights_json(report.version, roles_before),
        after=_rights_json(version, rights(submission.design)),
        detail=f"asked for by {submission.by}" if submission.asked else "",
    )
    return Published(version, changes, change_text, True, report)


async def _write_elements(
    connection: Connection, environment_id: int, design: ProgramDesign, version: int
) -> None:
    """The elements that are not as their newest version is, and the outline of which versions the
    program has.
    """
    latest = await latest_elements(connection, environment_id)
    versions: dict[Key, int] = {}
    rows: list[tuple[str, str, int, Any]] = []
    for kind, key, element in _elements(design):
        number, known = latest.get((kind, key), (0, None))
        if known is None or not same(known, element):
            number += 1
            rows.append((kind, key, number, element))
        versions[kind, key] = number
    rows.append(("program", design.name, version, outline_of(design, versions)))
    await connection.executemany(
        "INSERT INTO program_elements (environment_id, kind, name, version, program_version,"
        " definition) VALUES ($1, $2, $3, $4, $5, $6)",
        [(environment_id, kind, name, n, version, encoded(value)) for kind, name, n, value in rows],
    )


def _rights_json(version: int, roles: Mapping[str, Rights]) -> dict[str, Any]:
    """What an event tells of a version: its number, and what each role opens."""
    return {"version": version} | {
        f"role {name}": {
            "may": sorted(role_rights.may),
            "patients": "all" if role_rights.all_patients else "own",
            "hidden": sorted(frozenset().union(*role_rights.hidden.values())),
            "second_factor": role_rights.second_factor,
        }
        for name, role_rights in roles.items()
    }


def _elements(design: ProgramDesign) -> Iterable[tuple[str, str, Element]]:
    yield from (("assessment", item.id, item) for item in design.assessments)
    yield from (("custom_data_type", item.name, item) for item in design.custom_data_types)
