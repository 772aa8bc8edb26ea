"""Requests to be erased, which a second person decides; holds against it; and all that is known of
a person, as a file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from starlette.responses import Response

from almoner.access import worker_events
from almoner.access.actors import name_sql
from almoner.database import Connection
from almoner.erasure import erasure_requests, export, person
from almoner.erasure.erasure_requests import Erasure, Hold
from almoner.errors import problem
from almoner.pages.answer_audit import FilePart
from almoner.pages.filters import counted, moment
from almoner.pages.forms.inputs import Input, control
from almoner.pages.objects.views import Chip, ObjectRow, Offer, RowGroup, dotted
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.admin.object_pages import AdminPages
from almoner.portal.admin.withheld import withheld
from almoner.resources import BY_NAME, RESOURCES
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.kinds import Guid, Text

_PATH: Final = "/admin/personal-data"
_FOLDER: Final = "portal/admin_personal_data"
_ERASE: Final = "erase"
_WISH: Final = Choice(
    (_ERASE, "hold", "release", "export"),
    words=(
        (_ERASE, "Erase them: a second administrator confirms it"),
        ("hold", "Keep them from being erased, as while a court asks for the record"),
        ("release", "End that they are kept from being erased"),
        ("export", "Take out all that is known of them"),
    ),
)
_STATES: Final = {
    erasure_requests.WAITING: ("waits for a second person", "warn"),
    erasure_requests.ERASED: ("erased", ""),
    erasure_requests.REFUSED: ("refused", ""),
    erasure_requests.WITHDRAWN: ("withdrawn", ""),
}
_NAMES: Final = f"""
SELECT actor, {name_sql("actor")} FROM unnest($2::text[]) AS actor WHERE $1::int IS NOT NULL
"""


@dataclass(frozen=True)
class ErasureView:
    """An erasure as its page shows it. ``counts`` are the rows by what people call them: those that
    went, or those that are there."""

    erasure: Erasure
    asked_by: str
    decided_by: str
    counts: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class PersonPage:
    """What is known of a person, in numbers. ``holds`` keep them from being erased."""

    patient_id: str
    counts: Sequence[tuple[str, int]]
    holds: Sequence[Hold]


class PersonalDataPages(AdminPages[Erasure]):
    path = _PATH
    title = "Personal data"
    noun = "request"
    page_template = f"{_FOLDER}/erasure.html"
    submits = ("Go on", "")
    remarks = ("Name the patient by the id that stands in the address of the profile.", "")
    created = "It waits for another administrator, who confirms or refuses it here."
    offers_title = "What becomes of it"
    actions: ClassVar = {
        "approve": "The patient is erased. Followers of the data delete theirs as they read on.",
        "refuse": "It is ended, and nothing was erased.",
    }

    async def groups(self) -> Sequence[RowGroup]:
        listed = await erasure_requests.listed(self.connection, self.owner)
        waiting = [row for row in listed if row.state == erasure_requests.WAITING]
        names = await self._names([row.asked_by for row in listed])
        holds = await erasure_requests.holds(self.connection, self.owner)
        return [
            RowGroup(
                "Waiting",
                [self._row(row, names) for row in waiting],
                ("Nobody is to be erased", "What an administrator asks for stands here first."),
            ),
            RowGroup(
                "Decided",
                [self._row(row, names) for row in listed if row.state != erasure_requests.WAITING],
                ("Nobody was erased", "Of whom is erased, the id, the day and the reason stay."),
            ),
            RowGroup(
                "Kept from being erased",
                [
                    ObjectRow(
                        name=row.patient_id, path=f"{_PATH}/of/{row.patient_id}", lines=[row.reason]
                    )
                    for row in holds
                ],
                ("No record is kept so", "A hold forbids an erasure until somebody ends it."),
            ),
        ]

    async def find(self, key: str) -> Erasure:
        return await erasure_requests.find(self.connection, self.owner, key)

    def named(self) -> tuple[str, str]:
        return self.subject.id, f"Erasure of {self.subject.patient_id}"

    def unusable(self) -> str:
        is_waiting = self.subject.state == erasure_requests.WAITING
        return "" if is_waiting else "This does not wait any more: somebody has decided it."

    @cached_property
    def inputs(self) -> Sequence[Input]:
        return [
            control("patient", Guid(), "Patient", "An id of 36 characters.", required=True),
            control("wish", _WISH, "What they ask for", required=True),
            control("reason", Text(), "Why", "Without a name: it stays.", widget="textarea"),
        ]

    async def create(self) -> Response:
        patient, reason = self.values["patient"], self.values["reason"] or ""
        at = (self.connection, self.owner, patient)
        match self.values["wish"]:
            case "hold":
                await erasure_requests.hold(*at, reason, self.by)
            case "release":
                await erasure_requests.release(*at, self.by)
            case "export":
                return self.visit.go(f"{_PATH}/of/{patient}")
            case _:
                erasure_id = await erasure_requests.ask(*at, reason, self.by)
                return self.visit.go(f"{_PATH}/{erasure_id}?done=made")
        return self.visit.go(_PATH)

    async def beside(self) -> None:
        """The form stands by itself."""

    async def view(self) -> ErasureView:
        erasure = self.subject
        names = await self._names([erasure.asked_by, erasure.decided_by])
        rows = erasure.counts
        if erasure.state == erasure_requests.WAITING:
            records = await person.records(self.connection, self.owner, erasure.patient_id)
            rows = await export.counts(self.connection, self.owner, records)
        return ErasureView(
            erasure, names[erasure.asked_by], names[erasure.decided_by], _in_words(rows)
        )

    def offers(self, view: ErasureView) -> Iterable[Offer]:
        if self.subject.state != erasure_requests.WAITING:
            return
        if self.subject.asked_by == self.by.actor:
            about = "You asked for it, so that somebody else confirms it. You can withdraw it."
            yield Offer("refuse", "Waits for another administrator", about, "Withdraw")
            return
        number = sum(count for _, count in view.counts)
        yield Offer(
            "approve",
            "Erase the patient",
            "Every row about them goes, and what the logs hold of their values. The id stays, with"
            " who asked, who confirmed, when and why.",
            "Erase",
            question=(
                f"Erase this patient for good? {counted(number, 'row goes', 'rows go')}, and nobody"
                " can bring them back."
            ),
            yes="Erase for good",
        )
        yield Offer("refuse", "Refuse it", "Nothing is erased, and who asked sees it.", "Refuse")

    async def approve(self) -> None:
        await erasure_requests.approve(
            self.connection, self.owner, self.visit.parts.box, self.subject.id, self.by
        )

    async def refuse(self) -> None:
        await erasure_requests.refuse(self.connection, self.owner, self.subject.id, self.by)

    async def _names(self, actors: Sequence[str]) -> dict[str, str]:
        rows = await self.connection.fetch(_NAMES, self.owner, list(set(actors)))
        return dict(rows) | {worker_events.OPERATOR: "Whoever runs the server"}

    def _row(self, erasure: Erasure, names: dict[str, str]) -> ObjectRow:
        text, tone = _STATES[erasure.state]
        asked_at = moment(erasure.asked_at, self.visit.worker.timezone)
        return ObjectRow(
            name=erasure.patient_id,
            path=f"{_PATH}/{erasure.id}",
            lines=[erasure.reason, dotted(f"asked by {names[erasure.asked_by]}", asked_at)],
            chips=[Chip(text, tone)],
        )


async def show_person(visit: Visit) -> Response:
    """What is known of a person, in numbers, and the way to take it out."""
    _require_whole(visit)
    async with visit.connection() as connection:
        records = await _records(visit, connection)
        counts = await export.counts(connection, visit.environment_id, records)
        holds = await erasure_requests.holds(connection, visit.environment_id, records)
    page = PersonPage(records[0], _in_words(counts), holds)
    return visit.page(f"{_FOLDER}/person.html", page)


async def download(visit: Visit) -> Response:
    """All that is known of a person: a page for them, and JSON, in an archive."""
    _require_whole(visit)
    async with (
        visit.parts.database.apart() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        records = await _records(visit, connection)
        gathered = await export.gather(connection, visit.parts.box, visit.environment_id, records)
        about = f"patient:{records[0]}"
        await worker_events.changed(
            connection, visit.environment_id, "patient exported", visit.by, about
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{records[0]}.html", export.as_html(gathered))
        packed.writestr(f"{records[0]}.json", export.as_json(gathered))
    headers = {"Content-Disposition": f'attachment; filename="{records[0]}.zip"'}
    part = FilePart(archive.getvalue(), person.packed(records), "patients")
    return visit.file(part, headers, "application/zip", visit.actor, "portal")


def _require_whole(visit: Visit) -> None:
    for resource in RESOURCES:
        if why := withheld(visit.rights, resource):
            raise problem("forbidden", why)


async def _records(visit: Visit, connection: Connection) -> list[str]:
    records = await person.records(connection, visit.environment_id, visit.path("patient"))
    for record in records:
        visit.reads.subject(record)
    return records


def _in_words(counts: Any) -> list[tuple[str, int]]:
    return [
        (BY_NAME[name].things if name in BY_NAME else name.replace("_", " ").capitalize(), number)
        for name, number in counts.items()
    ]


ROUTES: Final = (
    PageRoute(f"{_PATH}/of/{{patient}}", show_person, may="administer"),
    PageRoute(f"{_PATH}/of/{{patient}}/download", download, may="administer"),
    *PersonalDataPages.routes(),
)
