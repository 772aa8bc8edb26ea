"""The dry run of a state of the draft against what is live, as work in the background."""

from __future__ import annotations

from dataclasses import dataclass

from almoner.database import Database
from almoner.workshop.breakages import WORDS, Breakage, Report
from almoner.workshop.design import ProgramDesign
from almoner.workshop.dry_run import examine
from almoner.workshop.pages.runs import RUNS, Progress, Run


@dataclass(frozen=True)
class Subject:
    """What is examined: a revision of the draft, against the version that was live when that
    began.
    """

    revision: int
    live_version: int


@dataclass(frozen=True)
class BreakageKind:
    """What breaks of one kind: the word that accepts it, what that stands for, and each thing that
    breaks.
    """

    word: str
    title: str
    count: int
    breakages: tuple[Breakage, ...]


def begin(database: Database, environment_id: int, subject: Subject, design: ProgramDesign) -> Run:
    """Begins the examination of a design without problems. Raises UnavailableError where too much
    is under way.
    """

    async def work(progress: Progress) -> Report:
        async with database.connection() as connection:
            return await examine(connection, environment_id, design, progress)

    return RUNS.begin(database, environment_id, subject, work)


def kinds(report: Report) -> tuple[BreakageKind, ...]:
    """What breaks, by the word that accepts it."""
    kinds_of_breakage = []
    for word in report.words:
        breakages = tuple(breakage for breakage in report.breakages if breakage.word == word)
        kinds_of_breakage.append(
            BreakageKind(word, WORDS[word], sum(b.count for b in breakages), breakages)
        )
    return tuple(kinds_of_breakage)
