"""What a change of the log did, field by field: from what to what, in the words of the forms and of the program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from almoner.portal import values
from almoner.portal.profile.flow_differences import flow_changes, flow_workers
from almoner.portal.records.values import in_words
from almoner.portal.values import Speaking
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Consent, Json
from almoner.workshop.design import Assessment, CustomDataType, FieldDesign

NOTHING: Final = "nothing"
LONGEST: Final = 160
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
    if resource in BY_NAME:
        yield from values.people(BY_NAME[resource].returned, *({path: value} for path, pair in raw.items() for value in pair))
    for goals in raw.get("care_flow.goals", ()):
        yield from flow_workers(goals or [])


def consent_of(resource: str, path: str) -> str:
    """What a field is the consent to (``SMS``, ``calls``), empty where it is none."""
    field = _field(resource, path)
    words = field.title if field is not None and isinstance(field.kind, Consent) else ""
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
        was, now = (values.in_words(field, value, speaking) or NOTHING for value in pair)
        consent = consent_of(resource, path)
        return FieldDifference(path, f"Consent to {consent}" if consent else field.title, was, now)
    name, _, key = path.partition(".")
    whole = _field(resource, name)
    # A field that holds an object is told by what is in it.
    if not key or whole is None or not isinstance(whole.kind, Json):
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


def _plain(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
