"""The processes of an environment, in the version of the program that was in force at a moment."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import msgspec

from almoner.database import Connection
from almoner.database.open_environments import OPEN
from almoner.processes import events
from almoner.processes.events import Event
from almoner.workshop import published_programs
from almoner.workshop.process_design import GROUPS, Process, ProcessCondition
from almoner.workshop.published_programs import Outline

_VERSIONS: Final = """
SELECT version, published_at FROM programs WHERE environment_id = $1 ORDER BY version
"""
_ENVIRONMENTS: Final = f"""
SELECT p.environment_id, max(p.version) AS version FROM programs p WHERE {OPEN}
GROUP BY p.environment_id ORDER BY p.environment_id
"""


@dataclass(frozen=True)
class GuardedProcesses:
    """Processes that one condition keeps from acting where it does not hold, each with its place in
    the program; ``guard`` is None where they have none in common with others.
    """

    guard: ProcessCondition | None
    processes: tuple[tuple[int, Process], ...]


@dataclass(frozen=True)
class PublishedVersions:
    """The published versions of an environment, the oldest first, with when each came into
    force.
    """

    versions: tuple[int, ...]
    published_at: tuple[datetime, ...]
    outlines: tuple[Outline, ...]

    @property
    def newest(self) -> Outline:
        return self.outlines[-1]

    @property
    def have_processes(self) -> bool:
        """Whether any version has a process."""
        return any(outline.processes for outline in self.outlines)

    @property
    def since(self) -> datetime:
        """From when on a process may have been set off."""
        first = next(n for n, outline in enumerate(self.outlines) if outline.processes)
        return self.published_at[first]

    def at(self, moment: datetime) -> tuple[int, Outline] | None:
        """The version in force at a moment; None before the first."""
        place = bisect_right(self.published_at, moment)
        return None if place == 0 else (self.versions[place - 1], self.outlines[place - 1])

    @cached_property
    def awaited(self) -> frozenset[str]:
        """The kinds of event that a process of any version waits for once it was set off."""
        return frozenset(
            process.wait.awaited.event
            for outline in self.outlines
            for process in outline.processes
            if process.wait is not None and process.wait.awaited is not None
        )

    @cached_property
    def _by_trigger(self) -> tuple[dict[tuple[str, str], tuple[GuardedProcesses, ...]], ...]:
        """Of each version, the processes by the event that they wait for and what it is of."""
        versions = []
        for outline in self.outlines:
            by_trigger: dict[tuple[str, str], list[tuple[int, Process]]] = {}
            for place, process in enumerate(outline.processes):
                key = (str(process.when.event), events.narrowed(process.when))
                by_trigger.setdefault(key, []).append((place, process))
            versions.append({key: _guarded(each) for key, each in by_trigger.items()})
        return tuple(versions)

    def set_off_by(self, event: Event) -> tuple[GuardedProcesses, ...]:
        """The processes that an event sets off, of the version in force when it happened: found
        without a look at the others.
        """
        version = bisect_right(self.published_at, event.at)
        if version == 0:
            return ()
        by_trigger = self._by_trigger[version - 1]
        waiting = by_trigger.get((event.on, ""), ())
        return (*waiting, *by_trigger.get((event.on, event.of), ())) if event.of else waiting

    def since_when(self, process: Process) -> datetime:
        """From when on a process of the newest version has been in force as it is."""
        first = self.published_at[-1]
        for outline, moment in zip(
            reversed(self.outlines), reversed(self.published_at), strict=True
        ):
            if process_in(outline, process.name) != process:
                break
            first = moment
        return first

    def version_with(self, process: Process, moment: datetime) -> tuple[int, Outline] | None:
        """The version in force at a moment where it has the process just so, else None."""
        in_force = self.at(moment)
        if in_force is None or process_in(in_force[1], process.name) != process:
            return None
        return in_force


def _guarded(waiting: Iterable[tuple[int, Process]]) -> tuple[GuardedProcesses, ...]:
    """Processes by the condition that the most of them share, so that one that does not hold is
    looked at once for all of them.
    """
    required = {
        place: {
            msgspec.json.encode(condition): condition
            for condition in process.conditions.every
            if condition.of not in GROUPS
        }
        for place, process in waiting
    }
    shared = Counter(key for keys in required.values() for key in keys)
    guards: dict[bytes, ProcessCondition | None] = {}
    groups: dict[bytes, list[tuple[int, Process]]] = {}
    for place, process in waiting:
        key = max(required[place], key=lambda each: shared[each], default=b"")
        key = key if shared[key] > 1 else b""
        guards.setdefault(key, required[place].get(key))
        groups.setdefault(key, []).append((place, process))
    return tuple(GuardedProcesses(guards[key], tuple(each)) for key, each in groups.items())


async def newest_versions(connection: Connection) -> dict[int, int]:
    """The newest version of each environment's program."""
    return {row["environment_id"]: row["version"] for row in await connection.fetch(_ENVIRONMENTS)}


async def programs_of(connection: Connection, environment_id: int) -> PublishedVersions | None:
    """The published versions of an environment; None where there is none."""
    rows = await connection.fetch(_VERSIONS, environment_id)
    outlines = [
        await published_programs.outline_at(connection, environment_id, row["version"])
        for row in rows
    ]
    if not rows:
        return None
    return PublishedVersions(
        tuple(row["version"] for row in rows),
        tuple(row["published_at"] for row in rows),
        tuple(outline or Outline(name="") for outline in outlines),
    )


def process_in(outline: Outline, name: str) -> Process | None:
    """The process of this name; None where the program has none."""
    return next((each for each in outline.processes if each.name == name), None)


def titles_in(outline: Outline | None) -> dict[str, str]:
    """What people call the processes of a program, by their names."""
    processes = outline.processes if outline is not None else ()
    return {process.name: process.title or process.name for process in processes}


# What is looked at beyond where it must begin, since times in the log are not strictly in order.
MARGIN: Final = timedelta(hours=1)
