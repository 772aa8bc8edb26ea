"""The score of an assessment: what its answers add up to, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from almoner.workshop.design import Assessment, Question
from almoner.workshop.questions import visible_questions


@dataclass(frozen=True)
class Score:
    """A sum without rounding errors, whole where it is a whole number; ``band`` is None outside of every band."""

    total: int | float
    band: str | None


def score(assessment: Assessment, model: Mapping[str, Any]) -> Score | None:
    """The score of these answers (JSON values by name); None where there is no scoring, or nothing that counts was answered.

    A question that is not asked counts nothing, and neither does an answer that does not fit its question.
    """
    if assessment.scoring is None:
        return None
    asked = visible_questions(assessment, model)
    counted = [_counted(question, model.get(question.name)) for question in assessment.questions if question.name in asked]
    answered = [value for value in counted if value is not None]
    if not answered:
        return None
    total = sum(answered, Decimal(0))
    bands = assessment.scoring.bands
    band = next((band.name for band in bands if _exact(band.low) <= total <= _exact(band.high)), None)
    return Score(int(total) if total == total.to_integral_value() else float(total), band)


def _counted(question: Question, answer: Any) -> Decimal | None:
    """What an answer adds; None where it does not count. A choice without points adds nothing, and counts as answered."""
    if question.points:
        if type(answer) is str and answer in question.choices:
            return _exact(question.points.get(answer, 0))
        if type(answer) is list and all(choice in question.choices for choice in answer):
            return sum((_exact(question.points.get(choice, 0)) for choice in answer), Decimal(0))
    elif question.weight is not None and type(answer) in (bool, int, float):
        return _exact(question.weight) * _exact(answer)
    return None


def _exact(number: float) -> Decimal:
    """The number as it is written: 0.1 is a tenth."""
    return Decimal(int(number)) if isinstance(number, bool) else Decimal(str(number))
