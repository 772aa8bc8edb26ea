"""What the condition of a process can look at, and what the values there are: for the builder that
offers only what fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from almoner.pages.visit import Form
from almoner.resources import BY_NAME
from almoner.resources._contact_channels import CONTACT_CHANNELS
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.kinds import Boolean, Kind
from almoner.vocabulary.numbers import Integer, Number
from almoner.workshop.assessment_design import FieldDesign
from almoner.workshop.design import ProgramDesign
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.pages.editor.form import under
from almoner.workshop.pages.editor.sources import Option, Sources, label
from almoner.workshop.process_checks import PATIENT_DATES, PATIENT_FIELDS
from almoner.workshop.process_design import CONSENTS


def condition_values(design: ProgramDesign) -> Sources:
    """The fields under ``of/name``, and under ``of/name/field`` the kind of a field's values and
    behind it those that it may have.
    """
    return dict(_values(design))


def looked_at(
    form: Form, name: str, known: Sources
) -> tuple[tuple[Option, ...], tuple[Option, ...] | None]:
    """The fields that the condition of this name in a form can choose from, and the kind of the one
    that it has chosen with its values; None where the program knows none.
    """
    of = form.text(under(name, "of"))
    group = form.text(under(name, "assessment")) or form.text(under(name, "record"))
    if of in ("answer", "score", "band"):
        # Blank, it is of the answers that start the process.
        group = group or form.text("when.assessment")
    at = f"{of}/{group}"
    if of in ("score", "band"):
        return (), known.get(f"{at}/")
    field = form.text(under(name, "field"))
    return known.get(at, ()), known.get(f"{at}/{field}") if field else None


def trigger_values(design: ProgramDesign) -> Sources:
    """The dates and the consents that a trigger can name."""
    dates = [Option(name, label(name)) for name in PATIENT_DATES]
    dates += [
        Option(field.name, f"{field.label or field.name} ({data_type.title or data_type.name})")
        for data_type in design.custom_data_types
        for field in data_type.fields
        if field.kind == "date"
    ]
    consents = (Option(name, CONTACT_CHANNELS[name].title) for name in CONSENTS)
    return {"Trigger.field": tuple(dates), "Trigger.consent": (Option("", "Any"), *consents)}


def _values(design: ProgramDesign) -> Iterator[tuple[str, tuple[Option, ...]]]:
    for assessment in design.assessments:
        yield from _fields(f"answer/{assessment.id}", assessment.questions)
        if assessment.scoring is not None:
            bands = [Option(band.name, band.name) for band in assessment.scoring.bands]
            yield f"score/{assessment.id}/", (Option("number", ""),)
            yield f"band/{assessment.id}/", (Option("choice", ""), *bands)
    for data_type in design.custom_data_types:
        yield from _fields(f"record/{data_type.name}", data_type.fields)
    yield "consent/", tuple(Option(name, CONTACT_CHANNELS[name].title) for name in CONSENTS)
    for name in CONSENTS:
        yield f"consent//{name}", (Option("truth", ""), *_YES_OR_NO)
    yield "patient/", tuple(Option(name, label(name)) for name in PATIENT_FIELDS)
    for field in BY_NAME["patients"].stored:
        yield f"patient//{field.name}", tuple(_of_kind(field.kind))
    phases = (Option(phase.name, phase.title or phase.name) for phase in design.phases)
    yield "patient//phase", (Option("choice", ""), *phases)


def _fields(at: str, fields: Iterable[FieldDesign]) -> Iterator[tuple[str, tuple[Option, ...]]]:
    fields = tuple(fields)
    yield at, tuple(Option(field.name, field.label or field.name) for field in fields)
    for field in fields:
        kind = FIELD_KINDS.get(field.kind)
        if kind is None:
            continue
        choices = [Option(choice, choice) for choice in field.choices or ()]
        values = _YES_OR_NO if kind.answer == "truth" else choices
        yield f"{at}/{field.name}", (Option(kind.answer, ""), *values)


_YES_OR_NO: Final = (Option("yes", "Yes"), Option("no", "No"))


def _of_kind(kind: Kind) -> Iterator[Option]:
    if isinstance(kind, Choice):
        yield Option("choice", "")
        yield from (Option(value, kind.in_words(value)) for value in kind.values)
    elif isinstance(kind, Boolean):
        yield Option("truth", "")
        yield from _YES_OR_NO
    else:
        yield Option("number" if isinstance(kind, Integer | Number) else "text", "")
