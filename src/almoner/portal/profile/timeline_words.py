"""A timeline's entries in words: what happened, by whom and through what, and where it can be read
whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from almoner.pages.filters import counted
from almoner.pages.notation import time_of_day
from almoner.portal.profile.answer_words import designs_of_answers, response
from almoner.portal.profile.change_words import changed, design_of, name_in_words, thing
from almoner.portal.profile.encounter_words import NAMED, call, note, with_error
from almoner.portal.profile.first_booking import tells_of_booking
from almoner.portal.profile.folded_changes import FoldedChanges
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.profile.timeline_details import OWN_FIELDS
from almoner.portal.profile.timeline_line import LineChip, TimelineContext, TimelineLine
from almoner.portal.value_words import Zones, beyond, field_values, in_unit, without_units
from almoner.portal.values import facts, in_line, value_fields
from almoner.processes.undo import THROUGH
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program

CHANNELS: Final = {
    "phone": "SMS",
    "email": "e-mail",
    "app": "app message",
    "third_party_app": "message in another app",
}
_OUTCOMES: Final = {"completed": "good", "cancelled": "", "no-show": "warn"}
# What a change of a care flow that is told as a completed step anyway may be late by.
_SAME: Final = timedelta(seconds=10)
# So many values of a record are told; the record has them all.
_MOST_VALUES: Final = 5


@dataclass(frozen=True)
class TimelineDay:
    """The entries of one day in the zone that the timeline is read in. ``heading`` is empty where
    the page before ended in it.

    ``folded`` is what changed on that day beside them, or until it where they are none; None where
    nothing did, or changes are entries themselves."""

    day: date
    heading: str
    lines: tuple[TimelineLine, ...]
    folded: FoldedChanges | None = None


def days(
    lines: Iterable[TimelineLine],
    zone: str,
    now: datetime,
    before: datetime | None,
    folded: Iterable[FoldedChanges] = (),
) -> tuple[TimelineDay, ...]:
    """The lines by day. ``before`` is the moment of the entry that the page before ended with."""
    by_day: dict[date, list[TimelineLine]] = {}
    for line in lines:
        by_day.setdefault(clocks.day_of(line.entry.at, zone), []).append(line)
    known = clocks.day_of(before, zone) if before else None
    today = clocks.day_of(now, zone)
    changes = {fold.newest: fold for fold in folded}
    return tuple(
        TimelineDay(
            day,
            "" if day == known else _heading(day, changes.get(day), today),
            tuple(by_day.get(day, ())),
            changes.get(day),
        )
        for day in sorted({*by_day, *changes}, reverse=True)
    )


def _heading(day: date, fold: FoldedChanges | None, today: date) -> str:
    """The day, or the days that its changes stand for."""
    newest = day_in_words(day, today)
    if fold is None or fold.oldest == day:
        return newest
    return f"{day_in_words(fold.oldest, today)} to {newest}"


def day_in_words(day: date, today: date) -> str:
    """``Today``, ``Yesterday``, ``Sunday, 22 November``; with the year where it is another one."""
    named = {
        today: "Today",
        today - timedelta(days=1): "Yesterday",
        today + timedelta(days=1): "Tomorrow",
    }.get(day)
    if named:
        return named
    return f"{day:%A}, {day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def lines(entries: Sequence[TimelineEntry], reading: TimelineContext) -> tuple[TimelineLine, ...]:
    """The entries in words, without the changes that another entry tells of already."""
    done = [
        (entry.details.get("id"), entry.at)
        for entry in entries
        if entry.resource == "interventions"
    ]
    worded = (_WORDS.get(entry.resource, _added)(entry, reading) for entry in entries)
    return tuple(
        with_error(_with_reason(_with_own(line, reading), reading), reading)
        for line in worded
        if not _is_repeated(line, done)
    )


def _with_own(line: TimelineLine, reading: TimelineContext) -> TimelineLine:
    """The line with what a site has added to its collection."""
    own = OWN_FIELDS.get(line.entry.resource, ())
    text = in_line(facts(own, line.entry.details, reading.speaking), line.text)
    return replace(line, text=text)


def _with_reason(line: TimelineLine, reading: TimelineContext) -> TimelineLine:
    """The line with what did it by itself, and the way to what set that off."""
    reason = reading.reasons.get(line.entry.firing_id)
    if reason is None:
        return line
    place = BY_NAME[reason.resource].place if reason.resource else ""
    path = f"{reading.base}{place.format(id=reason.row_id)}" if place else ""
    if line.entry.details.get("through") == THROUGH:
        return replace(line, why=f"Taken back. {reason.text}", why_path=path)
    undo = f"{reading.base}/undo/{line.entry.firing_id}" if reason.may_be_undone else ""
    return replace(line, why=reason.text, why_path=path, undo_path=undo)


def designs_needed(entries: Iterable[TimelineEntry], program: Program) -> set[tuple[str, str, int]]:
    """The designs that the wording of these entries needs."""
    needed = set()
    for entry in entries:
        if entry.resource == "assessment_responses":
            needed |= designs_of_answers(entry, program)
        elif entry.resource == "changes" and (key := design_of(entry.details, program)):
            needed.add(key)
    return needed


def rows_of(entries: Iterable[TimelineEntry]) -> Iterable[Mapping[str, Any]]:
    """The new rows among them that are told field by field, as changes of the log: the names in
    both are looked up together.
    """
    for entry in entries:
        is_worded = entry.resource in _WORDS and entry.resource not in NAMED
        if not is_worded or OWN_FIELDS.get(entry.resource):
            yield {
                "resource": entry.resource,
                "differences": {name: [value] for name, value in entry.details.items()},
            }


def completes_only(line: TimelineLine) -> bool:
    """Whether a line is of a change that did nothing but complete an intervention."""
    entry = line.entry
    if entry.resource != "changes" or entry.details["kind"] != "update":
        return False
    if entry.details["resource"] != "care_flows":
        return False
    return all(d.title.endswith("completed") and not (d.was or d.now) for d in line.differences)


def _is_repeated(line: TimelineLine, done: list[tuple[Any, datetime]]) -> bool:
    """Whether a line tells nothing but that an intervention was completed, which stands as
    itself.
    """
    entry = line.entry
    return completes_only(line) and any(
        row_id == entry.details["row_id"] and abs(entry.at - at) < _SAME for row_id, at in done
    )


def _message(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details = entry.details
    channel = CHANNELS.get(details["conversation_type"] or "", "message")
    unread = (LineChip("unread", "info"),) if details["unread"] else ()
    by = f"{details['worker']}: " if details["worker"] else ""
    title = f"{details['direction'].capitalize()} {channel}"
    return TimelineLine(
        entry=entry,
        icon="message",
        title=title,
        text=f"{by}“{details['contents']}”",
        chips=unread,
        path=f"{reading.base}?tab=messages#conversation",
    )


def _event(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details, is_booking = entry.details, tells_of_booking(entry)
    if is_booking:
        details = _as_booked(entry, reading)
    kind = reading.program.title("appointment_types", details["appointment_type"])
    starts = details["start_time"] and datetime.fromisoformat(details["start_time"])
    ends = details["end_time"] and datetime.fromisoformat(details["end_time"])
    chips = (
        (LineChip(details["outcome"], _OUTCOMES[details["outcome"]]),) if details["outcome"] else ()
    )
    length = (
        counted(round((ends - starts).total_seconds() / 60), "minute")
        if starts and ends
        else "all day"
    )
    text = " · ".join((length, details["modality"], f"with {details['worker']}"))
    path = f"/calendar/events/{entry.id}"
    if is_booking and not details["outcome"]:
        day = clocks.day_of(starts, reading.zone) if starts else date.fromisoformat(details["day"])
        at = f", {time_of_day(clocks.local(starts, reading.zone))}" if starts else ""
        return TimelineLine(
            entry=entry,
            icon="calendar",
            title=f"{kind} booked for {day.day} {day:%B}{at}",
            text=text,
            chips=chips,
            path=path,
        )
    icon = {"call": "phone", "phone": "phone"}.get(details["modality"], "calendar")
    return TimelineLine(
        entry=entry,
        icon=icon,
        title=kind,
        text=text,
        chips=chips,
        path=path,
        whole_day=starts is None,
    )


def _as_booked(entry: TimelineEntry, reading: TimelineContext) -> Mapping[str, Any]:
    """What was booked then: that it was moved, handed over or ended since is told by entries of
    their own.
    """
    then = reading.booked.get(entry.id, {})
    worker = (
        {"worker": reading.names.get(then["calendar_id"], entry.details["worker"])}
        if "calendar_id" in then
        else {}
    )
    return {**entry.details, **then, **worker}


def _record(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    name = entry.details["type_name"]
    data_type = reading.program.custom_data_types.get(name)
    model = data_type.body.by_name if data_type else {}
    zones, body = Zones(reading.zone, reading.zone), entry.details["body"]
    every = tuple(model.values())
    numbered = [
        (value.label, in_unit(value.value, model[value.name], body, every))
        for value in field_values(without_units(every), body, zones)
    ]
    left = ((value.label, value.value) for value in beyond(model, body, zones))
    texts = [f"{label}: {words}" for label, words in (*numbered, *left) if words]
    quoted = texts[:_MOST_VALUES]
    if len(texts) > _MOST_VALUES:
        quoted.append(f"{len(texts) - _MOST_VALUES} more")
    title = data_type.title if data_type else name
    return TimelineLine(
        entry=entry,
        icon="card",
        title=title,
        text=" · ".join(quoted),
        chips=(),
        path=f"{reading.base}/records/{entry.id}",
    )


def _added(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """A new row of any collection that has no words of its own: which it is, and what it says."""
    resource = BY_NAME[entry.resource]
    apart = (resource.named, *(resource.any_reference or ()))
    fields = [field for field in value_fields(resource) if field.name not in apart]
    title = (
        f"{thing(entry.resource)} added ·"
        f" {name_in_words(resource, entry.details.get(resource.named), reading)}"
    )
    path = f"{reading.base}{resource.place.format(id=entry.id)}"
    new_facts = facts(fields, entry.details, reading.speaking)
    return TimelineLine(entry=entry, icon="card", title=title, text=in_line(new_facts), path=path)


def _merge(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details = entry.details
    patient = reading.program.terminology.get("patient", "patient")
    titles = ((BY_NAME[name], number) for name, number in details["moved"].items() if number)
    moved = ", ".join(
        counted(number, resource.singular, resource.title.lower()) for resource, number in titles
    )
    text = " · ".join(
        part
        for part in (f"moved: {moved}" if moved else "nothing to move", f"by {details['name']}")
        if part
    )
    title = f"Another record of this {patient} was merged into this one · {details['other']}"
    return TimelineLine(
        entry=entry,
        icon="person",
        title=title,
        text=text,
        chips=(),
        path=f"{reading.base}/merged/{entry.id}",
    )


def _flow(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    return TimelineLine(
        entry=entry,
        icon="plan",
        title="Care flow started",
        text=entry.details["description"],
        chips=(),
        path=f"{reading.base}/care-flows/{entry.id}",
    )


def _step(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details = entry.details
    by = f", by {details['worker']}" if details.get("worker") else ""
    text = f"Care flow “{details.get('description', '')}”{by}"
    path = f"{reading.base}/care-flows/{details.get('id', '')}"
    return TimelineLine(
        entry=entry,
        icon="check",
        title=f"Intervention completed · {details.get('title', '')}",
        text=text,
        chips=(),
        path=path,
    )


def _patient(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    return TimelineLine(
        entry=entry,
        icon="person",
        title=f"{reading.program.terminology.get('patient', 'patient').capitalize()} entered",
    )


_WORDS: Final[Mapping[str, Callable[[TimelineEntry, TimelineContext], TimelineLine]]] = {
    "messages": _message,
    "calendar_events": _event,
    "assessment_responses": response,
    "custom_data_type_records": _record,
    "calls": call,
    "notes": note,
    "care_flows": _flow,
    "interventions": _step,
    "patient_merges": _merge,
    "patients": _patient,
    "changes": changed,
}
