"""What the processes of a program name of other systems, whether the environment has it or not."""

from __future__ import annotations

from collections.abc import Mapping

from almoner.access.environments import is_for_tests
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.processes.lacking import Kind, needs
from almoner.workshop import drafts
from almoner.workshop.pages.automation.reading import published


async def named_by_processes(
    visit: Visit, connection: Connection, kind: Kind
) -> Mapping[str, list[str]]:
    """By each name of this kind, the titles of the processes that it stands in, as they are
    published and as they are drafted.
    """
    design, _ = await published(visit, connection)
    processes = list(design.processes)
    if not await is_for_tests(connection, visit.environment_id):
        processes += (await drafts.current(connection, visit.environment_id)).design.processes
    titles: dict[str, list[str]] = {}
    for process in processes:
        for need in needs(process):
            title, of = process.title or process.name, titles.setdefault(need.name, [])
            if need.kind == kind and title not in of:
                of.append(title)
    return {name: of for name, of in titles.items() if of}
