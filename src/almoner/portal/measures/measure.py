"""What can be measured of a patient: the score of an assessment, the answer to a question, a field
of a record, or one of the patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.profile.published_designs import designs
from almoner.resources.patients import patients
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.definitions import DataType, Program
from almoner.vocabulary.fields import Field
from almoner.vocabulary.numbers import Integer, Number
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.goal_target import PATIENT

_PARTS: Final = ("of", "field", "choice")


@dataclass(frozen=True)
class Measure:
    """A number about patients, as the target of a goal and a card of the profile name it: ``of`` is
    the id of an assessment, the name of a custom data type, or ``patient``; without a ``field`` it
    is the score. ``choice``: of the records that are of this alone.
    """

    of: str
    field: str = ""
    choice: str = ""

    @classmethod
    def of_target(cls, target: Mapping[str, Any]) -> Measure:
        """What the target of a goal is measured by."""
        return cls(*(target.get(name) or "" for name in _PARTS))

    @property
    def key(self) -> str:
        """The measure as a form sends it."""
        return msgspec.json.encode([self.of, self.field, self.choice]).decode()

    @classmethod
    def of_key(cls, key: str) -> Measure:
        """What a form sent as ``key``."""
        return cls(*msgspec.json.decode(key, type=tuple[str, str, str]))


def is_readable(visit: Visit, measure: Measure) -> bool:
    """Whether the visitor's role shows the numbers."""
    rights = visit.rights
    return measure.of not in rights.hidden_assessments and measure.of not in rights.hidden_data


def title(program: Program, measure: Measure) -> str:
    """What people read for a measure; its name where the program has it no more."""
    if measure.of == PATIENT:
        return _titled(patients.fields, measure.field)
    if measure.of in program.newest_specs:
        spec = program.newest_specs[measure.of]
        field = _titled(spec.model.fields, measure.field) if measure.field else "score"
        return f"{spec.name}: {field}"
    if measure.of in program.custom_data_types:
        data_type = program.custom_data_types[measure.of]
        choice = _choice_in_words(data_type, measure.choice)
        if choice and len(list(numbers(data_type.body.fields))) == 1:
            return f"{data_type.title or data_type.name}: {choice}"
        field = _titled(data_type.body.fields, measure.field)
        words = " ".join(filter(None, (choice, field)))
        return f"{data_type.title or data_type.name}: {words}"
    return " ".join(filter(None, (measure.of, measure.choice, measure.field)))


def _choice_in_words(data_type: DataType, choice: str) -> str:
    coded_by = choosing(data_type)
    kind = coded_by.kind if coded_by else None
    return kind.in_words(choice) if isinstance(kind, Choice) and choice else choice


def rows(visit: Visit, measure: Measure) -> str:
    """Where all values of a measure are, behind the address of a patient."""
    if measure.of in visit.program.custom_data_types:
        only = f"&only={quote(measure.choice)}" if measure.choice else ""
        return f"/records?type={quote(measure.of)}{only}"
    return "/assessments" if measure.of in visit.program.newest_specs else "?show=changes"


def _titled(fields: Iterable[Field], name: str) -> str:
    return next((field.title for field in fields if field.name == name), name)


def numbers(fields: Iterable[Field]) -> Iterator[Field]:
    """The fields that are numbers."""
    return (field for field in fields if isinstance(field.kind, Integer | Number))


def choosing(data_type: DataType) -> Field | None:
    """The field that says what the numbers of a record are of (``goal_target.choosing``)."""
    return next(
        (f for f in data_type.body.fields if isinstance(f.kind, Choice) and f.required), None
    )


async def choices(visit: Visit, connection: Connection) -> list[tuple[str, str]]:
    """All that the visitor can measure by: as a form sends it, and in words."""
    return [
        (measure.key, title(visit.program, measure))
        for measure in [
            *(await _of_assessments(visit, connection)),
            *_of_records(visit),
            *(Measure(PATIENT, field.name) for field in numbers(patients.stored) if field.returned),
        ]
        if is_readable(visit, measure)
    ]


async def _of_assessments(visit: Visit, connection: Connection) -> list[Measure]:
    specs = visit.program.newest_specs.values()
    published = await designs(
        connection, visit.environment_id, [("assessment", spec.id, spec.version) for spec in specs]
    )
    measures = []
    for spec in specs:
        design = published.get(("assessment", spec.id, spec.version))
        if isinstance(design, Assessment) and design.scoring is not None:
            measures.append(Measure(spec.id))
        measures += [Measure(spec.id, field.name) for field in numbers(spec.model.fields)]
    return measures


def _of_records(visit: Visit) -> Iterator[Measure]:
    for name, data_type in visit.program.custom_data_types.items():
        coded_by = choosing(data_type)
        kind = coded_by.kind if coded_by else None
        for field in numbers(data_type.body.fields):
            for choice in kind.values if isinstance(kind, Choice) else ("",):
                yield Measure(name, field.name, choice)
