"""An assessment as its editor lays it out: its sections as cards, their questions as rows, follow-ups below what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from almoner.pages.filters import counted
from almoner.pages.forms.controls import number
from almoner.workshop import questions
from almoner.workshop.checks import DesignProblem
from almoner.workshop.design import Assessment, Question, Section
from almoner.workshop.pages.assessment.edits import parents
from almoner.workshop.pages.assessment.score_range import Reach, counts, reach, remarks
from almoner.workshop.pages.editor.form import sentence

# What the kinds are called where a designer reads them.
_KIND_WORDS: Final = {
    "long_text": "long text",
    "integer": "whole number",
    "boolean": "yes or no",
    "datetime": "date and time",
    "choices": "several choices",
    "email": "e-mail",
    "timezone": "time zone",
    "zip_code": "zip code",
}


@dataclass(frozen=True, kw_only=True)
class QuestionOutline:
    """A question as it stands in the list. ``at`` is its place, such as ``1-3``; ``when`` what a follow-up is shown after."""

    part: str
    at: str
    title: str
    name: str
    facts: tuple[str, ...]
    kind: str
    when: str
    problems: tuple[str, ...]
    follow_ups: tuple[QuestionOutline, ...]


@dataclass(frozen=True)
class SectionOutline:
    """A section with its questions. ``summary`` counts them."""

    part: str
    number: int
    title: str
    heading: str
    description: str
    footer: str
    summary: str
    rows: tuple[QuestionOutline, ...]
    new_part: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ScoreCard:
    """What is said of the score: which scores can be reached, what the bands leave open, and what is wrong with them."""

    scored: bool
    range: str
    remarks: tuple[str, ...]
    bands: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()


def cards(assessment: Assessment, path: str, problems: Sequence[DesignProblem]) -> tuple[SectionOutline, ...]:
    """The sections of the assessment at this path of the program, with what is wrong with each of their questions."""
    return tuple(
        _card(assessment, number, section, f"{path}.sections[{number}]", problems)
        for number, section in enumerate(assessment.sections)
    )


def score_card(assessment: Assessment, path: str, problems: Sequence[DesignProblem]) -> ScoreCard:
    """The score of the assessment at this path of the program as its card tells it."""
    if assessment.scoring is None:
        return ScoreCard(False, "", (), ())
    scores = reach(assessment)
    bands = tuple((band.name, f"{number(band.low)} to {number(band.high)}") for band in assessment.scoring.bands)
    said = remarks(assessment.scoring.bands, scores) if scores.counting else []
    # That bands overlap is among the remarks.
    own = [one for one in problems if one.path.startswith(f"{path}.scoring.") and not one.path.endswith("]")]
    return ScoreCard(True, range_in_words(scores), tuple(said), bands, tuple(sentence(one.text) for one in own))


def range_in_words(scores: Reach) -> str:
    """Which scores can be reached, as a sentence."""
    if not scores.counting:
        return "No question counts yet. Give a choice its points, or a number its weight."
    low = "no lower end" if scores.lowest is None else f"the lowest score is {number(scores.lowest)}"
    high = "no upper end" if scores.highest is None else f"the highest {number(scores.highest)}"
    words = f"{counted(scores.counting, 'question counts', 'questions count')}: {low}, {high}."
    return words if None not in (scores.lowest, scores.highest) else f"{words} A number without limits has no end."


def _card(assessment: Assessment, number: int, section: Section, path: str, problems: Sequence[DesignProblem]) -> SectionOutline:
    above = parents(section.questions)

    def rows(parent: int) -> tuple[QuestionOutline, ...]:
        return tuple(
            _row(assessment, question, f"{number}-{at}", _said(problems, f"{path}.questions[{at}]"), rows(at))
            for at, question in enumerate(section.questions)
            if above[at] == parent
        )

    last = len(section.questions)
    title = section.heading or ("Questions" if len(assessment.sections) == 1 else f"Section {number + 1}")
    words = (section.heading, section.description, section.footer)
    own = [problem for problem in problems if problem.path in (path, f"{path}.heading")]
    said = tuple(sentence(problem.text) for problem in own)
    return SectionOutline(
        f"section.{number}", number, title, *words, counted(last, "question"), rows(-1), f"question.{number}.{last}", said
    )


def _row(
    assessment: Assessment, question: Question, at: str, problems: tuple[str, ...], follow_ups: tuple[QuestionOutline, ...]
) -> QuestionOutline:
    labels = {one.name: one.label or one.name for one in assessment.questions}
    condition = question.shown_when
    when = f"shown when {questions.in_words(condition, lambda name: labels.get(name, name))}" if condition else ""
    title = question.label or question.name
    part = f"question.{at.replace('-', '.')}"
    return QuestionOutline(
        part=part,
        at=at,
        title=title,
        name=question.name,
        facts=_facts(question),
        kind=kind_in_words(question.kind),
        when=when,
        problems=problems,
        follow_ups=follow_ups,
    )


def _facts(question: Question) -> tuple[str, ...]:
    """What stands under a question, after its name."""
    kind = kind_in_words(question.kind)
    if question.low is not None and question.high is not None:
        kind = f"{kind} {number(question.low)} to {number(question.high)}"
    elif question.low is not None:
        kind = f"{kind} from {number(question.low)}"
    elif question.high is not None:
        kind = f"{kind} up to {number(question.high)}"
    facts = [kind]
    if question.choices:
        facts.append(counted(len(question.choices), "option"))
    if question.required:
        facts.append("required")
    if counts(question):
        facts.append("scored")
    return tuple(facts)


def kind_in_words(kind: str) -> str:
    """What a kind is called."""
    return _KIND_WORDS.get(kind, kind)


def _said(problems: Sequence[DesignProblem], path: str) -> tuple[str, ...]:
    return tuple(sentence(one.text) for one in problems if one.path == path or one.path.startswith(f"{path}."))
