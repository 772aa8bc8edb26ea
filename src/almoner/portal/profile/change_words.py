"""A change of the log in words: what was changed from what to what, by whom and through what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from almoner.access.actors import through
from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.portal.profile.differences import NOTHING, Design, FieldDifference, consent_of, differences, people
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.profile.timeline_line import LineChip, TimelineContext, TimelineLine
from almoner.portal.records.values import day
from almoner.portal.values import in_words, names_of
from almoner.resources import BY_NAME
from almoner.vocabulary.definitions import Program
from almoner.workshop.design import Assessment

_HOW: Final = {"voice": "by voice", "writing": "in writing", "digital": "digitally"}
_TONES: Final = {"completed": "good", "cancelled": "", "no-show": "warn"}
# What tells when an appointment is, and by which of them it begins.
_WHEN: Final = {"start_time", "end_time", "day", "is_all_day"}
_BEGINS: Final = ("start_time", "day")


async def names_in(connection: Connection, environment_id: int, changes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the workers of whom these changes tell, by their ids and by those of their calendars: one query, or none."""
    wanted = (one for told in changes for one in people(told["resource"], told["differences"] or {}))
    return await names_of(connection, environment_id, wanted)


def design_of(told: Mapping[str, Any], program: Program) -> tuple[str, str, int] | None:
    """The published design that the words of a change need; None where none does."""
    of = told["of"] or {}
    if told["resource"] == "custom_data_type_records" and of.get("name") in program.custom_data_types:
        return "custom_data_type", of["name"], of["version"] or program.custom_data_types[of["name"]].version
    if told["resource"] == "assessment_responses" and of.get("name") in program.newest_specs:
        return "assessment", of["name"], of["version"] or program.newest_specs[of["name"]].version
    return None


def who(told: Mapping[str, Any]) -> str:
    """``by Emily Smith in the portal``, ``through the API by “ehr-sync”``."""
    if told["actor"].startswith("client:"):
        return f"{through(told['through'])} by “{told['name']}”"
    if told["name"] == told["through"]:
        return through(told["through"])
    return f"by {told['name']} {through(told['through'])}"


def changed(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """The line of a change."""
    told = entry.details
    resource, raw = told["resource"], told["differences"] or {}
    key = design_of(told, reading.program)
    design = reading.designs.get(key) if key else None
    found = differences(resource, raw, design, reading.speaking)
    if told["kind"] == "delete":
        said = _said_by_title(resource)
        found = tuple(FieldDifference(one.path, one.title, one.was) for one in found if one.path not in said)
    title, chips, shown = _title(told, found, design, reading)
    text = _received(told)
    if not found and told["kind"] == "update":
        # Written before the log kept values.
        text = ", ".join(name.removesuffix("_id").replace("_", " ") for name in told["fields"] or ())
    place = "" if told["kind"] == "delete" else _place(resource).format(id=told["row_id"])
    return TimelineLine(
        entry=entry,
        icon="pen",
        title=title,
        text=text,
        chips=chips,
        path=f"{reading.base}{place}" if place else "",
        whole_day=False,
        differences=shown,
        by=who(told),
    )


def _title(
    told: Mapping[str, Any], found: tuple[FieldDifference, ...], design: Design, reading: TimelineContext
) -> tuple[str, tuple[LineChip, ...], tuple[FieldDifference, ...]]:
    """The title, what stands beside it, and the differences that they do not tell already."""
    resource, one = told["resource"], found[0] if len(found) == 1 else None
    name = _name(told, design, reading)
    if resource == "patients":
        patient = reading.program.terminology.get("patient", "patient")
        return (f"{one.title} changed" if one else f"Details of the {patient} changed"), (), found
    if told["kind"] == "delete":
        return f"{thing(resource)} removed{f' · {name}' if name else ''}", (), found
    if one and consent_of(resource, one.path):
        given = one.now == "given"
        return f"{one.title} {'given' if given else 'taken back'}", (LineChip(name),) if name else (), found
    if one and one.path == "outcome" and one.now in _TONES:
        return f"{thing(resource)} ended · {name}", (LineChip(one.now, _TONES[one.now]),), ()
    if resource == "calendar_events" and found and {each.path for each in found} <= _WHEN:
        return f"{thing(resource)} moved · {name}", (), _moved(found)
    if resource == "external_ids":
        return f"Id in {name} changed", (), found
    if one and not one.was and not one.now:
        return f"{one.title} · {name}", (), ()
    return f"{name if design else f'{thing(resource)} {name}'.strip()} changed", (), found


def _moved(found: tuple[FieldDifference, ...]) -> tuple[FieldDifference, ...]:
    """From when to when: the beginnings, which may be a time on one side and a day as a whole on the other."""
    begins = [one for one in found if one.path in _BEGINS]
    if not begins:
        return found[:1]
    was = next((one.was for one in begins if one.was != NOTHING), NOTHING)
    now = next((one.now for one in begins if one.now != NOTHING), NOTHING)
    return (replace(begins[0], was=was, now=now),)


def _name(told: Mapping[str, Any], design: Design, reading: TimelineContext) -> str:
    """What is told of the row that was changed: a number, a title of the program; blank where nothing is known."""
    resource = told["resource"]
    if isinstance(design, Assessment):
        return told["of"]["title"] or design.name
    if design is not None:
        return design.title or design.name
    if resource not in BY_NAME:
        return ""
    declared = BY_NAME[resource]
    known = (told["of"] or {}).get("name") or ((told["differences"] or {}).get(declared.named) or [""])[0]
    words = name_in_words(declared, known, reading)
    return f"“{words}”" if resource == "care_flows" and words else words


def thing(resource: str) -> str:
    """What people call a row of a collection, at the beginning of a title."""
    named = BY_NAME[resource].thing if resource in BY_NAME else resource
    return named[:1].upper() + named[1:]


def name_in_words(resource: Resource, name: Any, reading: TimelineContext) -> str:
    """What tells which row it is, as people read it: by the program's titles, or as the values of its field."""
    field = next((field for field in resource.stored if field.name == resource.named), None)
    said = in_words(field, name, reading.speaking) if field else str(name or "")
    return reading.program.titles.get((resource.presented.titles, name), said)


def _said_by_title(resource: str) -> tuple[str, ...]:
    """The fields that the title of a removed row tells of, or that go without saying."""
    if resource not in BY_NAME:
        return ()
    return (BY_NAME[resource].named, *(BY_NAME[resource].any_reference or ()))


def _place(resource: str) -> str:
    return BY_NAME[resource].place if resource in BY_NAME else ""


def _received(told: Mapping[str, Any]) -> str:
    """How and on which day a consent was received, where the change is one and somebody recorded it."""
    received = told["received"]
    if not received:
        return ""
    how = _HOW.get(received["how"], received["how"])
    note = f" · {received['note']}" if received["note"] else ""
    return f"Received {how} on {day(date.fromisoformat(received['received_on']))}{note}"
