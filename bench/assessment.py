"""What it costs to check the answers to an assessment of a hundred questions: under 300
microseconds are to be reached.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from almoner.data_api import decode
from almoner.data_api.declare import Row
from almoner.resources.assessment_responses import assessment_responses
from almoner.vocabulary.definitions import Program, Spec
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment, AssessmentSection, Condition, Question
from bench import machine, page

QUESTIONS = 100
FOLLOW_UPS = 10
TARGET_MICROSECONDS = 300
_CHECKS = 1_000
_ROUNDS = 7
# An answer to each kind of field, with what the kind needs.
KINDS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("boolean", True, {}),
    ("text", "As well as can be expected.", {}),
    ("integer", 7, {"low": 0, "high": 100}),
    ("choice", "some days", {"choices": ("never", "some days", "most days", "nearly every day")}),
    ("choices", ["walking", "stairs"], {"choices": ("walking", "stairs", "sleeping", "eating")}),
    ("scale", 3, {"low": 0, "high": 10}),
    ("number", 98.6, {"low": 80, "high": 120}),
    ("date", "2018-07-14", {}),
    ("datetime", "2018-08-12T10:20:15", {}),
    ("phone", "555-555-5555", {}),
)


def main() -> None:
    """Measure, tell, write it down."""
    machine.take_load_core()
    text = f"{measured()}\n\nMachine: {machine.description()}."
    print(text)
    page.write("Checking an assessment", text)


def measured() -> str:
    """The cost of a check in a sentence, the median of several rounds."""
    microseconds = median(_round() for _ in range(_ROUNDS))
    verdict = "under" if microseconds < TARGET_MICROSECONDS else "**not under**"
    return (
        f"Checking the answers to {QUESTIONS} questions of {len(KINDS)} kinds, {FOLLOW_UPS} of them"
        f" follow-ups: {microseconds:.0f} microseconds, {verdict} {TARGET_MICROSECONDS}."
    )


def _round() -> float:
    """Microseconds of the whole check that a Create makes of its row."""
    design, model = assessment(), answers()
    spec = Spec(design.id, design.name, 1, design.title, questions.of_assessment(design, 1))
    program = Program(
        version=1,
        specs={(spec.id, 1): spec},
        newest_specs={spec.id: spec},
        spec_ids={spec.name: spec.id},
    )
    row: Row = {"spec_id": design.id, "model": model}
    began = time.perf_counter()
    for _ in range(_CHECKS):
        if decode.check(assessment_responses, dict(row), program, None):
            raise RuntimeError("the answers fit their assessment")
    return (time.perf_counter() - began) / _CHECKS * 1e6


def assessment() -> Assessment:
    """A hundred questions of mixed kinds in ten sections; the last of each section follows up its
    first.
    """
    sections = []
    for number in range(QUESTIONS // len(KINDS)):
        asked = [
            Question(
                name=f"{kind}_{number}",
                kind=kind,
                label=f"Question {number} of the kind {kind}",
                required=True,
                **options,
            )
            for kind, _, options in KINDS[:-1]
        ]
        kind, _, options = KINDS[-1]
        condition = Condition(question=asked[0].name, equals=True)
        asked.append(
            Question(
                name=f"{kind}_{number}", kind=kind, required=True, shown_when=condition, **options
            )
        )
        sections.append(AssessmentSection(heading=f"Section {number}", questions=tuple(asked)))
    return Assessment(id="long", name="Long", sections=tuple(sections))


def answers() -> dict[str, Any]:
    """An answer to every question."""
    return {
        f"{kind}_{number}": answer
        for number in range(QUESTIONS // len(KINDS))
        for kind, answer, _ in KINDS
    }


if __name__ == "__main__":
    main()
