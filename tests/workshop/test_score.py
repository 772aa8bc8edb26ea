"""What answers add up to."""

from __future__ import annotations

from typing import Any

import pytest

from almoner.vocabulary.definitions import Score
from almoner.workshop.assessment_design import (
    Assessment,
    AssessmentSection,
    Band,
    Condition,
    Question,
    Scoring,
)
from almoner.workshop.score import score

OFTEN = ("never", "some days", "often")
ASKED = (
    Question(name="low", kind="choice", choices=OFTEN, points={"some days": 1, "often": 2}),
    Question(name="signs", kind="choices", choices=("a", "b", "c"), points={"a": 0.1, "b": 0.2}),
    Question(name="pain", kind="scale", low=0, high=10, weight=0.5),
    Question(name="falls", kind="boolean", weight=3),
    Question(
        name="many", kind="integer", weight=1, shown_when=Condition(question="falls", equals=True)
    ),
    Question(name="noise", kind="integer"),
)
BANDS = (Band(name="well", low=0, high=0.3), Band(name="ill", low=2, high=4))


def scored(model: dict[str, Any], scoring: Scoring | None = Scoring(bands=BANDS)) -> Score | None:  # noqa: B008 - it is frozen
    return score(
        Assessment(
            id="a", name="A", sections=(AssessmentSection(questions=ASKED),), scoring=scoring
        ),
        model,
    )


@pytest.mark.parametrize(
    ("model", "total", "band"),
    [
        ({"low": "never"}, 0, "well"),
        ({"low": "never", "noise": 99}, 0, "well"),
        ({"signs": ["a", "b"]}, 0.3, "well"),
        ({"signs": ["a", "b", "c"], "low": "some days"}, 1.3, None),
        ({"signs": []}, 0, "well"),
        ({"pain": 4}, 2, "ill"),
        ({"pain": 5}, 2.5, "ill"),
        ({"pain": 8, "low": "never"}, 4, "ill"),
        ({"pain": 8, "signs": ["a"]}, 4.1, None),
        ({"falls": True}, 3, "ill"),
        ({"falls": False}, 0, "well"),
        ({"falls": True, "many": 2}, 5, None),
        # A question that is not asked counts nothing.
        ({"falls": False, "many": 2}, 0, "well"),
        ({"falls": None, "many": 2, "low": "often"}, 2, "ill"),
        # And neither does what does not fit.
        ({"low": "always", "pain": "4", "signs": ["z"], "falls": True}, 3, "ill"),
    ],
)
def test_a_score_is_the_sum_of_what_was_answered(
    model: dict[str, Any], total: float, band: str | None
) -> None:
    score_ = scored(model)
    assert score_ == Score(total, band)
    assert (type(score_.total), str(score_.total)) == (type(total), str(total))


@pytest.mark.parametrize("model", [{}, {"noise": 5}, {"low": None}, {"many": 3}, {"low": "always"}])
def test_there_is_no_score_where_nothing_that_counts_was_answered(model: dict[str, Any]) -> None:
    assert scored(model) is None


def test_there_is_no_score_where_the_assessment_has_none() -> None:
    assert scored({"low": "often"}, scoring=None) is None


def test_a_score_without_bands_means_nothing_in_particular() -> None:
    assert scored({"low": "often"}, scoring=Scoring()) == Score(2, None)
