"""What names a part of an assessment goes on naming it under its new name: follow-ups, charts,
goals, roles.
"""

from __future__ import annotations

from msgspec.structs import replace

from almoner.workshop.assessment_design import Assessment, Condition, Question
from almoner.workshop.design import ProgramDesign, Role, SidebarModule
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.shape import mapped


def renamed_assessment(design: ProgramDesign, before: str, after: str) -> ProgramDesign:
    """Charts of an assessment, goals that it measures and roles that hide it name its new id."""

    def chart(card: SidebarModule) -> SidebarModule:
        return replace(card, of=after) if card.shows == "chart" and card.of == before else card

    def target(target: GoalTarget) -> GoalTarget:
        return replace(target, of=after) if target.of == before else target

    def role(role: Role) -> Role:
        hidden = tuple(after if name == before else name for name in role.hidden_assessments)
        return replace(role, hidden_assessments=hidden)

    if before == after:
        return design
    design = mapped(mapped(design, SidebarModule, chart), GoalTarget, target)
    return mapped(design, Role, role)


def charted(design: ProgramDesign, assessment_id: str, before: str, after: str) -> ProgramDesign:
    """Charts that draw a question of an assessment under the one name, and goals that it measures,
    name it by the other."""
    if before == after:
        return design
    measured = (assessment_id, before)
    design = mapped(
        design,
        SidebarModule,
        lambda card: (
            replace(card, field=after)
            if card.shows == "chart" and (card.of, card.field) == measured
            else card
        ),
    )
    return mapped(
        design,
        GoalTarget,
        lambda target: (
            replace(target, field=after) if (target.of, target.field) == measured else target
        ),
    )


def followed(assessment: Assessment, before: Question, after: Question) -> Assessment:
    """Follow-ups that waited for a question wait for it under its new name, and for a choice of it
    in that one's new words.

    Not where another question still has the name before, or has the new one too. A choice is
    reworded where it is plain which one that is: as many choices as before, and one of them reads
    differently at its place."""
    names = [question.name for question in assessment.questions]
    is_renamed = before.name != after.name and before.name not in names
    pairs = [
        (old, new) for old, new in zip(before.choices, after.choices, strict=False) if old != new
    ]
    is_reworded = (
        len(before.choices) == len(after.choices)
        and len(pairs) == 1
        and names.count(after.name) == 1
    )
    words = dict(pairs) if is_reworded else {}

    def reword(choice: str) -> str:
        return words.get(choice, choice)

    def wait(condition: Condition) -> Condition:
        if is_renamed and condition.question == before.name:
            condition = replace(condition, question=after.name)
        if not words or condition.question != after.name:
            return condition
        return replace(
            condition,
            equals=(
                reword(condition.equals) if isinstance(condition.equals, str) else condition.equals
            ),
            one_of=tuple(map(reword, condition.one_of)),
            includes=tuple(map(reword, condition.includes)),
        )

    return mapped(assessment, Condition, wait)
