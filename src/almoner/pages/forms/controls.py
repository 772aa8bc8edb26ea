"""The controls of a form: each is made from a kind and its value, and what was sent is read back as
a value of that kind.

A control is chosen by the kind's own widget, so that a kind that is added needs no further word
here unless its widget is new."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from almoner.pages import parsing
from almoner.pages.moment_fields import example
from almoner.vocabulary import clocks
from almoner.vocabulary.choices import Choice, Several, State
from almoner.vocabulary.contact_kinds import ZipCode
from almoner.vocabulary.kinds import Boolean, Kind, Texts
from almoner.vocabulary.numbers import Integer, Number, number
from almoner.vocabulary.times import TIMEZONES, IsoDateTime

# More choices than these are offered in a list that opens.
MOST_RADIOS: Final = 6
_YES_NO: Final = (("yes", "Yes"), ("no", "No"))
# A time of day that means no moment or two, with whose clocks these are.
_UNCLEAR: Final = re.compile(r"(?P<local>[-0-9T: ]{16})\[(?P<zone>[A-Za-z0-9_+/-]+)\]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_ZONES: Final = tuple((zone, zone) for zone in sorted(TIMEZONES))


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """One control with what stands around it.

    ``widget`` is that of the kind, or ``radios`` for yes and no and for few choices. ``options``
    are pairs of a value and what is shown; ``chosen`` the values that are ticked; ``value`` the
    text in the box. ``depth`` counts the follow-ups that lead to it. ``blank`` is what a list that
    opens has for no value; where it is empty, one has to be chosen."""

    id: str
    name: str
    label: str
    help: str
    required: bool
    widget: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    value: str = ""
    chosen: tuple[str, ...] = ()
    error: str = ""
    low: str = ""
    high: str = ""
    whole: bool = False
    depth: int = 0
    blank: str = "Choose"

    def is_untouched(self, sent: Iterable[str]) -> bool:
        """Whether a form sends what the control was drawn with."""
        drawn = [*filter(None, (self.value,)), *self.chosen]
        return [text for text in sent if text.strip()] == drawn


def with_value(
    view: FieldView,
    kind: Kind,
    value: Any,
    timezone: str,
    low: float | None = None,
    high: float | None = None,
) -> FieldView:
    """The control of a kind, with this JSON value in it.

    ``view`` says what it is called; ``low`` and ``high`` are the limits of a number, None for no
    limit. A value that does not fit is shown as it is. ``timezone`` is whose clock a moment is
    shown in."""
    widget, options = _control(kind, low, high)
    help_ = (view.help, _hint(kind, widget, low, high))
    view = replace(view, widget=widget, options=options, help=" ".join(filter(None, help_)))
    if isinstance(kind, Integer | Number):
        lowest, highest = ("" if limit is None else number(limit) for limit in (low, high))
        view = replace(view, low=lowest, high=highest, whole=isinstance(kind, Integer))
    if isinstance(kind, IsoDateTime):
        with_zone = " ".join(filter(None, (view.help, f"Time in {timezone}.")))
        return _moment_view(replace(view, help=with_zone), kind, value, timezone)
    texts = _texts(value)
    if widget == "lines":
        return replace(view, value="\n".join(texts))
    if widget in ("radios", "checkboxes", "scale", "select"):
        return replace(view, chosen=texts)
    return replace(view, value=texts[-1] if texts else "")


def value_of(kind: Kind, sent: Sequence[str], timezone: str) -> Any:
    """What was sent, as a JSON value of this kind; None where it is blank.

    What cannot be read so stays as it was typed, for the check that every value goes through to say
    what is wrong. ``timezone`` is whose clock a moment was typed by."""
    filled = tuple(text for text in sent if text.strip())
    if not filled:
        return None
    if isinstance(kind, Several):
        return list(filled)
    text = filled[-1]
    if isinstance(kind, Texts):
        return [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(kind, Boolean):
        return {"yes": True, "no": False}.get(text, text)
    if isinstance(kind, Integer | Number):
        return _number(text)
    if isinstance(kind, IsoDateTime):
        return _moment(filled, timezone)
    return text


def id_of(name: str) -> str:
    """A name as part of the id of an element, which has letters, digits and lines alone."""
    plain = name.replace(".", "-")
    return plain if _PLAIN.fullmatch(plain) else f"x{zlib.crc32(name.encode()):08x}"


def _control(
    kind: Kind, low: float | None, high: float | None
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The widget of a kind, and what can be picked in it."""
    if isinstance(kind, Boolean):
        return "radios", _YES_NO
    if isinstance(kind, Choice | Several):
        options = tuple((value, value) for value in kind.values)
        few = not isinstance(kind, State | Several) and len(options) <= MOST_RADIOS
        return "radios" if few else kind.widget, options
    if kind.widget == "scale":
        if low is None or high is None or not 0 < high - low <= 100:
            return "number", ()
        return kind.widget, tuple((str(step), str(step)) for step in range(int(low), int(high) + 1))
    if kind.widget == "timezone":
        return kind.widget, _ZONES
    if isinstance(kind, Texts):
        return "lines", ()
    return "zip_code" if isinstance(kind, ZipCode) else kind.widget, ()


def _hint(kind: Kind, widget: str, low: float | None, high: float | None) -> str:
    """How a value is typed into a control; blank where that goes without saying."""
    if widget in ("date", "datetime-local"):
        return f"Such as {example(widget)}."
    if widget == "lines":
        return "One on each line."
    if widget != "number":
        return kind.form_hint and f"{kind.form_hint[:1].upper()}{kind.form_hint[1:]}."
    if low is not None and high is not None:
        return f"From {number(low)} to {number(high)}."
    if low is not None:
        return f"{number(low)} or more."
    return "" if high is None else f"Up to {number(high)}."


def _texts(answer: Any) -> tuple[str, ...]:
    """An answer as the texts of its control."""
    if answer is None:
        return ()
    if isinstance(answer, list | tuple):
        return tuple(str(value) for value in answer)
    if isinstance(answer, bool):
        return ("yes" if answer else "no",)
    if isinstance(answer, int | float):
        return (number(answer),)
    return (str(answer),)


def _moment_view(view: FieldView, kind: IsoDateTime, answer: Any, timezone: str) -> FieldView:
    """The control of a date with a time; with both moments to choose from where the clocks pass
    that time twice.
    """
    if answer is None:
        return view
    unclear = _UNCLEAR.fullmatch(answer) if isinstance(answer, str) else None
    try:
        if unclear:
            meant = parsing.local_moment(unclear["local"], unclear["zone"])
            return replace(
                view,
                value=unclear["local"],
                error=meant.error,
                options=_both(meant.twice, unclear["zone"]),
            )
        moment = kind.parse(answer)
    except (ValueError, TypeError, OverflowError):
        return replace(view, value=str(answer))
    here = clocks.local(moment, timezone)
    twice = clocks.moments(here.date(), here.time(), timezone)
    chosen = (clocks.iso(moment),) if len(twice) > 1 else ()
    return replace(
        view,
        value=here.isoformat("T", "minutes")[:16],
        options=_both(twice, timezone) if chosen else (),
        chosen=chosen,
    )


def _both(twice: Sequence[datetime], timezone: str) -> tuple[tuple[str, str], ...]:
    return tuple((clocks.iso(moment), words) for moment, words in parsing.choices(twice, timezone))


def _moment(sent: Sequence[str], timezone: str) -> str:
    """The moment of a control of date and time, and of what was chosen beside it where the clocks
    pass that time twice.

    Where they skip it, or nothing was chosen, the text names its zone (RFC 9557): no value of the
    kind, and shown as it was typed."""
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
