"""What the pages of processes read: the program, and whether the visitor may see of whom it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.objects.views import Link
from almoner.pages.visit import Visit
from almoner.processes.lacking import Need
from almoner.workshop import published_programs
from almoner.workshop.design import ProgramDesign
from almoner.workshop.process_design import Process
from almoner.workshop.titles import Titles, titles_in

PATH: Final = "/workshop/automation"
# Where what is lacking is set, with the right that opens it.
_SET_AT: Final = {
    "hook": ("/workshop/process-hooks/{}", "integrate", "Open it"),
    "webhook": ("/workshop/process-webhooks/{}/edit", "integrate", "Declare it"),
    "role": ("/admin/workers", "administer", "Workers"),
}


def sees_patients(visit: Visit) -> bool:
    """Whether the visitor may open the records of all patients, and read what is in them."""
    rights = visit.rights
    hides = rights.hidden_assessments or rights.hidden_data
    return "give_care" in rights.may and rights.all_patients and not hides


async def published(visit: Visit, connection: Connection) -> tuple[ProgramDesign, Titles]:
    """The published program; an empty one where there is none."""
    version = await published_programs.newest_version(connection, visit.environment_id)
    design = (
        await published_programs.design_of(connection, visit.environment_id, version)
        if version
        else ProgramDesign(name="")
    )
    return design, titles_in(design)


def named(design: ProgramDesign, name: str) -> Process:
    """Raises a 404 ApiError."""
    process = next((each for each in design.processes if each.name == name), None)
    if process is None:
        raise problem(
            "not_found", "The program has no such process. Publish the draft, or try its process."
        )
    return process


def lacking_links(visit: Visit, lacking: Iterable[Need]) -> list[tuple[str, Link | None]]:
    """What is lacking, as sentences, each with the way to where the visitor may set it."""
    links: list[tuple[str, Link | None]] = []
    for need in lacking:
        path, may, text = _SET_AT[need.kind]
        link = Link(path.format(quote(need.name)), text, need.name)
        links.append((need.text, link if may in visit.rights.may else None))
    return links
