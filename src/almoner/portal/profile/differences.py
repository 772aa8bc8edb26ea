"""What a change of the log did, field by field: from what to what, in the words of the forms and of
the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from almoner.data_api.declare import PATIENT
from almoner.portal import values
from almoner.portal.profile.flow_differences import flow_changes, flow_workers
from almoner.portal.value_words import kind_in_words
from almoner.portal.values import Speaking
from almoner.resources import BY_NAME
from almoner.vocabulary.definitions import DataType
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Consent, Json
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import CustomDataType
from almoner.workshop.field_kinds import declared

NOTHING: Final = "nothing"
LONGEST: Final = 160
Design = Assessment | CustomDataType | DataType | None


@dataclass(frozen=True)
class FieldDifference:
    """A field that changed: what people call it, and both values in words. ``path`` is its name in
    the API.

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


def differences(
    resource: str, raw: Mapping[str, Any], design: Design, speaking: Speaking
) -> tuple[FieldDifference, ...]:
    """The differences of a change in the order of the declaration, without what the API does not
    show.
    """
    by_path = {
        path: _difference(resource, path, pair, design, speaking)
        for path, pair in raw.items()
        if path != "care_flow.goals"
    }
    changed = [
        difference
        for path in _ordered(resource, raw, design)
        if (difference := by_path.get(path)) is not None
    ]
    if "care_flow.goals" in raw:
        was, now = (goals or [] for goals in raw["care_flow.goals"])
        within = flow_changes(was, now, speaking)
        changed += [FieldDifference("care_flow.goals", *inside) for inside in within]
    return tuple(changed)


def people(resource: str, raw: Mapping[str, Any]) -> Iterator[str]:
    """The ids of workers and calendars in a change, whose names its words need."""
    if resource in BY_NAME:
        yield from values.people(
            BY_NAME[resource].returned,
            *({path: value} for path, pair in raw.items() for value in pair),
        )
    for goals in raw.get("care_flow.goals", ()):
        yield from flow_workers(goals or [])


def consent_of(resource: str, path: str) -> str:
    """What a field is the consent to (``SMS``, ``calls``), empty where it is none."""
    field = _field(resource, path)
    return (
        values.in_sentence(field.title)
        if field is not None and isinstance(field.kind, Consent)
        else ""
    )


def _ordered(resource: str, raw: Mapping[str, Any], design: Design) -> list[str]:
    order = [field.name for field in BY_NAME[resource].returned] if resource in BY_NAME else []
    inside = [field.name for field in _fields(design)]

    def place(path: str) -> tuple[int, int, str]:
        name, _, key = path.partition(".")
        return (
            order.index(name) if name in order else len(order),
            inside.index(key) if key in inside else len(inside),
            path,
        )

    return sorted(raw, key=place)


def _difference(
    resource: str, path: str, pair: list[Any], design: Design, speaking: Speaking
) -> FieldDifference | None:
    """A field that changed; None where it is none that the API shows."""
    field = _field(resource, path)
    if field is not None and field.kind == PATIENT:
        return FieldDifference(path, f"Now about {values.in_words(field, pair[1], speaking)}")
    if field is not None:
        was, now = (values.in_words(field, value, speaking) or NOTHING for value in pair)
        consent = consent_of(resource, path)
        return FieldDifference(path, f"Consent to {consent}" if consent else field.title, was, now)
    name, _, key = path.partition(".")
    whole = _field(resource, name)
    # A field that holds an object is told by what is in it.
    if not key or whole is None or not isinstance(whole.kind, Json):
        return None
    part = next((field for field in _fields(design) if field.name == key), None)
    kind = part.kind if part else None
    was, now = (kind_in_words(kind, value, speaking.zones) or NOTHING for value in pair)
    return FieldDifference(path, part.title if part else _plain(key), was, now)


def _field(resource: str, path: str) -> Field | None:
    if resource not in BY_NAME:
        return None
    return next((field for field in BY_NAME[resource].returned if field.name == path), None)


def _fields(design: Design) -> Sequence[Field]:
    if isinstance(design, DataType):
        return design.body.fields
    if design is None:
        return ()
    parts = design.questions if isinstance(design, Assessment) else design.fields
    return [declared(part) for part in parts]


def _plain(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
