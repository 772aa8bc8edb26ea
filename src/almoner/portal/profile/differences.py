"""What a change of the log did, field by field: from what to what, in the words of the forms and of the program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.choices import ProgramChoice
from almoner.definitions import Program
from almoner.fields import Field
from almoner.kinds import Ref
from almoner.portal.contact.sections import DETAILS, EMAILS, IDS, PHONES
from almoner.portal.profile.flow_differences import flow_changes, flow_workers
from almoner.portal.records.values import Zones, day, in_words
from almoner.resources import BY_NAME
from almoner.times import IsoDate, IsoDateTime
from almoner.workshop.design import Assessment, CustomDataType, FieldDesign

NOTHING: Final = "nothing"
LONGEST: Final = 160
_SECTIONS: Final = {section.resource.name: section for section in (DETAILS, PHONES, EMAILS, IDS)}
_TITLES: Final = {
    ("calendar_events", "start_time"): "Starts",
    ("calendar_events", "end_time"): "Ends",
    ("patients", "coach_id"): "Coach",
    ("external_ids", "welkin_id"): "Whose id it is",
}
# The fields that hold an object, each told by what is in it.
_INSIDE: Final = {"custom_data_type_records": "body", "assessment_responses": "model"}
Design = Assessment | CustomDataType | None


@dataclass(frozen=True)
class FieldDifference:
    """A field that changed: what people call it, and both values in words. ``path`` is its name in the API.

    Without values the title tells all: ``Goal “Make a plan” added``.
    """

    path: str
    title: str
    was: str = ""
    now: str = ""

    @property
    def long(self) -> bool:
        """Whether the values are too long to be shown whole in a line."""
        return len(self.was) + len(self.now) > LONGEST


@dataclass(frozen=True)
class Speaking:
    """What values are put in words with. ``zones`` are whose clocks moments are told by; ``names`` are workers' names by their ids
    and by those of their calendars.
    """

    program: Program
    zones: Zones
    names: Mapping[str, str]
    patient_id: str


def differences(resource: str, raw: Mapping[str, Any], design: Design, speaking: Speaking) -> tuple[FieldDifference, ...]:
    """The differences of a change in the order of the declaration, without what the API does not show."""
    found = {path: _difference(resource, path, pair, design, speaking) for path, pair in raw.items() if path != "care_flow.goals"}
    told = [one for path in _ordered(resource, raw, design) if (one := found.get(path)) is not None]
    if "care_flow.goals" in raw:
        was, now = (goals or [] for goals in raw["care_flow.goals"])
        within = flow_changes(was, now, speaking.names, speaking.zones.patient)
        told += [FieldDifference("care_flow.goals", *one) for one in within]
    return tuple(told)


def people(resource: str, raw: Mapping[str, Any]) -> Iterator[str]:
    """The ids of workers and calendars in a change, whose names its words need."""
    for path, pair in raw.items():
        field = _field(resource, path)
        if field is not None and isinstance(field.kind, Ref) and field.kind.to in ("workers", "calendars"):
            yield from (value for value in pair if isinstance(value, str))
        elif path == "care_flow.goals":
            for goals in pair:
                yield from flow_workers(goals or [])


def consent_of(resource: str, path: str) -> str:
    """What a field is the consent to (``SMS``, ``calls``), empty where it is none."""
    section = _SECTIONS.get(resource)
    words = section.consents.get(path, "") if section else ""
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def _ordered(resource: str, raw: Mapping[str, Any], design: Design) -> list[str]:
    order = [field.name for field in BY_NAME[resource].returned] if resource in BY_NAME else []
    inside = [one.name for one in _fields(design)]

    def place(path: str) -> tuple[int, int, str]:
        name, _, key = path.partition(".")
        return (order.index(name) if name in order else len(order), inside.index(key) if key in inside else len(inside), path)

    return sorted(raw, key=place)


def _difference(resource: str, path: str, pair: list[Any], design: Design, speaking: Speaking) -> FieldDifference | None:
    """A field that changed; None where it is none that the API shows."""
    field = _field(resource, path)
    if field is not None:
        was, now = (_said(resource, field, value, speaking) for value in pair)
        return FieldDifference(path, _title(resource, field.name), was, now)
    name, _, key = path.partition(".")
    if not key or name not in (_INSIDE.get(resource), "care_flow"):
        return None
    part = next((one for one in _fields(design) if one.name == key), None)
    was, now = (in_words(part, value, speaking.zones) or NOTHING for value in pair)
    return FieldDifference(path, (part.label or part.name) if part else _plain(key), was, now)


def _field(resource: str, path: str) -> Field | None:
    if resource not in BY_NAME:
        return None
    return next((one for one in BY_NAME[resource].returned if one.name == path), None)


def _fields(design: Design) -> tuple[FieldDesign, ...]:
    if isinstance(design, Assessment):
        return design.questions
    return design.fields if design else ()


def _title(resource: str, name: str) -> str:
    consent = consent_of(resource, name)
    if consent:
        return f"Consent to {consent}"
    section = _SECTIONS.get(resource)
    known = _TITLES.get((resource, name)) or (section.titles.get(name) if section else None)
    return known or _plain(name.removesuffix("_id"))


def _plain(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _said(resource: str, field: Field, value: Any, speaking: Speaking) -> str:
    """A value of a field of the contract, in words."""
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, bool):
        if consent_of(resource, field.name):
            return "given" if value else "not given"
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in value)
    return _text(resource, field, value, speaking) if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(resource: str, field: Field, value: str, speaking: Speaking) -> str:
    kind = field.kind
    if isinstance(kind, ProgramChoice):
        return speaking.program.titles.get((kind.of, value), value)
    if isinstance(kind, Ref) and kind.to in ("workers", "calendars"):
        return speaking.names.get(value, "somebody who is not known any more")
    if field.name in ("user_id", "welkin_id"):
        return "this patient" if value == speaking.patient_id else "another one"
    if isinstance(kind, IsoDateTime):
        return speaking.zones.moment(kind.parse(value))
    if isinstance(kind, IsoDate):
        return day(kind.parse(value))
    section = _SECTIONS.get(resource)
    options = next((one.options for one in section.inputs if one.name == field.name), ()) if section else ()
    return dict(options).get(value, value)
