"""The form of a goal: its title, and the number that it is reached at, where it has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from almoner.pages import parsing
from almoner.portal import moment_words
from almoner.portal.care_flows.changes import Part
from almoner.portal.measures.measure import Measure
from almoner.vocabulary.numbers import number

# What the form sends of a goal.
NAMES: Final = ("title", "measure", "begins", "target", "direction", "by")
BLANK: Final[Mapping[str, str]] = dict.fromkeys(NAMES, "")
_SOON: Final = ("in 1 month", "in 3 months", "in 6 months", "in 1 year")
_DIRECTIONS: Final = ("down", "up")


def texts_of(goal: Part) -> dict[str, str]:
    """A goal as its form shows it."""
    target = goal.get("target")
    if target is None:
        return {**BLANK, "title": goal["title"]}
    return {
        "title": goal["title"],
        "measure": Measure.of_target(target).key,
        "begins": "" if target["from"] is None else number(target["from"]),
        "target": number(target["value"]),
        "direction": target["direction"],
        "by": target["by"] or "",
    }


def wrong(values: Mapping[str, str], measures: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is wrong with what was typed beside the title, by field. ``measures`` are those to
    choose from.
    """
    errors: dict[str, str] = {}
    if not values["measure"]:
        return errors
    if values["measure"] not in {key for key, _ in measures}:
        errors["measure"] = "The program does not measure this any more. Choose something else."
    if values["begins"].strip() and _number(values["begins"]) is None:
        errors["begins"] = "Write a number, or leave it blank."
    if _number(values["target"]) is None:
        errors["target"] = "Write the number at which the goal is reached."
    if _direction(values) not in _DIRECTIONS:
        errors["direction"] = "Say on which side of the target the goal is reached."
    if values["by"].strip() and _by(values) is None:
        errors["by"] = "Choose a day, write when it is, as in 3 months, or leave it blank."
    return errors


def over(values: Mapping[str, str], today: date) -> dict[str, str]:
    """What is wrong with when a new goal is to be reached: a day before ``today``, which is where
    the patient lives.
    """
    day = _by(values) if values["measure"] else None
    return {"by": "Choose a day that is not over."} if day is not None and day < today else {}


def target_of(values: Mapping[str, str]) -> Part | None:
    """The target that a right form states; None where the goal has no number."""
    if not values["measure"]:
        return None
    measure = Measure.of_key(values["measure"])
    day = _by(values)
    return {
        "of": measure.of,
        "field": measure.field or None,
        "choice": measure.choice or None,
        "from": _number(values["begins"]),
        "value": _number(values["target"]),
        "direction": _direction(values),
        "by": None if day is None else day.isoformat(),
    }


def with_day(values: Mapping[str, str], today: date) -> dict[str, str]:
    """What was typed, with the day that its words mean (``in 3 months``) where they do; ``today``
    is where the patient lives.
    """
    meant = moment_words.meant(values["by"], datetime.combine(today, time(), UTC))
    if meant is None or _by(values) is not None:
        return dict(values)
    return {**values, "by": meant.day.isoformat()}


def soon(today: date) -> list[tuple[str, str]]:
    """Days that goals are often due on: in ISO 8601, and in words."""
    days = ((text, with_day({"by": text}, today)["by"]) for text in _SOON)
    return [(day, text) for text, day in days]


def _by(values: Mapping[str, str]) -> date | None:
    """The day by which a goal is to be reached; None where there is none."""
    return parsing.day(values["by"], 1901, 2199)


def _direction(values: Mapping[str, str]) -> str:
    """The direction that was chosen, else the one from the start to the target; blank where these
    say none.
    """
    begins, target = _number(values["begins"]), _number(values["target"])
    if values["direction"] or begins is None or target is None or begins == target:
        return values["direction"]
    return "down" if target < begins else "up"


def _number(text: str) -> Any:
    try:
        return parsing.number(text.strip())
    except ValueError:
        return None
