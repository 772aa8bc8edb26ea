"""Publishing a program: an immutable, numbered version of the whole, and of each element that changed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from almoner.database import Connection
from almoner.workshop.breakages import Progress, Report, examine, unfollowed
from almoner.workshop.checks import DesignProblem, problems
from almoner.workshop.compare import Difference, compare, summary
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pairing import same
from almoner.workshop.program_file import parse
from almoner.workshop.program_text import write
from almoner.workshop.published import Element, design_of, encoded, latest_elements, newest_version, outline_of

# The first half of the advisory lock of an environment's publishing; its second half is the environment's id.
_LOCK: Final = 470265031
Key = tuple[str, str]


@dataclass(frozen=True)
class Published:
    """What a publish led to. ``is_new`` is false where this was published already; nothing is written then.

    ``report`` is what it broke, with the publisher's leave.
    """

    version: int
    changes: tuple[Difference, ...]
    summary: str
    is_new: bool
    report: Report = field(default_factory=Report)


class Unfit(Exception):  # noqa: N818  # it tells what happened
    """A design that cannot be published; ``problems`` are all that it has."""

    def __init__(self, found: Collection[DesignProblem]) -> None:
        super().__init__("; ".join(map(str, found)))
        self.problems = tuple(found)


class Breaks(Exception):  # noqa: N818  # it tells what happened
    """A publish that breaks something without leave: ``missing`` are the words that were not said. Nothing was published."""

    def __init__(self, report: Report, missing: Collection[str]) -> None:
        super().__init__(" ".join(b.sentence for b in report.breakages if b.word in missing))
        self.report = report
        self.missing = tuple(missing)


class Overtaken(Exception):  # noqa: N818  # it tells what happened
    """A publish over a version that its publisher has not seen: ``version`` went live meanwhile. Nothing was published."""

    def __init__(self, version: int) -> None:
        super().__init__(f"Version {version} went live meanwhile.")
        self.version = version


@dataclass(frozen=True)
class _Given:
    """What is to be published, and what is said of it."""

    design: ProgramDesign
    source: str
    by: str
    message: str
    is_file: bool

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
) -> Published:
    """Publishes a program file, or a design, in an environment; ``by`` names who does it, ``message`` is what they say of it.

    What it breaks is found out first (``breakages.examine``), and once more in the publishing transaction for what was written
    meanwhile. ``accepting`` are the words for what may break. Two publishes in one environment wait for each other; with ``over``
    this is to replace that version (0: nothing), and no other. The connection must not be in a transaction: an examination may
    take a minute.

    Raises ProgramFileError, with every problem and its line, or Unfit where this holds no program that can be published;
    Breaks where it breaks what is not accepted; Overtaken where another version than ``over`` is live.
    """
    given = _given(program, by, message)
    while True:
        known = await _already(connection, environment_id, given)
        if known is not None:
            return known
        report = await examine(connection, environment_id, given.design, progress)
        if over not in (None, report.version):
            raise Overtaken(report.version)
        _insist(report, accepting)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, environment_id)
            if await newest_version(connection, environment_id) != report.version:
                # Somebody published meanwhile: what this breaks is to be found out anew.
                continue
            _insist(await examine(connection, environment_id, given.design, since=report.began_at), accepting)
            return await _write(connection, environment_id, given, report)


def _given(program: str | ProgramDesign, by: str, message: str) -> _Given:
    if isinstance(program, str):
        return _Given(parse(program), program, by, message, True)
    found = problems(program)
    if found:
        raise Unfit(found)
    return _Given(program, write(program), by, message, False)


def _insist(report: Report, accepting: Collection[str]) -> None:
    missing = report.missing(accepting)
    if missing:
        raise Breaks(report, missing)


async def _already(connection: Connection, environment_id: int, given: _Given) -> Published | None:
    """What there is to say where the newest version is this very file, or holds this very design."""
    last = await connection.fetchrow(
        "SELECT version, digest FROM programs WHERE environment_id = $1 ORDER BY version DESC LIMIT 1", environment_id
    )
    if last is None:
        return None
    if last["digest"] != given.digest and (
        given.is_file or not same(await design_of(connection, environment_id, last["version"]), given.design)
    ):
        return None
    return Published(last["version"], (), f"This is version {last['version']} already; nothing was published.", False)


async def _write(connection: Connection, environment_id: int, given: _Given, report: Report) -> Published:
    version = 1 + report.version
    latest = await latest_elements(connection, environment_id)
    versions: dict[Key, int] = {}
    fresh: list[tuple[str, str, int, Any]] = []
    for kind, key, element in _elements(given.design):
        number, known = latest.get((kind, key), (0, None))
        if known is None or not same(known, element):
            number += 1
            fresh.append((kind, key, number, element))
        versions[kind, key] = number
    before = ProgramDesign(name=given.design.name)
    if report.version:
        before = await design_of(connection, environment_id, report.version)
    changes = compare(before, given.design)
    told = summary(changes) if changes else "only comments or layout changed" if report.version else "a program without any parts"
    await connection.execute(
        "INSERT INTO programs (environment_id, version, source, digest, summary, message, published_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(environment_id, version, given.source, given.digest, told, given.message, given.by),
    )
    rows = [*fresh, ("program", given.design.name, version, outline_of(given.design, versions))]
    await connection.executemany(
        "INSERT INTO program_elements (environment_id, kind, name, version, program_version, definition) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [(environment_id, kind, name, n, version, encoded(value)) for kind, name, n, value in rows],
    )
    return Published(version, changes, told, True, report)


def _elements(design: ProgramDesign) -> Iterable[tuple[str, str, Element]]:
    yield from (("assessment", item.id, item) for item in design.assessments)
    yield from (("custom_data_type", item.name, item) for item in design.custom_data_types)
