"""An assessment as its editor lays it out: its sections as cards, their questions as rows,
follow-ups below what they wait for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from almoner.pages.filters import counted
from almoner.vocabulary.numbers import number
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment, AssessmentSection, Condition, Question
from almoner.workshop.checks import DesignProblem
from almoner.workshop.field_kinds import kind_title
from almoner.workshop.pages.assessment.order import parents
from almoner.workshop.pages.assessment.score_range import Reach, counts, reach, remarks
from almoner.workshop.pages.editor.form import sentence


@dataclass(frozen=True, kw_only=True)
class QuestionOutline:
    """A question as it stands in the list. ``at`` is its place, such as ``1-3``; ``when`` what a
    follow-up is shown after.
    """

    at: str
    question: Question
    facts: tuple[str, ...]
    when: str
    problems: tuple[str, ...]
    follow_ups: tuple[QuestionOutline, ...]

    @property
    def part(self) -> str:
        return f"question.{self.at.replace('-', '.')}"

    @property
    def title(self) -> str:
        return self.question.label or self.question.name


@dataclass(frozen=True, kw_only=True)
class SectionOutline:
    """A section with its questions; ``new_part`` is the name of the next question."""

    number: int
    section: AssessmentSection
    title: str
    rows: tuple[QuestionOutline, ...]
    problems: tuple[str, ...]

    @property
    def part(self) -> str:
        return f"section.{self.number}"

    @property
    def new_part(self) -> str:
        return f"question.{self.number}.{len(self.section.questions)}"


@dataclass(frozen=True, kw_only=True)
class ScoreCard:
    """What is said of the score: which scores can be reached, what the bands leave open, and what
    is wrong with them.
    """

    scored: bool
    range: str
    remarks: tuple[str, ...]
    bands: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()


def cards(
    assessment: Assessment, path: str, problems: Sequence[DesignProblem]
) -> tuple[SectionOutline, ...]:
    """The sections of the assessment at this path of the program, with what is wrong with each of
    their questions.
    """
    labels = {question.name: question.label or question.name for question in assessment.questions}

    def rows(number: int, parent: int = -1) -> tuple[QuestionOutline, ...]:
        inside = assessment.sections[number].questions
        above = parents(inside)
        return tuple(
            QuestionOutline(
                at=f"{number}-{at}",
                question=question,
                facts=_facts(question),
                when=_when(question.shown_when, labels),
                problems=_sentences(problems, f"{path}.sections[{number}].questions[{at}]"),
                follow_ups=rows(number, at),
            )
            for at, question in enumerate(inside)
            if above[at] == parent
        )

    alone = "Questions" if len(assessment.sections) == 1 else ""
    return tuple(
        SectionOutline(
            number=number,
            section=section,
            title=section.heading or alone or f"Section {number + 1}",
            rows=rows(number),
            problems=tuple(
                sentence(problem.text)
                for problem in problems
                if problem.path in (at := f"{path}.sections[{number}]", f"{at}.heading")
            ),
        )
        for number, section in enumerate(assessment.sections)
    )


def score_card(assessment: Assessment, path: str, problems: Sequence[DesignProblem]) -> ScoreCard:
    """The score of the assessment at this path of the program as its card tells it."""
    # That bands overlap is among the remarks.
    own = [
        problem
        for problem in problems
        if problem.path.startswith(f"{path}.scoring.") and not problem.path.endswith("]")
    ]
    return replace(score_of(assessment), problems=tuple(sentence(problem.text) for problem in own))


def score_of(assessment: Assessment) -> ScoreCard:
    """The score of an assessment in words, without what is wrong with it."""
    if assessment.scoring is None:
        return ScoreCard(scored=False, range="", remarks=(), bands=())
    scores, bands = reach(assessment), assessment.scoring.bands
    about = tuple(remarks(bands, scores)) if scores.counting else ()
    ranges = tuple((band.name, f"{number(band.low)} to {number(band.high)}") for band in bands)
    return ScoreCard(scored=True, range=_range_in_words(scores), remarks=about, bands=ranges)


def _range_in_words(scores: Reach) -> str:
    """Which scores can be reached, as a sentence."""
    if not scores.counting:
        return "No question counts yet. Give a choice its points, or a number its weight."
    low = (
        "no lower end" if scores.lowest is None else f"the lowest score is {number(scores.lowest)}"
    )
    high = "no upper end" if scores.highest is None else f"the highest {number(scores.highest)}"
    words = f"{counted(scores.counting, 'question counts', 'questions count')}: {low}, {high}."
    return (
        words
        if None not in (scores.lowest, scores.highest)
        else f"{words} A number without limits has no end."
    )


def _when(condition: Condition | None, labels: Mapping[str, str]) -> str:
    if condition is None:
        return ""
    return f"shown when {questions.in_words(condition, lambda name: labels.get(name, name))}"


def _facts(question: Question) -> tuple[str, ...]:
    """What stands under a question, after its name."""
    kind = kind_title(question.kind)
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


def _sentences(problems: Sequence[DesignProblem], path: str) -> tuple[str, ...]:
    return tuple(
        sentence(problem.text)
        for problem in problems
        if problem.path == path or problem.path.startswith(f"{path}.")
    )
