"""What the buttons of the editor do: an edit of the program, or the form that is open shown once more.

Everything is told by two words of the form: ``part`` is what is edited (``question.1.3``, ``section.1``, ``about``, ``scoring``, or
``rows`` for the buttons outside of any form), ``do`` is what shall be done with it. A question or section that is not there yet has
the number after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec.structs import replace as replaced

from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.workshop.checks import every_problem
from almoner.workshop.design import Assessment, ProgramDesign, Question
from almoner.workshop.pages.assessment import edits
from almoner.workshop.pages.assessment.parts_form import (
    AboutText,
    BandText,
    ScoringText,
    SectionText,
    about_of,
    band_errors,
    put_about,
    put_scoring,
    read_about,
    read_scoring,
    read_section,
    scoring_of,
    section_of,
)
from almoner.workshop.pages.assessment.question_form import QuestionText, build, errors_of, read_text, settled, text_of
from almoner.workshop.pages.editor.form import sentence

Text = QuestionText | SectionText | AboutText | ScoringText


@dataclass(frozen=True)
class OpenForm:
    """The one form that is open. ``part`` is what it edits; ``section`` where a question shall stand.

    ``errors`` are sentences by the field's name, under a blank name what is about the whole. ``changed``: it differs from what is
    saved.
    """

    part: str
    text: Text
    errors: Mapping[str, str] = field(default_factory=dict)
    section: int = 0
    changed: bool = False


@dataclass(frozen=True)
class CommandResult:
    """What came of it. ``design`` is None where nothing is to be saved, and ``opened`` where no form is open then.

    ``focus`` is the id of what gets the focus, and ``told`` what readers are told.
    """

    design: ProgramDesign | None
    opened: OpenForm | None
    focus: str = ""
    told: str = ""


@dataclass(frozen=True)
class _Edit:
    """What an action works on. ``numbers`` are those of the part."""

    design: ProgramDesign
    index: int
    form: Form
    part: str
    numbers: tuple[int, ...]

    @property
    def assessment(self) -> Assessment:
        return self.design.assessments[self.index]

    @property
    def path(self) -> str:
        return f"assessments[{self.index}]"

    def changed(self, assessment: Assessment) -> ProgramDesign:
        return edits.changed(self.design, self.index, lambda _: assessment)


def numbers_of(assessment: Assessment, part: str) -> tuple[int, ...] | None:
    """The numbers in the name of a part; None where the assessment has no such part."""
    kind, *rest = part.split(".")
    numbers = parsing.path(".".join(rest)) if rest else ()
    if numbers is None:
        return None
    sections = assessment.sections
    if kind in ("about", "scoring", "rows"):
        return numbers if not numbers else None
    if kind == "section" and len(numbers) == 1:
        return numbers if numbers[0] <= len(sections) else None
    if kind == "question" and len(numbers) == 2 and numbers[0] < len(sections):
        return numbers if numbers[1] <= len(sections[numbers[0]].questions) else None
    return None


def open_part(assessment: Assessment, part: str) -> OpenForm | None:
    """The form of a part as it is saved; None where there is no such part."""
    numbers = numbers_of(assessment, part)
    if numbers is None or part == "rows":
        return None
    if part == "about":
        return OpenForm(part, about_of(assessment))
    if part == "scoring":
        return OpenForm(part, scoring_of(assessment.scoring))
    if part.startswith("section"):
        known = assessment.sections[numbers[0]] if numbers[0] < len(assessment.sections) else None
        return OpenForm(part, section_of(known) if known else SectionText())
    inside = assessment.sections[numbers[0]].questions
    text = text_of(inside[numbers[1]]) if numbers[1] < len(inside) else QuestionText()
    return OpenForm(part, settled(text, asked_of(assessment, text)), section=numbers[0])


def asked_of(assessment: Assessment, text: QuestionText) -> Question | None:
    """The question that a follow-up waits for."""
    return next((question for question in assessment.questions if question.name == text.waits_for), None)


def typed_into(assessment: Assessment, form: Form) -> Assessment:
    """The assessment with what is typed in the form that is open, right or not: for its preview."""
    part = form.text("part")
    numbers = numbers_of(assessment, part)
    if numbers is None or part == "rows":
        return assessment
    if part == "about":
        return put_about(assessment, read_about(form))[0]
    if part == "scoring":
        return put_scoring(assessment, read_scoring(form))[0]
    if part.startswith("section"):
        text = read_section(form)
        return edits.put_section(assessment, numbers[0], text.heading, text.description, text.footer)
    typed = read_text(form)
    question, _ = build(settled(typed, asked_of(assessment, typed)), asked_of(assessment, typed))
    if not question.name:
        question = replaced(question, name="new_question")
    return edits.put_question(assessment, (numbers[0], numbers[1]), question, numbers[0])[0]


def act(design: ProgramDesign, index: int, form: Form) -> CommandResult | None:
    """Does what a button asks for; None where there is no such part or no such button."""
    part = form.text("part")
    numbers = numbers_of(design.assessments[index], part)
    action = _ACTIONS.get(part.partition(".")[0])
    return action(_Edit(design, index, form, part, numbers)) if action and numbers is not None else None


def _about(edit: _Edit) -> CommandResult:
    text = read_about(edit.form)
    assessment, errors = put_about(edit.assessment, text)
    design = edits.known_by(edit.changed(assessment), edit.assessment.id, text.id)
    for problem in every_problem(design):
        name = problem.path.removeprefix(f"{edit.path}.")
        if name in ("id", "name"):
            errors.setdefault(name, sentence(problem.text))
    if errors:
        return _wrong(OpenForm(edit.part, text, errors, changed=True))
    return CommandResult(design, None, "open-about", "Saved.")


def _section(edit: _Edit) -> CommandResult:
    number, word = edit.numbers[0], edit.form.text("do")
    is_new = number == len(edit.assessment.sections)
    if word == "remove" and not is_new:
        design = edit.changed(edits.remove_section(edit.assessment, number))
        return CommandResult(design, None, "add-section", "The section is removed.")
    text = read_section(edit.form)
    if not text.heading and len(edit.assessment.sections) + is_new > 1:
        error = {"heading": "Give it a heading: where there are several sections, each needs its own."}
        return _wrong(OpenForm(edit.part, text, error, changed=True))
    made = edit.changed(edits.put_section(edit.assessment, number, text.heading, text.description, text.footer))
    told = [problem for problem in every_problem(made) if problem.path.startswith(f"{edit.path}.sections[{number}].heading")]
    if told:
        return _wrong(OpenForm(edit.part, text, {"heading": "Another section has this heading."}, changed=True))
    return CommandResult(made, None, f"add-{number}" if is_new else f"open-section-{number}", "Saved.")


def _scoring(edit: _Edit) -> CommandResult:
    text, word = read_scoring(edit.form), edit.form.text("do")
    verb, _, at = word.partition(".")
    rows = list(text.bands)
    if verb == "add":
        shown = ScoringText(True, (*rows, BandText()))
        return CommandResult(None, OpenForm(edit.part, shown, changed=True), f"edit-band-{len(rows)}", "A band is added.")
    if verb == "remove" and (place := parsing.whole(at, high=len(rows) - 1)) is not None:
        del rows[place]
        focus = f"edit-band-{min(place, len(rows) - 1)}" if rows else "edit-add-band"
        return CommandResult(None, OpenForm(edit.part, ScoringText(True, tuple(rows)), changed=True), focus, "The band is removed.")
    if verb != "save":
        return CommandResult(None, OpenForm(edit.part, text, changed=True))
    assessment, errors = put_scoring(edit.assessment, text)
    design = edit.changed(assessment)
    for name, said in band_errors(every_problem(design), f"{edit.path}.scoring", text).items():
        errors.setdefault(name, said)
    if errors and text.scored:
        return _wrong(OpenForm(edit.part, text, errors, changed=True))
    return CommandResult(design, None, "open-scoring", "Saved.")


def _question(edit: _Edit) -> CommandResult | None:
    number, at = edit.numbers
    place = number, at
    inside = edit.assessment.sections[number].questions
    word = edit.form.text("do")
    if word == "remove" and at < len(inside):
        left = len(inside) - 1
        focus = f"row-{number}-{min(at, left - 1)}" if left else f"add-{number}"
        design = edit.changed(edits.remove_question(edit.assessment, place))
        return CommandResult(design, None, focus, f"{inside[at].label or inside[at].name} is removed.")
    typed = read_text(edit.form)
    asked = asked_of(edit.assessment, typed)
    section = parsing.whole(edit.form.text("section"), high=len(edit.assessment.sections) - 1)
    wanted = number if section is None else section
    if word != "save":
        shown, focus, told = _rows_acted(typed, word)
        return CommandResult(None, OpenForm(edit.part, settled(shown, asked), section=wanted, changed=True), focus, told)
    question, errors = build(typed, asked)
    no_value = "value" in errors
    assessment, place = edits.put_question(edit.assessment, place, question, wanted)
    before = inside[at].name if at < len(inside) else question.name
    design = edits.charted(edit.changed(assessment), edit.assessment.id, before, question.name)
    path = f"{edit.path}.sections[{place[0]}].questions[{place[1]}]"
    for name, said in errors_of(every_problem(design), path, typed).items():
        # A condition without a value is one without a test: once is enough, at the value.
        if not (no_value and name == "test"):
            errors.setdefault(name, said)
    if errors:
        return _wrong(OpenForm(edit.part, settled(replace(typed, name=question.name), asked), errors, wanted, changed=True))
    focus = f"row-{place[0]}-{place[1]}" if at < len(inside) else f"add-{place[0]}"
    return CommandResult(design, None, focus, f"{question.label or question.name} is saved.")


def _rows_acted(text: QuestionText, word: str) -> tuple[QuestionText, str, str]:
    """The form after a button of its choices, with what gets the focus and what is told."""
    verb, _, number = word.partition(".")
    rows = list(text.choices)
    place = parsing.whole(number, high=len(rows) - 1)
    at = len(rows) if place is None else place
    if verb == "choice-add":
        return replace(text, choices=(*rows, ("", ""))), f"edit-choice-{len(rows)}", "A choice is added."
    if at == len(rows):
        return text, "", ""
    if verb == "choice-remove":
        del rows[at]
        focus = f"edit-choice-{min(at, len(rows) - 1)}" if rows else "edit-add-choice"
        return replace(text, choices=tuple(rows)), focus, "The choice is removed."
    other = at + {"choice-up": edits.UP, "choice-down": edits.DOWN}.get(verb, 0)
    if other != at and 0 <= other < len(rows):
        rows[at], rows[other] = rows[other], rows[at]
        return replace(text, choices=tuple(rows)), f"edit-{verb}-{other}", f"Now choice {other + 1} of {len(rows)}."
    return text, "", ""


def _rows(edit: _Edit) -> CommandResult | None:
    """The buttons beside questions and sections, and the order in which questions were dragged."""
    for verb, step in (("up", edits.UP), ("down", edits.DOWN)):
        if verb in edit.form:
            return _moved(edit, edit.form.text(verb), verb, step)
    if edit.form.text("do") != "order":
        return None
    order: list[list[edits.Place]] = []
    for item in edit.form.texts("item"):
        numbers = numbers_of(edit.assessment, item)
        if item == "section":
            order.append([])
        elif numbers is not None and len(numbers) == 2 and order:
            order[-1].append((numbers[0], numbers[1]))
    assessment = edits.reorder(edit.assessment, order)
    if assessment is None:
        return None
    return CommandResult(edit.changed(assessment), None, "", "The new order is saved.")


def _moved(edit: _Edit, part: str, verb: str, step: int) -> CommandResult | None:
    numbers = numbers_of(edit.assessment, part)
    if numbers is None or len(numbers) not in (1, 2):
        return None
    if len(numbers) == 1:
        if numbers[0] >= len(edit.assessment.sections):
            return None
        assessment, number = edits.move_section(edit.assessment, numbers[0], step)
        focus, place = f"{verb}-section-{number}", f"Now section {number + 1} of {len(assessment.sections)}."
        what = assessment.sections[number].heading or f"Section {number + 1}"
        stayed = number == numbers[0]
    else:
        if numbers[1] >= len(edit.assessment.sections[numbers[0]].questions):
            return None
        assessment, (number, at) = edits.move_question(edit.assessment, (numbers[0], numbers[1]), step)
        focus, stayed = f"{verb}-{number}-{at}", (number, at) == numbers
        section = assessment.sections[number]
        place = f"Now number {at + 1} in {section.heading or f'section {number + 1}'}."
        what = section.questions[at].label or section.questions[at].name
    if stayed:
        return CommandResult(None, None, focus, f"{what} stays where it is.")
    return CommandResult(edit.changed(assessment), None, focus, f"{what} is moved. {place}")


def _wrong(opened: OpenForm) -> CommandResult:
    """The form once more, with its errors; the first of them gets the focus."""
    return CommandResult(
        None, opened, f"edit-{next(iter(opened.errors)).replace('.', '-')}", "Not saved yet. " + " ".join(opened.errors.values())
    )


_ACTIONS: Final[Mapping[str, Callable[[_Edit], CommandResult | None]]] = {
    "about": _about,
    "section": _section,
    "scoring": _scoring,
    "question": _question,
    "rows": _rows,
}
