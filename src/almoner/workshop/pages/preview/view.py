"""A form as whoever fills it in sees it, made from its design: for the previews of the Workshop and for filling it in.

A control is chosen by the kind's own widget, so that a kind that is added needs no further word here unless its widget is new.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from almoner import clocks
from almoner.choices import Choice, Several, State
from almoner.contact_kinds import ZipCode
from almoner.kinds import Boolean, Integer, Kind, Number, Text
from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.times import TIMEZONES, IsoDateTime
from almoner.workshop import questions
from almoner.workshop.design import Assessment, FieldDesign, Question
from almoner.workshop.field_kinds import FIELD_KINDS, Scale
from almoner.workshop.score import Score, score

# More choices than these are offered in a list that opens.
MOST_RADIOS: Final = 6
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_YES_NO: Final = (("yes", "Yes"), ("no", "No"))
# A time of day that means no moment or two, with whose clocks these are.
_UNCLEAR: Final = re.compile(r"(?P<local>[-0-9T: ]{16})\[(?P<zone>[A-Za-z0-9_+/-]+)\]")
_ZONES: Final = tuple((zone, zone) for zone in sorted(TIMEZONES))


@dataclass(frozen=True)
class FieldView:
    """One control with what stands around it.

    ``widget`` is that of the kind, or ``radios`` for yes and no and for few choices. ``options`` are pairs of a value and what is
    shown; ``chosen`` the values that are ticked; ``value`` the text in the box. ``depth`` counts the follow-ups that lead to it.
    """

    id: str
    name: str
    label: str
    help: str
    required: bool
    widget: str
    options: tuple[tuple[str, str], ...] = ()
    value: str = ""
    chosen: tuple[str, ...] = ()
    error: str = ""
    low: str = ""
    high: str = ""
    whole: bool = False
    depth: int = 0


@dataclass(frozen=True)
class SectionView:
    """A part of a form under its heading."""

    id: str
    heading: str
    description: str
    footer: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True)
class FormView:
    """A whole assessment. ``score`` is None where it has none."""

    title: str
    sections: tuple[SectionView, ...]
    score: Score | None


def form_view(
    assessment: Assessment,
    answers: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    prefix: str = "",
    timezone: str = "UTC",
    live: bool = False,
) -> FormView:
    """An assessment with these answers, without the follow-ups that they do not call for.

    ``answers`` are JSON values by name, as the API has them; one that does not fit is shown as it is, and counts for nothing.
    ``errors`` are sentences by name. ``timezone`` is whose clock dates with a time are shown in. ``live``: the page is being
    filled in at this moment, and what is typed in it is left to the browser.
    """
    known = fitting(assessment.questions, answers)
    asked = questions.shown(assessment, known)
    views = fields_view(assessment.questions, answers, errors, prefix, timezone, live)
    by_question = iter(zip(assessment.questions, views, strict=True))
    depths = depth_of(assessment.questions)
    sections = []
    for number, section in enumerate(assessment.sections):
        fields = [
            replace(view, depth=depths[question.name])
            for question, view in (next(by_question) for _ in section.questions)
            if question.name in asked
        ]
        sections.append(
            SectionView(f"{prefix}section-{number}", section.heading, section.description, section.footer, tuple(fields))
        )
    return FormView(assessment.title or assessment.name, tuple(sections), score(assessment, known))


def fields_view(
    fields: Iterable[FieldDesign],
    answers: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    prefix: str = "",
    timezone: str = "UTC",
    live: bool = False,
) -> tuple[FieldView, ...]:
    """These fields with these values, each with an id of its own. The arguments are those of ``form_view``."""
    told = errors or {}
    seen: dict[str, int] = {}
    views = []
    for field in fields:
        plain = field.name if _PLAIN.fullmatch(field.name) else f"x{zlib.crc32(field.name.encode()):08x}"
        seen[plain] = seen.get(plain, 0) + 1
        at = f"{prefix}{plain}" + (f"--{seen[plain]}" if seen[plain] > 1 else "")
        view = _view(field, answers.get(field.name), at, f"{prefix}{field.name}", timezone)
        error = view.error or told.get(field.name, "")
        views.append(replace(view, error=error, value="" if live else view.value))
    return tuple(views)


def depth_of(asked: Iterable[Question]) -> dict[str, int]:
    """How many follow-ups lead to each question; a circle ends where it closes."""
    waits = {question.name: question.shown_when.question if question.shown_when else "" for question in asked}
    depths = {}
    for name in waits:
        walked = {name}
        before = waits[name]
        while before in waits and before not in walked:
            walked.add(before)
            before = waits[before]
        depths[name] = len(walked) - 1
    return depths


def read(fields: Iterable[FieldDesign], form: Form, prefix: str = "", timezone: str = "UTC") -> dict[str, Any]:
    """The answers of a form that was sent, as JSON values. A blank is no answer.

    What cannot be read as its kind stays as it was typed, for the check that every answer goes through to say what is wrong.
    ``timezone`` is whose clock dates with a time were typed by.
    """
    answers: dict[str, Any] = {}
    for field in fields:
        kind = kind_of(field)
        sent = tuple(text for text in form.texts(f"{prefix}{field.name}") if text.strip())
        if sent:
            answers[field.name] = list(sent) if isinstance(kind, Several) else _value(kind, sent, timezone)
    return answers


def fitting(fields: Iterable[FieldDesign], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the answers that their kind accepts."""
    kept = {}
    for field in fields:
        problems: list[Any] = []
        if field.name in answers:
            kind_of(field).decode(answers[field.name], field.name, problems)
            if not problems:
                kept[field.name] = answers[field.name]
    return kept


def kind_of(field: FieldDesign) -> Kind:
    """What checks the values of a field; any text where its kind is none that there is, as in a draft that is not right yet."""
    known = FIELD_KINDS.get(field.kind)
    is_endless = any(isinstance(limit, float) and not math.isfinite(limit) for limit in (field.low, field.high))
    return Text() if known is None or is_endless else known.make(field)


def number(value: int | float) -> str:
    """A number as people write it: 3 and not 3.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _view(field: FieldDesign, answer: Any, at: str, name: str, timezone: str) -> FieldView:
    kind = kind_of(field)
    widget, options = _control(kind, field)
    view = FieldView(at, name, field.label or field.name, field.help, field.required, widget, options)
    if isinstance(kind, Integer | Number):
        low, high = ("" if limit is None else number(limit) for limit in (field.low, field.high))
        view = replace(view, low=low, high=high, whole=isinstance(kind, Integer))
    if isinstance(kind, IsoDateTime):
        told = " ".join(filter(None, (field.help, f"Time in {timezone}.")))
        return _moment_view(replace(view, help=told), kind, answer, timezone)
    texts = _texts(kind, answer, timezone)
    if widget in ("radios", "checkboxes", "scale", "select"):
        return replace(view, chosen=texts)
    return replace(view, value=texts[-1] if texts else "")


def _control(kind: Kind, field: FieldDesign) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The widget of a kind, and what can be picked in it."""
    if isinstance(kind, Boolean):
        return "radios", _YES_NO
    if isinstance(kind, Choice | Several):
        options = tuple((value, value) for value in kind.values)
        few = not isinstance(kind, State | Several) and len(options) <= MOST_RADIOS
        return "radios" if few else kind.widget, options
    if isinstance(kind, Scale):
        if field.low is None or field.high is None or not 0 < field.high - field.low <= 100:
            return "number", ()
        return kind.widget, tuple((str(step), str(step)) for step in range(int(field.low), int(field.high) + 1))
    if kind.widget == "timezone":
        return kind.widget, _ZONES
    return "zip_code" if isinstance(kind, ZipCode) else kind.widget, ()


def _texts(kind: Kind, answer: Any, timezone: str) -> tuple[str, ...]:
    """An answer as the texts of its control."""
    if answer is None:
        return ()
    if isinstance(answer, list | tuple):
        return tuple(str(one) for one in answer)
    if isinstance(answer, bool):
        return ("yes" if answer else "no",)
    if isinstance(answer, int | float):
        return (number(answer),)
    return (str(answer),)


def _moment_view(view: FieldView, kind: IsoDateTime, answer: Any, timezone: str) -> FieldView:
    """The control of a date with a time; with both moments to choose from where the clocks pass that time twice."""
    if answer is None:
        return view
    unclear = _UNCLEAR.fullmatch(answer) if isinstance(answer, str) else None
    try:
        if unclear:
            meant = parsing.local_moment(unclear["local"], unclear["zone"])
            return replace(view, value=unclear["local"], error=meant.error, options=_both(meant.twice, unclear["zone"]))
        moment = kind.parse(answer)
    except (ValueError, TypeError, OverflowError):
        return replace(view, value=str(answer))
    here = clocks.local(moment, timezone)
    twice = clocks.moments(here.date(), here.time(), timezone)
    chosen = (clocks.iso(moment),) if len(twice) > 1 else ()
    return replace(view, value=here.isoformat("T", "minutes")[:16], options=_both(twice, timezone) if chosen else (), chosen=chosen)


def _both(twice: Sequence[datetime], timezone: str) -> tuple[tuple[str, str], ...]:
    return tuple((clocks.iso(moment), said) for moment, said in parsing.choices(twice, timezone))


def _value(kind: Kind, sent: Sequence[str], timezone: str) -> Any:
    """What was typed, as a JSON value of its kind; as it is where it cannot be read so."""
    text = sent[-1]
    if isinstance(kind, Boolean):
        return {"yes": True, "no": False}.get(text, text)
    if isinstance(kind, Integer | Number):
        return _number(text)
    if isinstance(kind, IsoDateTime):
        return _moment(sent, timezone)
    return text


def _moment(sent: Sequence[str], timezone: str) -> str:
    """The moment of a control of date and time, and of what was chosen beside it where the clocks pass that time twice.

    Where they skip it, or nothing was chosen, the text names its zone (RFC 9557): no value of the kind, and shown as it was typed.
    """
    text = sent[0]
    try:
        meant = parsing.local_moment(text, timezone, sent[1:])
    except ValueError:
        return text
    return clocks.iso(meant.moment) if meant.moment else f"{text[:16]}[{timezone}]"


def _number(text: str) -> int | float | str:
    """The number that was typed; the text where it is none."""
    try:
        return parsing.number(text.strip())
    except ValueError:
        return text
