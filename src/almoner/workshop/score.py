"""The score of an assessment: what its answers add up to, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from almoner.vocabulary.definitions import Score
from almoner.workshop.assessment_design import Assessment, Question
from almoner.workshop.questions import visible_questions

_Adding = Callable[[Any], int | Decimal | None]


def score(assessment: Assessment, model: Mapping[str, Any]) -> Score | None:
    """The score of these answers (JSON values by name); None where there is no scoring, or nothing
    that counts was answered.

    A question that is not asked counts nothing, and neither does an answer that does not fit its
    question."""
    return Scorer(assessment).score(model)


class Scorer:
    """Works out the scores of many answers to one assessment."""

    def __init__(self, assessment: Assessment) -> None:
        self._assessment = assessment
        self._is_scored = assessment.scoring is not None
        questions = assessment.questions
        self._counting = [
            (each.name, _adding(each))
            for each in questions
            if each.points or each.weight is not None
        ]
        self._asks_all = all(question.shown_when is None for question in questions)
        self._bands = [
            (band, _exact(band.low), _exact(band.high))
            for band in (assessment.scoring.bands if assessment.scoring is not None else ())
        ]

    def score(self, model: Mapping[str, Any]) -> Score | None:
        """As ``score`` has it."""
        if not self._is_scored:
            return None
        counting = self._counting
        if not self._asks_all:
            asked = visible_questions(self._assessment, model)
            counting = [(name, adding) for name, adding in counting if name in asked]
        answered = [
            added for name, adding in counting if (added := adding(model.get(name))) is not None
        ]
        if not answered:
            return None
        total = sum(answered)
        band = next((band for band, low, high in self._bands if low <= total <= high), None)
        whole = int(total)
        number = whole if total == whole else float(total)
        return Score(number, band.name, band.severity) if band else Score(number, None)


def _adding(question: Question) -> _Adding:
    """What tells what an answer adds; None where it does not count. A choice without points adds
    nothing, and counts as answered.
    """
    if question.points:
        points = {choice: _exact(question.points.get(choice, 0)) for choice in question.choices}

        def add_points(answer: Any) -> int | Decimal | None:
            if type(answer) is str:
                return points.get(answer)
            if type(answer) is list and all(
                type(choice) is str and choice in points for choice in answer
            ):
                return sum(points[choice] for choice in answer)
            return None

        return add_points
    weight = _exact(question.weight or 0)

    def add_weighted(answer: Any) -> int | Decimal | None:
        kind = type(answer)
        if kind is int:
            return weight * int(answer)
        return weight * _exact(answer) if kind is float or kind is bool else None

    return add_weighted


def _exact(number: float) -> int | Decimal:
    """The number as it is written: 0.1 is a tenth."""
    return int(number) if isinstance(number, int) else _decimal(number)


# Answers, weights and bands are few and are asked for again and again.
@lru_cache(maxsize=1024)
def _decimal(number: float) -> Decimal:
    return Decimal(str(number))
