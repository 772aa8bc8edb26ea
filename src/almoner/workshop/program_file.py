"""program.yaml: a program as one file, read into a checked design with every problem and its line.

    program: Kiwi Health
    phases:
      - {name: intake, title: Intake, next: [active_coaching]}
      - {name: active_coaching, title: Active coaching}
    appointment_types:
      - {name: intake_call, title: Intake call, minutes: 30, modalities: [call, video]}
    assessments:
      - id: mood_check
        name: Mood check
        sections:
          - heading: The past two weeks
            questions:
              - {name: low_mood, kind: choice, choices: [never, often], points: {never: 0, often:
              1}, required: true}
              - {name: since_when, kind: text, shown_when: {question: low_mood, is: often}}
        scoring:
          bands:
            - {name: well, low: 0, high: 0}

What a file may hold is declared in ``design``; ``docs/program.md`` shows all of it.
"""

from __future__ import annotations

from typing import cast

from almoner.workshop import checks
from almoner.workshop.design import ProgramDesign
from almoner.workshop.part_reader import PartReader
from almoner.workshop.yaml_source import FileProblem, ProgramFileError, line_of, located, root_of

__all__ = ["FileProblem", "ProgramFileError", "parse"]


def parse(source: str) -> ProgramDesign:
    """The design that a program file holds. Raises ProgramFileError with everything that is wrong
    with it.
    """
    root, reader = root_of(source), PartReader()
    design = cast(ProgramDesign, reader.part(ProgramDesign, root))
    problems = list(reader.problems)
    for problem in checks.problems(design):
        if not reader.is_moot(problem):
            before = f", on line {line_of(located(root, problem.before))}" if problem.before else ""
            problems.append(
                FileProblem(
                    line_of(located(root, problem.path)), problem.path, f"{problem.text}{before}"
                )
            )
    if problems:
        raise ProgramFileError(problems)
    return design
