"""The forms of an assessment's other parts: what it is called, the words of a section, and what its score means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from almoner.pages.forms.controls import number
from almoner.pages.visit import Form
from almoner.workshop.checks import DesignProblem
from almoner.workshop.design import Assessment, Band, Scoring, Section
from almoner.workshop.pages.assessment.question_form import parse_number
from almoner.workshop.pages.editor.form import sentence
from almoner.workshop.shape import by_key

AUDIENCES: Final = (("coach", "A coach"), ("coach_and_patient", "A coach and the patient"))
_NEEDED: Final = "This is needed."


@dataclass(frozen=True)
class AboutText:
    """What the form of the assessment itself holds, as it is typed."""

    id: str
    name: str
    title: str
    audience: str


@dataclass(frozen=True)
class SectionText:
    """What the form of a section holds, as it is typed."""

    heading: str = ""
    description: str = ""
    footer: str = ""


@dataclass(frozen=True)
class BandText:
    """A row of the form of the score."""

    name: str = ""
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class ScoringText:
    """What the form of the score holds, as it is typed; ``scored`` tells whether there is a score at all."""

    scored: bool
    bands: tuple[BandText, ...] = ()


def about_of(assessment: Assessment) -> AboutText:
    """The assessment as its form shows it."""
    return AboutText(assessment.id, assessment.name, assessment.title, assessment.audience)


def read_about(form: Form) -> AboutText:
    return AboutText(*(form.text(name).strip() for name in ("id", "name", "title", "audience")))


def put_about(assessment: Assessment, text: AboutText) -> tuple[Assessment, dict[str, str]]:
    """The assessment under these names, and what is wrong with them by the field's name."""
    errors = {}
    for name in ("id", "name"):
        member = by_key(Assessment)[name]
        if problem := member.problem(getattr(text, name)):
            errors[name] = sentence(problem)
    audience = "coach_and_patient" if text.audience == "coach_and_patient" else "coach"
    return replace(assessment, id=text.id, name=text.name, title=text.title, audience=audience), errors


def section_of(section: Section) -> SectionText:
    """A section as its form shows it."""
    return SectionText(section.heading, section.description, section.footer)


def read_section(form: Form) -> SectionText:
    return SectionText(*(form.text(name).strip() for name in ("heading", "description", "footer")))


def scoring_of(scoring: Scoring | None) -> ScoringText:
    """A score as its form shows it."""
    bands = scoring.bands if scoring else ()
    return ScoringText(scoring is not None, tuple(BandText(band.name, number(band.low), number(band.high)) for band in bands))


def read_scoring(form: Form) -> ScoringText:
    rows = zip(form.texts("band"), form.texts("from"), form.texts("to"), strict=False)
    return ScoringText(form.truth("scored"), tuple(BandText(*row) for row in rows))


def put_scoring(assessment: Assessment, text: ScoringText) -> tuple[Assessment, dict[str, str]]:
    """The assessment with this score, and what is wrong with it by the field's name. A row that is blank is no band."""
    errors: dict[str, str] = {}
    bands = []
    for at, row in enumerate(text.bands):
        if not (row.name.strip() or row.low.strip() or row.high.strip()):
            continue
        low, high = parse_number(row.low, f"from.{at}", errors), parse_number(row.high, f"to.{at}", errors)
        for name, typed in (("band", row.name), ("from", row.low), ("to", row.high)):
            if not typed.strip():
                errors[f"{name}.{at}"] = _NEEDED
        if low is not None and high is not None and low > high:
            errors[f"to.{at}"] = "The highest score must not be below the lowest."
        elif low is not None and high is not None:
            bands.append(Band(name=row.name.strip(), low=low, high=high))
    return replace(assessment, scoring=Scoring(bands=tuple(bands)) if text.scored else None), errors


def band_errors(problems: Iterable[DesignProblem], path: str, text: ScoringText) -> dict[str, str]:
    """What the checks of the program say of the bands of the score at this path, by the field's name."""
    rows = [at for at, row in enumerate(text.bands) if row.name.strip() or row.low.strip() or row.high.strip()]
    found: dict[str, str] = {}
    for problem in problems:
        if problem.path.startswith(f"{path}.bands["):
            index, _, name = problem.path.removeprefix(f"{path}.bands[").partition("]")
            field = {".low": "from", ".high": "to"}.get(name, "band")
            found.setdefault(f"{field}.{rows[int(index)]}", sentence(problem.text))
    return found
