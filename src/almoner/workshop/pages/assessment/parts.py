"""The parts of an assessment that are edited by themselves, each with the form that follows from
its declaration.

A part is named by where it stands: ``about``, ``section.1``, ``question.1.3``, ``scoring``. One
that is not there yet has the number after the last."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct

from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.vocabulary.numbers import number
from almoner.workshop.assessment_design import Assessment, AssessmentSection, Question
from almoner.workshop.checks import every_problem
from almoner.workshop.design import ProgramDesign
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.pages.assessment.references import charted, followed, renamed_assessment
from almoner.workshop.pages.editor.chosen_kind import begun, fitted
from almoner.workshop.pages.editor.controls import condition_sources, fields_of
from almoner.workshop.pages.editor.field_errors import placed
from almoner.workshop.pages.editor.form import Read, completed, of_value, read, written
from almoner.workshop.pages.editor.member_control import MemberControl
from almoner.workshop.pages.editor.sources import Option, Sources, sources
from almoner.workshop.pages.elements.group import GROUP
from almoner.workshop.question_checks import TESTS
from almoner.workshop.shape import members, with_items

ASSESSMENTS: Final = GROUP["assessments"]
_HEADING: Final = "Give it a heading: where there are several sections, each needs its own."
_ALWAYS: Final = Option("", "Always: it is no follow-up")
_YES_NO: Final = (Option("yes", "Yes"), Option("no", "No"))


@dataclass(frozen=True, kw_only=True)
class AssessmentPart:
    """A part of the assessment at ``index`` of the program, whose form has the members ``keys`` of
    ``struct``.

    ``place`` are the numbers of its section and of its question there; ``part`` is None where it is
    not there yet."""

    design: ProgramDesign
    index: int
    name: str
    struct: type[Struct]
    place: tuple[int, ...]
    keys: tuple[str, ...]
    part: Struct | None

    @property
    def assessment(self) -> Assessment:
        return self.design.assessments[self.index]

    @property
    def path(self) -> str:
        """Where it stands in the program, as problems name it."""
        steps = "".join(f".{name}[{at}]" for name, at in _steps(self.place))
        return f"assessments[{self.index}]{steps}"

    def form(self) -> Form:
        """Its form as it is saved."""
        return begun(
            self.struct,
            (
                written(self.part)
                if self.part
                else Form([("kind", "text")] if self.struct is Question else ())
            ),
        )

    def fields(self, form: Form, errors: Mapping[str, str]) -> tuple[MemberControl, ...]:
        """The controls of its form."""
        names = sources(self.design)
        if self.struct is Question:
            names = {
                **names,
                **_condition_sources(self.assessment, self.part, form.text("shown_when.question")),
            }
        return tuple(
            control
            for control in fields_of(self.struct, form, names, errors=errors)
            if control.member.key in self.keys
        )


def own_keys(struct: type[Struct]) -> tuple[str, ...]:
    """The members of a part that its own form has: not what is laid out on the page."""
    return tuple(member.key for member in members(struct) if member.widget != "outline")


def part_of(design: ProgramDesign, index: int, name: str) -> AssessmentPart | None:
    """The part of this name of an assessment; None where it has none such."""
    kind, _, rest = name.partition(".")
    place = parsing.path(rest) if rest else ()
    if place is None:
        return None
    assessment = design.assessments[index]
    if kind in ("about", "scoring") and not place:
        keys = own_keys(Assessment) if kind == "about" else ("scoring",)
        return AssessmentPart(
            design=design,
            index=index,
            name=name,
            struct=Assessment,
            place=place,
            keys=keys,
            part=assessment,
        )
    items: tuple[Struct, ...] = assessment.sections
    struct: type[Struct] = AssessmentSection
    if kind == "question" and len(place) == 2 and place[0] < len(items):
        items, struct = assessment.sections[place[0]].questions, Question
    elif kind != "section" or len(place) != 1:
        return None
    if place[-1] > len(items):
        return None
    part = items[place[-1]] if place[-1] < len(items) else None
    return AssessmentPart(
        design=design,
        index=index,
        name=name,
        struct=struct,
        place=place,
        keys=own_keys(struct),
        part=part,
    )


def read_part(part: AssessmentPart, form: Form) -> Read:
    """What its form says."""
    sent = read(fitted(part.struct, form), part.struct)
    errors = {name: text for name, text in sent.errors.items() if _key(name) in part.keys}
    return Read({key: value for key, value in sent.value.items() if key in part.keys}, errors)


def saved(
    part: AssessmentPart, values: Mapping[str, Any], section: int | None
) -> tuple[ProgramDesign, tuple[int, ...]]:
    """The program with these values in the part, and where it stands then; ``section`` is where a
    question shall go.

    What waits for it or draws it knows it under its new name.
    """
    assessment, place = _put(part, of_value(part.struct, _whole(part, values)), section)
    design = ASSESSMENTS.put(part.design, part.index, assessment)
    design = renamed_assessment(design, part.assessment.id, assessment.id)
    if isinstance(part.part, Question):
        question = assessment.sections[place[0]].questions[place[1]]
        design = charted(design, assessment.id, part.part.name, question.name)
    return design, place


def entered(part: AssessmentPart, form: Form) -> Assessment:
    """The assessment with what is typed in the form of a part, right or not: for its preview."""
    values = read_part(part, form).value
    return _put(part, completed(part.struct, _whole(part, values)), None)[0]


def errors_of(
    part: AssessmentPart, design: ProgramDesign, place: tuple[int, ...], form: Form
) -> dict[str, str]:
    """What the checks say of the part in this program, where it stands now, by the name of the
    field in its form.

    Of the score only what is wrong with its bands: a score may be set up before anything counts.
    """
    now = dataclasses.replace(part, design=design, place=place)
    errors = {
        name: text
        for name, text in placed(every_problem(design), now.path, form).items()
        if _key(name) in ("", *part.keys)
    }
    if part.name == "scoring":
        return {name: text for name, text in errors.items() if name.startswith("scoring.")}
    is_untitled = part.struct is AssessmentSection and not form.text("heading").strip()
    return {"heading": _HEADING} if is_untitled and len(now.assessment.sections) > 1 else errors


def title_of(part: AssessmentPart, form: Form) -> str:
    """What people know it by, as its form has it."""
    name = (
        form.text("label").strip() or form.text("name")
        if part.struct is Question
        else form.text("heading")
    )
    return name or {
        Question: "New question",
        AssessmentSection: f"Section {part.place[0] + 1}" if part.place else "",
    }.get(part.struct, "")


def opener(part: AssessmentPart, place: tuple[int, ...]) -> str:
    """The id of what opens it on the page, where it stands at this place; of what opens the next
    one like it where it is new.
    """
    if len(place) == 2:
        return f"add-{place[0]}" if part.part is None else f"row-{place[0]}-{place[1]}"
    if part.part is None:
        return f"add-{place[0]}"
    return f"open-section-{place[0]}" if place else f"open-{part.name}"


def followers(part: AssessmentPart) -> tuple[str, ...]:
    """The titles of the questions that wait for this one."""
    name = part.part.name if isinstance(part.part, Question) else ""
    return tuple(
        question.label or question.name
        for question in part.assessment.questions
        if name and _waits_for(question) == name
    )


def _key(name: str) -> str:
    return name.partition(".")[0].partition(":")[0]


def _whole(part: AssessmentPart, values: Mapping[str, Any]) -> dict[str, Any]:
    """These values, and what the part has beside them."""
    return {**(msgspec.to_builtins(part.part) if part.part else {}), **values}


def _put(
    part: AssessmentPart, value: Struct, section: int | None
) -> tuple[Assessment, tuple[int, ...]]:
    """The assessment with the part in its place, at the end where it is new or goes to another
    section.
    """
    if isinstance(value, Assessment):
        return value, part.place
    place, assessment = part.place, part.assessment
    if isinstance(value, Question) and section not in (None, place[0]):
        assessment = with_items(assessment, _steps(place))
        place = (section or 0, len(assessment.sections[section or 0].questions))
    assessment = with_items(assessment, _steps(place), value)
    if isinstance(value, Question) and isinstance(part.part, Question):
        assessment = followed(assessment, part.part, value)
    return assessment, place


def _steps(place: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
    return tuple(zip(("sections", "questions"), place, strict=False))


def without(part: AssessmentPart) -> ProgramDesign:
    """The program without the part, a section or a question."""
    return ASSESSMENTS.put(part.design, part.index, with_items(part.assessment, _steps(part.place)))


def _waits_for(question: Question) -> str:
    return question.shown_when.question if question.shown_when else ""


def _condition_sources(assessment: Assessment, part: Struct | None, waits_for: str) -> Sources:
    """What the condition of a question can be made of: not of those that wait for it, however many
    others lie between.
    """
    name = part.name if isinstance(part, Question) else ""
    waits = {question.name: _waits_for(question) for question in assessment.questions}

    def leads_here(other: str) -> bool:
        walked: set[str] = set()
        while other and other not in walked and other != name:
            walked.add(other)
            other = waits.get(other, "")
        return bool(name) and other == name

    others = tuple(
        Option(question.name, question.label or question.name)
        for question in assessment.questions
        if not leads_here(question.name)
    )
    asked = next(
        (question for question in assessment.questions if question.name == waits_for), None
    )
    kind = FIELD_KINDS.get(asked.kind) if asked else None
    if asked is None or kind is None:
        return condition_sources((_ALWAYS, *others), (), (), Option("text", ""))
    choices = (
        _YES_NO
        if kind.answer == "truth"
        else tuple(Option(choice, choice) for choice in asked.choices)
    )
    tests = (test for test, (_, answers) in TESTS.items() if kind.answer in answers)
    hint = ""
    if kind.answer == "number" and asked.low is not None and asked.high is not None:
        hint = f"Answers go from {number(asked.low)} to {number(asked.high)}."
    compared = kind.answer if kind.answer in ("truth", "number") else "text"
    return condition_sources((_ALWAYS, *others), tests, choices, Option(compared, hint))
