"""What the buttons of the editor do: an edit of the program, or the form that is open shown once
more.

``part`` of the form says what is edited, ``rows`` being the buttons outside of any form; ``do``
says what shall be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.workshop.assessment_design import Question
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.assessment import order
from almoner.workshop.pages.assessment.parts import (
    ASSESSMENTS,
    AssessmentPart,
    errors_of,
    opener,
    part_of,
    read_part,
    saved,
    title_of,
    without,
)
from almoner.workshop.pages.editor.chosen_kind import begun, fitted
from almoner.workshop.pages.editor.items import acted


@dataclass(frozen=True, kw_only=True)
class OpenPart:
    """The one part whose form is open. ``section`` is where a question shall stand, None where it
    stays.

    ``errors`` are sentences by the field's name, under a blank name what is about the whole.
    ``changed``: it differs from what is saved."""

    part: AssessmentPart
    form: Form
    section: int | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    changed: bool = True


@dataclass(frozen=True)
class ActionResult:
    """What came of it. ``design`` is None where nothing is to be saved, and ``opened`` where no
    form is open then.

    ``focus`` is the id of what gets the focus, ``message`` what readers of the screen are told.
    """

    design: ProgramDesign | None
    opened: OpenPart | None = None
    focus: str = ""
    message: str = ""


def act(design: ProgramDesign, index: int, form: Form) -> ActionResult | None:
    """Does what a button asks for; None where there is no such part or no such button."""
    if form.text("part") == "rows":
        return _arranged(design, index, form)
    part, action = part_of(design, index, form.text("part")), form.text("do")
    if part is None or (action == "remove" and part.part is None):
        return None
    if action == "remove" and part.place:
        return _removed(part)
    form = fitted(part.struct, form)
    section = parsing.whole(form.text("section"), high=len(part.assessment.sections) - 1)
    if action == "save":
        return _saved(part, form, section)
    done = acted(form, action)
    return ActionResult(
        None,
        OpenPart(part=part, form=begun(part.struct, done.form), section=section),
        done.focus,
        done.message,
    )


def _saved(part: AssessmentPart, form: Form, section: int | None) -> ActionResult:
    entered = read_part(part, form)
    design, place, errors = part.design, part.place, entered.errors
    if not errors:
        design, place = saved(part, entered.value, section)
        errors = errors_of(part, design, place, form)
    if errors:
        message = f"Not saved yet. {' '.join(errors.values())}"
        return ActionResult(
            None,
            OpenPart(part=part, form=begun(part.struct, form), section=section, errors=errors),
            next(iter(errors)),
            message,
        )
    message = f"{title_of(part, form)} is saved." if part.struct is Question else "Saved."
    return ActionResult(design, None, opener(part, place), message)


def _removed(part: AssessmentPart) -> ActionResult:
    design = without(part)
    if not isinstance(part.part, Question):
        return ActionResult(design, None, "add-section", "The section is removed.")
    number, at = part.place
    left = len(design.assessments[part.index].sections[number].questions)
    focus = opener(part, (number, min(at, left - 1))) if left else f"add-{number}"
    return ActionResult(design, None, focus, f"{part.part.label or part.part.name} is removed.")


def _arranged(design: ProgramDesign, index: int, form: Form) -> ActionResult | None:
    """The buttons beside questions and sections, and the order in which questions were dragged."""
    for way, step in (("up", order.UP), ("down", order.DOWN)):
        if way in form:
            part = part_of(design, index, form.text(way))
            return (
                _moved(part, way, step)
                if part is not None and part.place and part.part is not None
                else None
            )
    if form.text("do") != "order":
        return None
    places: list[list[order.Place]] = []
    for item in form.texts("item"):
        part = part_of(design, index, item)
        if item == "section":
            places.append([])
        elif part is not None and len(part.place) == 2 and places:
            places[-1].append((part.place[0], part.place[1]))
    assessment = order.reorder(design.assessments[index], places)
    if assessment is None:
        return None
    return ActionResult(
        ASSESSMENTS.put(design, index, assessment), message="The new order is saved."
    )


def _moved(part: AssessmentPart, way: str, step: int) -> ActionResult:
    number, *rest = part.place
    if rest:
        assessment, (number, at) = order.move_question(part.assessment, (number, rest[0]), step)
        section = assessment.sections[number]
        question = section.questions[at]
        focus, stays = f"{way}-{number}-{at}", (number, at) == part.place
        title, now = (
            question.label or question.name,
            f"Now number {at + 1} in {section.heading or f'section {number + 1}'}.",
        )
    else:
        assessment, number = order.move_section(part.assessment, number, step)
        focus, stays = f"{way}-section-{number}", (number,) == part.place
        title = assessment.sections[number].heading or f"Section {number + 1}"
        now = f"Now section {number + 1} of {len(assessment.sections)}."
    if stays:
        return ActionResult(None, None, focus, f"{title} stays where it is.")
    return ActionResult(
        ASSESSMENTS.put(part.design, part.index, assessment),
        None,
        focus,
        f"{title} is moved. {now}",
    )
