"""A change of the log in words: what was changed from what to what, by whom and through what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from almoner.access.actors import through
from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.portal.profile.differences import (
    NOTHING,
    Design,
    FieldDifference,
    consent_of,
    differences,
    people,
)
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.profile.timeline_line import LineChip, TimelineContext, TimelineLine
from almoner.portal.value_words import day
from almoner.portal.values import in_words, names_of
from almoner.resources import BY_NAME
from almoner.resources._consent_answers import UNDONE
from almoner.vocabulary.definitions import Program
from almoner.workshop.assessment_design import Assessment

_HOW: Final = {"voice": "by voice", "writing": "in writing", "digital": "digitally"}
# What does something without anybody who asked for it.
_BY_ITSELF: Final = ("integration", "process")
_TONES: Final = {"completed": "good", "cancelled": "", "no-show": "warn"}
# What tells when an appointment is, and by which of them it begins.
_WHEN: Final = {"start_time", "end_time", "day", "is_all_day"}
_BEGINS: Final = ("start_time", "day")


async def names_in(
    connection: Connection, environment_id: int, changes: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """The names of the workers of whom these changes tell, by their ids and by those of their
    calendars: one query, or none.
    """
    workers = (
        worker
        for change in changes
        for worker in people(change["resource"], change["differences"] or {})
    )
    return await names_of(connection, environment_id, workers)


def design_of(change: Mapping[str, Any], program: Program) -> tuple[str, str, int] | None:
    """The published design that the words of a change need; None where none does."""
    of = change["of"] or {}
    if (
        change["resource"] == "custom_data_type_records"
        and of.get("name") in program.custom_data_types
    ):
        return (
            "custom_data_type",
            of["name"],
            of["version"] or program.custom_data_types[of["name"]].version,
        )
    if change["resource"] == "assessment_responses" and of.get("name") in program.newest_specs:
        return "assessment", of["name"], of["version"] or program.newest_specs[of["name"]].version
    return None


def who(change: Mapping[str, Any]) -> str:
    """``by Emily Smith in the portal``, ``through the API by “ehr-sync”``."""
    if change["actor"].startswith("client:"):
        return f"{through(change['through'])} by “{change['name']}”"
    if change["through"] in _BY_ITSELF:
        return f"by the {change['through']} “{change['name']}”"
    if change["name"] == change["through"]:
        return through(change["through"])
    return f"by {change['name']} {through(change['through'])}"


def changed(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """The line of a change."""
    change = entry.details
    resource, raw = change["resource"], change["differences"] or {}
    key = design_of(change, reading.program)
    design = reading.designs.get(key) if key else None
    changed = differences(resource, raw, design, reading.speaking)
    if change["kind"] == "delete":
        titled = _in_the_title(resource)
        changed = tuple(
            FieldDifference(d.path, d.title, d.was) for d in changed if d.path not in titled
        )
    title, chips, details = _title(change, changed, design, reading)
    text = _received(change)
    if not changed and change["kind"] == "update":
        # Written before the log kept values.
        text = ", ".join(
            name.removesuffix("_id").replace("_", " ") for name in change["fields"] or ()
        )
    place = "" if change["kind"] == "delete" else _place(resource).format(id=change["row_id"])
    return TimelineLine(
        entry=entry,
        icon="pen",
        title=title,
        text=text,
        chips=chips,
        path=f"{reading.base}{place}" if place else "",
        whole_day=False,
        differences=details,
        by=who(change),
    )


def _title(
    change: Mapping[str, Any],
    changed: tuple[FieldDifference, ...],
    design: Design,
    reading: TimelineContext,
) -> tuple[str, tuple[LineChip, ...], tuple[FieldDifference, ...]]:
    """The title, what stands beside it, and the differences that they do not tell already."""
    resource, only = change["resource"], changed[0] if len(changed) == 1 else None
    name = _name(change, design, reading)
    if resource == "patients":
        patient = reading.program.terminology.get("patient", "patient")
        return (
            (f"{only.title} changed" if only else f"Details of the {patient} changed"),
            (),
            changed,
        )
    if change["kind"] == "delete":
        return f"{thing(resource)} removed{f' · {name}' if name else ''}", (), changed
    if only and consent_of(resource, only.path):
        consents = only.now == "given"
        return (
            f"{only.title} {'given' if consents else 'taken back'}",
            (LineChip(name),) if name else (),
            changed,
        )
    if only and only.path == "outcome" and only.now in _TONES:
        return f"{thing(resource)} ended · {name}", (LineChip(only.now, _TONES[only.now]),), ()
    if resource == "calendar_events" and changed and {each.path for each in changed} <= _WHEN:
        return f"{thing(resource)} moved · {name}", (), _moved(changed)
    if only and not only.was and not only.now:
        return f"{only.title} · {name}", (), ()
    return f"{name if design else f'{thing(resource)} {name}'.strip()} changed", (), changed


def _moved(changed: tuple[FieldDifference, ...]) -> tuple[FieldDifference, ...]:
    """From when to when: the beginnings, which may be a time on one side and a day as a whole on
    the other.
    """
    begins = [d for d in changed if d.path in _BEGINS]
    if not begins:
        return changed[:1]
    was = next((d.was for d in begins if d.was != NOTHING), NOTHING)
    now = next((d.now for d in begins if d.now != NOTHING), NOTHING)
    return (replace(begins[0], was=was, now=now),)


def _name(change: Mapping[str, Any], design: Design, reading: TimelineContext) -> str:
    """What is change of the row that was changed: a number, a title of the program; blank where
    nothing is known.
    """
    resource = change["resource"]
    if isinstance(design, Assessment):
        return change["of"]["title"] or design.name
    if design is not None:
        return design.title or design.name
    if resource not in BY_NAME:
        return ""
    declared = BY_NAME[resource]
    known = (change["of"] or {}).get("name") or (
        (change["differences"] or {}).get(declared.named) or [""]
    )[0]
    words = name_in_words(declared, known, reading)
    return f"“{words}”" if resource == "care_flows" and words else words


def thing(resource: str) -> str:
    """What people call a row of a collection, at the beginning of a title."""
    named = BY_NAME[resource].thing if resource in BY_NAME else resource
    return named[:1].upper() + named[1:]


def name_in_words(resource: Resource, name: Any, reading: TimelineContext) -> str:
    """What tells which row it is, as people read it: by the program's titles, or as the values of
    its field.
    """
    field = next((field for field in resource.stored if field.name == resource.named), None)
    return in_words(field, name, reading.speaking) if field else str(name or "")


def _in_the_title(resource: str) -> tuple[str, ...]:
    """The fields that the title of a removed row tells of, or that go without saying."""
    if resource not in BY_NAME:
        return ()
    return (BY_NAME[resource].named, *(BY_NAME[resource].any_reference or ()))


def _place(resource: str) -> str:
    return BY_NAME[resource].place if resource in BY_NAME else ""


def _received(change: Mapping[str, Any]) -> str:
    """How and on which day a consent was received, where the change is one and somebody recorded
    it.
    """
    received = change["received"]
    if not received:
        return ""
    if received["how"] == UNDONE:
        return "Taken back"
    how = _HOW.get(received["how"], received["how"])
    note = f" · {received['note']}" if received["note"] else ""
    return f"Received {how} on {day(date.fromisoformat(received['received_on']))}{note}"
