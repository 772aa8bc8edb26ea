"""What a panel can show, sort and filter by: what every program has, and what this one has
designed, as far as the visitor's role shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from almoner.database import Connection
from almoner.figures import rows
from almoner.figures.rows import consent_to, score_of, value_of
from almoner.pages.visit import Visit
from almoner.portal.profile.published_designs import designs
from almoner.portal.workers import Worker
from almoner.resources._contact_channels import CONTACT_CHANNELS
from almoner.resources._entered_in_error import HOLDS
from almoner.resources.patients import NAME_ORDER, patients
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.consent_words import Answer
from almoner.vocabulary.definitions import Program, Rights
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Boolean, Text
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.numbers import Integer, Number
from almoner.vocabulary.times import IsoDate
from almoner.workshop.assessment_design import Assessment

ME: Final = "me"
NOBODY: Final = "nobody"
_YES_NO: Final = (("true", "Yes"), ("false", "No"))
# What is asked of a value, by what sort it is of: the name of a test, and its words around a value.
Sort = Literal["choice", "text", "number", "share", "past", "ahead", "late"]
TESTS: Final[Mapping[Sort, Mapping[str, str]]] = {
    "choice": {"is": "is", "not": "is not", "any": "has a value", "none": "has no value"},
    "text": {"is": "is", "not": "is not", "any": "has a value", "none": "has no value"},
    "number": {
        "least": "is at least",
        "most": "is at most",
        "is": "is",
        "any": "has a value",
        "none": "has no value",
    },
    "share": {
        "least": "is at least (percent)",
        "most": "is at most (percent)",
        "any": "has a value",
        "none": "has no value",
    },
    "past": {
        "within": "in the last (days)",
        "before": "longer ago than (days)",
        "any": "was ever",
        "none": "was never",
    },
    "ahead": {"within": "within the next (days)", "any": "is booked", "none": "is not booked"},
    "late": {
        "least": "late by at least (days)",
        "most": "late by at most (days)",
        "any": "is due",
        "none": "is not due",
    },
}
WITHOUT_VALUE: Final = ("any", "none")
_NEWEST_ANSWER: Final = f"""
(SELECT r.model ->> '{{field}}' FROM assessment_responses r WHERE r.environment_id = $1
AND r.user_id = p.id AND r.spec_id = '{{assessment}}' AND r.{HOLDS}
ORDER BY r.created_at DESC, r.id DESC LIMIT 1)
"""


@dataclass(frozen=True, kw_only=True)
class PanelColumn:
    """A column. ``group`` is what it is offered under.

    It is a figure (``figures.rows``), of which ``part`` is looked at, or else ``sql`` says it of a
    patient ``p``. ``keys`` are what it is sorted by, where that is no figure; ``choices`` are the
    values that it can have, with their words. ``in_table`` is false for what is only filtered by.
    """

    key: str
    title: str
    group: str
    sort: Sort
    figure: str = ""
    part: Literal["number", "word"] = "number"
    sql: str = ""
    keys: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    in_table: bool = True

    @property
    def may_sort(self) -> bool:
        """Whether there is an order by it."""
        return bool(self.figure or self.keys)

    @property
    def tests(self) -> Mapping[str, str]:
        """What can be asked of it, by name."""
        return TESTS[self.sort]

    def word_of(self, value: str) -> str:
        """What people read for one of its values."""
        return dict(self.choices).get(value, value)


Columns = Mapping[str, PanelColumn]


async def columns(
    visit: Visit, connection: Connection, coaches: Iterable[Worker] = ()
) -> dict[str, PanelColumn]:
    """All that the visitor may choose from, by key, in the order in which it is offered.
    ``coaches`` are those that can be filtered by.
    """
    program, rights = visit.program, visit.rights
    specs = [
        spec
        for spec_id, spec in program.newest_specs.items()
        if spec_id not in rights.hidden_assessments
    ]
    keys = [("assessment", spec.id, spec.version) for spec in specs]
    published = await designs(connection, visit.environment_id, keys)
    assessments = [design for design in published.values() if isinstance(design, Assessment)]
    listed = [
        *_of_patients(program, coaches),
        *_of_care(),
        *(column for design in assessments for column in _of_scores(design)),
        *_of_records(program, rights),
        *_of_details(),
        *_of_consents(),
        *(
            column
            for spec in specs
            for column in _of_answers(spec.id, spec.name, spec.model.fields)
        ),
    ]
    return {column.key: column for column in listed}


def _of_patients(program: Program, coaches: Iterable[Worker]) -> Iterator[PanelColumn]:
    phases = tuple((name, program.title("phases", name)) for name in program.phases)
    group = "Patient"
    yield PanelColumn(
        key="name",
        title="Name",
        group=group,
        sort="text",
        sql=full_name_sql("p"),
        keys=(NAME_ORDER, "id"),
    )
    yield PanelColumn(
        key="phase",
        title="Phase",
        group=group,
        sort="choice",
        sql="p.phase",
        keys=("phase", NAME_ORDER, "id"),
        choices=phases,
    )
    yield PanelColumn(
        key="coach",
        title="Coach",
        group=group,
        sort="choice",
        sql="p.coach_id::text",
        keys=("coach_id", NAME_ORDER, "id"),
        choices=((ME, "me"), (NOBODY, "nobody"), *(coach.choice for coach in coaches)),
    )
    yield PanelColumn(
        key="added",
        title="Added",
        group=group,
        sort="past",
        sql="extract(epoch FROM p.created_at)",
        keys=("created_at", "id"),
    )


def _of_care() -> Iterator[PanelColumn]:
    listed: tuple[tuple[str, str, Sort, str], ...] = (
        ("last_contact", "Last contact", "past", rows.LAST_CONTACT),
        ("next", "Next contact", "ahead", rows.NEXT),
        ("due", "Due", "late", rows.DUE),
        ("flow", "Care flow", "share", rows.FLOW),
        ("tasks", "Open tasks", "number", rows.TASKS),
        ("team_tasks", "Team tasks", "number", rows.TEAM_TASKS),
        ("unread", "Unread messages", "number", rows.UNREAD_MESSAGES),
        ("waiting", "Waiting for an answer since", "past", rows.WAITING),
        ("no_show", "Last no-show", "past", rows.NO_SHOW),
    )
    for key, title, sort, figure in listed:
        yield PanelColumn(key=key, title=title, group="Care", sort=sort, figure=figure)


def _of_scores(design: Assessment) -> Iterator[PanelColumn]:
    if design.scoring is None:
        return
    figure = score_of(design.id)
    yield PanelColumn(
        key=figure, title=f"{design.name}: score", group="Scores", sort="number", figure=figure
    )
    if design.scoring.bands:
        yield PanelColumn(
            key=f"band.{design.id}",
            title=f"{design.name}: band",
            group="Scores",
            sort="choice",
            figure=figure,
            part="word",
            choices=tuple((band.name, band.name) for band in design.scoring.bands),
        )


def _of_records(program: Program, rights: Rights) -> Iterator[PanelColumn]:
    for name, data_type in program.custom_data_types.items():
        if name in rights.hidden_data:
            continue
        for field in data_type.body.fields:
            is_number = isinstance(field.kind, (Integer, Number))
            if not is_number and not isinstance(field.kind, (Boolean, Choice, IsoDate, Text)):
                continue
            figure = value_of(name, field.name)
            yield PanelColumn(
                key=figure,
                title=f"{data_type.title or name}: {field.title}",
                group="Records",
                sort="number" if is_number else "choice" if _choices(field) else "text",
                figure=figure,
                part="number" if is_number else "word",
                choices=_choices(field),
            )


def _of_details() -> Iterator[PanelColumn]:
    """The patient's other fields, whatever a site has added to them."""
    for field in patients.stored:
        if field.name in ("id", "phase", "coach_id", "first_name", "last_name"):
            continue
        if isinstance(field.kind, (Boolean, Choice, IsoDate, Text)):
            yield PanelColumn(
                key=f"patient.{field.name}",
                title=field.title,
                group="Details",
                sort="choice" if _choices(field) else "text",
                sql=f"p.{field.name}::text",
                choices=_choices(field),
            )


def _of_consents() -> Iterator[PanelColumn]:
    for name, channel in CONTACT_CHANNELS.items():
        yield PanelColumn(
            key=consent_to(name),
            title=f"Consent: {channel.title}",
            group="Consents",
            sort="choice",
            figure=consent_to(name),
            part="word",
            choices=tuple((answer, answer) for answer in get_args(Answer)),
        )


def _of_answers(assessment: str, title: str, fields: Iterable[Field]) -> Iterator[PanelColumn]:
    """The newest answers, for filters alone: they are looked up patient by patient."""
    for field in fields:
        if not field.name.isidentifier() or not assessment.isidentifier():
            continue
        if isinstance(field.kind, (Boolean, Choice, IsoDate)):
            yield PanelColumn(
                key=f"answer.{assessment}.{field.name}",
                title=f"{title}: {field.title}",
                group="Answers",
                sort="choice" if _choices(field) else "text",
                sql=_NEWEST_ANSWER.format(field=field.name, assessment=assessment),
                choices=_choices(field),
                in_table=False,
            )


def _choices(field: Field) -> tuple[tuple[str, str], ...]:
    if isinstance(field.kind, Boolean):
        return _YES_NO
    if isinstance(field.kind, Choice):
        return tuple((value, field.kind.in_words(value)) for value in field.kind.values)
    return ()
