"""Which scores an assessment can reach, and which of them its bands leave out or name twice."""

from __future__ import annotations

from dataclasses import dataclass

from almoner.vocabulary.numbers import number
from almoner.workshop.assessment_design import Assessment, Band, Question
from almoner.workshop.field_kinds import FIELD_KINDS


@dataclass(frozen=True)
class Reach:
    """The scores from ``lowest`` to ``highest``, both None where there is no end; ``whole``: they
    are whole numbers.

    ``counting`` is how many questions count.
    """

    lowest: float | None
    highest: float | None
    whole: bool
    counting: int


def reach(assessment: Assessment) -> Reach:
    """What the answers can add up to. A question that may stay unanswered counts 0 there."""
    lowest: float | None = 0
    highest: float | None = 0
    counting = [question for question in assessment.questions if counts(question)]
    for question in counting:
        least, most = _ends(question)
        if not question.required or question.shown_when is not None:
            least, most = _with_nothing(least, most)
        lowest = None if lowest is None or least is None else lowest + least
        highest = None if highest is None or most is None else highest + most
    return Reach(lowest, highest, all(map(_is_whole, counting)), len(counting))


def counts(question: Question) -> bool:
    """Whether the answer adds to the score."""
    return bool(question.points) or question.weight is not None


def remarks(bands: tuple[Band, ...], scores: Reach) -> list[str]:
    """What stands between these bands and one band for every score, as sentences."""
    sentences = []
    step = 1 if scores.whole else 0
    ordered = sorted(
        (band for band in bands if band.low <= band.high), key=lambda band: (band.low, band.high)
    )
    if not ordered:
        return []
    if scores.lowest is not None and ordered[0].low > scores.lowest:
        sentences.append(_left_out(scores.lowest, ordered[0].low, step, first=True))
    reached = ordered[0]
    for band in ordered[1:]:
        if band.low <= reached.high:
            sentences.append(
                f"{reached.name} and {band.name} overlap: a score belongs to one band only."
            )
        elif band.low > reached.high + step:
            sentences.append(_left_out(reached.high, band.low, step))
        if band.high > reached.high:
            reached = band
    if scores.highest is not None and reached.high < scores.highest:
        sentences.append(_left_out(reached.high, scores.highest, step, last=True))
    return sentences


def _left_out(low: float, high: float, step: int, first: bool = False, last: bool = False) -> str:
    """That no band holds what lies between two scores; the first and the last score that there is
    lie outside as well.
    """
    if not step:
        return f"No band holds the scores between {number(low)} and {number(high)}."
    start, end = low if first else low + 1, high if last else high - 1
    if start >= end:
        return f"No band holds the score {number(start)}."
    return f"No band holds the scores {number(start)} to {number(end)}."


def _ends(question: Question) -> tuple[float | None, float | None]:
    """The least and the most that an answer adds."""
    kind = FIELD_KINDS.get(question.kind)
    points = [question.points.get(choice, 0) for choice in question.choices] or [0]
    if kind is None or (question.weight is None and not question.points):
        return 0, 0
    if kind.answer == "choice":
        return min(points), max(points)
    if kind.answer == "choices":
        return sum(each for each in points if each < 0), sum(each for each in points if each > 0)
    weight = question.weight or 0
    if kind.answer == "truth":
        return min(0, weight), max(0, weight)
    ends = [None if limit is None else limit * weight for limit in (question.low, question.high)]
    return (ends[0], ends[1]) if weight >= 0 else (ends[1], ends[0])


def _with_nothing(least: float | None, most: float | None) -> tuple[float | None, float | None]:
    return None if least is None else min(0, least), None if most is None else max(0, most)


def _is_whole(question: Question) -> bool:
    kind = FIELD_KINDS.get(question.kind)
    numbers = [*question.points.values(), *(() if question.weight is None else (question.weight,))]
    is_broken = kind is not None and kind.answer == "number" and not kind.whole
    return not is_broken and all(float(each).is_integer() for each in numbers)
