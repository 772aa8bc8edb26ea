"""Whose record a page is about: the bar that stays in view on every page of a patient.

Reading a patient by id (``patient_access.patient``) makes the page one about them, and the portal's
frame draws the bar on it: no page can forget it, neither one of a conflict nor one that a refused
form leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from almoner.pages.filters import age, zone_in_words
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.vocabulary import clocks


@dataclass(frozen=True, kw_only=True)
class PatientBar:
    """What the bar shows. ``age`` is in words, blank without a birthday; ``now`` (UTC) is when it
    was drawn.

    ``zone`` is the patient's time zone in words, ``your_zone`` the visitor's, empty where both
    clocks show the same. ``frame`` is the template that draws the bar, for pages that are none of
    the portal's: of what is not there, or went wrong."""

    frame: ClassVar[str] = "portal/portal.html"

    patient: Patient
    age: str
    phase: str
    now: datetime
    zone: str
    your_zone: str


@dataclass(frozen=True)
class PatientBarPart:
    """The bar alone. ``opened`` is what is being changed in it, ``phase`` or ``coach``, empty for
    nothing, and ``form`` its form.

    ``focus``: which of the two was, and gets the focus back; empty where the focus stays.
    """

    bar: PatientBar
    opened: str = ""
    form: Any = None
    focus: str = ""


def of(visit: Visit, patient: Patient) -> PatientBar:
    """The bar of this patient."""
    now, mine = datetime.now(UTC), visit.worker.timezone
    return PatientBar(
        patient=patient,
        age=age(patient.birthday, clocks.day_of(now, patient.timezone)),
        phase=visit.program.title("phases", patient.phase),
        now=now,
        zone=zone_in_words(patient.timezone),
        your_zone=zone_in_words(mine) if clocks.differ(patient.timezone, mine, now) else "",
    )
