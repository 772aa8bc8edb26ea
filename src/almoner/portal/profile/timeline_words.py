"""A timeline's entries in words: what happened, by whom and through what, and where it can be read whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from almoner.pages.filters import counted
from almoner.pages.notation import time_of_day
from almoner.portal.profile.change_words import changed, design_of, name_in_words, thing
from almoner.portal.profile.first_booking import tells_of_booking
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.profile.timeline_line import LineChip, TimelineContext, TimelineLine
from almoner.portal.records.values import Zones, beyond, field_values
from almoner.portal.values import fields_in_words, in_words, value_fields
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program
from almoner.workshop.design import Assessment, CustomDataType
from almoner.workshop.score import score

CHANNELS: Final = {"phone": "SMS", "email": "e-mail", "app": "app message", "third_party_app": "message in another app"}
_OUTCOMES: Final = {"completed": "good", "cancelled": "", "no-show": "warn"}
# What a change of a care flow that is told as a completed step anyway may be late by.
_SAME: Final = timedelta(seconds=10)
# So many values of a record are told; the record has them all.
_MOST_VALUES: Final = 5


@dataclass(frozen=True)
class TimelineDay:
    """The entries of one day in the zone that the timeline is read in. ``heading`` is empty where the page before ended in it."""

    day: date
    heading: str
    lines: tuple[TimelineLine, ...]


def days(lines: Iterable[TimelineLine], zone: str, now: datetime, before: datetime | None) -> tuple[TimelineDay, ...]:
    """The lines by day. ``before`` is the moment of the entry that the page before ended with."""
    found: dict[date, list[TimelineLine]] = {}
    for line in lines:
        found.setdefault(clocks.day_of(line.entry.at, zone), []).append(line)
    known = clocks.day_of(before, zone) if before else None
    today = clocks.day_of(now, zone)
    return tuple(TimelineDay(day, "" if day == known else day_in_words(day, today), tuple(of)) for day, of in found.items())


def day_in_words(day: date, today: date) -> str:
    """``Today``, ``Yesterday``, ``Sunday, 22 November``; with the year where it is another one."""
    named = {today: "Today", today - timedelta(days=1): "Yesterday", today + timedelta(days=1): "Tomorrow"}.get(day)
    if named:
        return named
    return f"{day:%A}, {day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def lines(entries: Sequence[TimelineEntry], reading: TimelineContext) -> tuple[TimelineLine, ...]:
    """The entries in words, without the changes that another entry tells of already."""
    done = [(entry.details.get("id"), entry.at) for entry in entries if entry.resource == "interventions"]
    all_lines = (_WORDS.get(entry.resource, _added)(entry, reading) for entry in entries)
    return tuple(line for line in all_lines if not _is_told(line, done))


def designs_needed(entries: Iterable[TimelineEntry], program: Program) -> set[tuple[str, str, int]]:
    """The designs that the wording of these entries needs."""
    found = set()
    for entry in entries:
        if entry.resource == "assessment_responses":
            version = entry.details.get("version")
            newest = program.newest_specs.get(entry.details["spec_id"])
            if version or newest:
                found.add(("assessment", entry.details["spec_id"], version or (newest.version if newest else 1)))
        elif entry.resource == "custom_data_type_records" and entry.details["type_name"] in program.custom_data_types:
            found.add(
                ("custom_data_type", entry.details["type_name"], program.custom_data_types[entry.details["type_name"]].version)
            )
        elif entry.resource == "changes" and (key := design_of(entry.details, program)):
            found.add(key)
    return found


def rows_told(entries: Iterable[TimelineEntry]) -> Iterable[Mapping[str, Any]]:
    """The new rows among them that are told field by field, as changes of the log: the names in both are looked up together."""
    for entry in entries:
        if entry.resource not in _WORDS:
            yield {"resource": entry.resource, "differences": {name: [value] for name, value in entry.details.items()}}


def _is_told(line: TimelineLine, done: list[tuple[Any, datetime]]) -> bool:
    """Whether a line tells nothing but that an intervention was completed, which stands as itself."""
    entry = line.entry
    if entry.resource != "changes" or entry.details["kind"] != "update":
        return False
    if entry.details["resource"] != "care_flows":
        return False
    beyond_it = [one for one in line.differences if one.was or one.now or not one.title.endswith("completed")]
    return not beyond_it and any(row_id == entry.details["row_id"] and abs(entry.at - at) < _SAME for row_id, at in done)


def _message(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details = entry.details
    channel = CHANNELS.get(details["conversation_type"] or "", "message")
    unread = (LineChip("unread", "info"),) if details["unread"] else ()
    by = f"{details['worker']}: " if details["worker"] else ""
    title, text = f"{details['direction'].capitalize()} {channel}", f"{by}“{details['contents']}”"
    return TimelineLine(entry=entry, icon="message", title=title, text=text, chips=unread, path=f"{reading.base}#conversation")


def _event(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details, is_booking = entry.details, tells_of_booking(entry)
    if is_booking:
        details = _as_booked(entry, reading)
    kind = reading.program.title("appointment_types", details["appointment_type"])
    starts = details["start_time"] and datetime.fromisoformat(details["start_time"])
    ends = details["end_time"] and datetime.fromisoformat(details["end_time"])
    chips = (LineChip(details["outcome"], _OUTCOMES[details["outcome"]]),) if details["outcome"] else ()
    length = counted(round((ends - starts).total_seconds() / 60), "minute") if starts and ends else "all day"
    text = " · ".join((length, details["modality"], f"with {details['worker']}"))
    path = f"/calendar/events/{entry.id}"
    if is_booking and not details["outcome"]:
        day = clocks.day_of(starts, reading.zone) if starts else date.fromisoformat(details["day"])
        at = f", {time_of_day(clocks.local(starts, reading.zone))}" if starts else ""
        return TimelineLine(
            entry=entry, icon="calendar", title=f"{kind} booked for {day.day} {day:%B}{at}", text=text, chips=chips, path=path
        )
    icon = {"call": "phone", "phone": "phone"}.get(details["modality"], "calendar")
    return TimelineLine(entry=entry, icon=icon, title=kind, text=text, chips=chips, path=path, whole_day=starts is None)


def _as_booked(entry: TimelineEntry, reading: TimelineContext) -> Mapping[str, Any]:
    """What was booked then: that it was moved, handed over or ended since is told by entries of their own."""
    then = reading.booked.get(entry.id, {})
    worker = {"worker": reading.names.get(then["calendar_id"], entry.details["worker"])} if "calendar_id" in then else {}
    return {**entry.details, **then, **worker}


def _response(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details, version = entry.details, entry.details["version"]
    newest = reading.program.newest_specs.get(details["spec_id"])
    design = reading.designs.get(("assessment", details["spec_id"], version or (newest.version if newest else 1)))
    chips: tuple[LineChip, ...] = ()
    name, answers = details["title"] or details["spec_id"], len(details["model"])
    if isinstance(design, Assessment):
        name = details["title"] or design.name
        scored = score(design, details["model"])
        if scored:
            chips = (
                LineChip(f"score {scored.total:g}" + (f" · {scored.band}" if scored.band else ""), "info" if scored.band else ""),
            )
    text = counted(answers, "answer") + (f" · version {version}" if version else "")
    return TimelineLine(entry=entry, icon="form", title=name, text=text, chips=chips, path=f"{reading.base}/assessments/{entry.id}")


def _record(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    name = entry.details["type_name"]
    known = reading.program.custom_data_types.get(name)
    design = reading.designs.get(("custom_data_type", name, known.version)) if known else None
    fields = design.fields if isinstance(design, CustomDataType) else ()
    zones, body = Zones(reading.zone, reading.zone), entry.details["body"]
    values = [one for one in (*field_values(fields, body, zones), *beyond(fields, body, zones)) if one.value]
    shown = [f"{one.label}: {one.value}" for one in values[:_MOST_VALUES]]
    if len(values) > _MOST_VALUES:
        shown.append(f"{len(values) - _MOST_VALUES} more")
    title = (design.title or name) if isinstance(design, CustomDataType) else name
    return TimelineLine(
        entry=entry, icon="card", title=title, text=" · ".join(shown), chips=(), path=f"{reading.base}/records/{entry.id}"
    )


def _task(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    kind = reading.program.title("task_types", entry.details["task_type"])
    chips = (LineChip("dismissed"),) if entry.details["dismissed"] else ()
    return TimelineLine(entry=entry, icon="check", title=f"Task: {kind}", text="", chips=chips, path=f"{reading.base}/tasks")


def _added(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """A new row of any collection that has no words of its own: which it is, and what it says."""
    resource = BY_NAME[entry.resource]
    says = resource.presented.says
    if says:
        texts = [in_words(resource.field(name), entry.details[name], reading.speaking) for name in says]
        title = f"{thing(entry.resource)} added"
    else:
        fields = [field for field in value_fields(resource) if field.name != resource.named]
        texts = [f"{label}: {value}" for label, value in fields_in_words(fields, entry.details, reading.speaking)]
        title = f"{thing(entry.resource)} added · {name_in_words(resource, entry.details.get(resource.named), reading)}"
    path = f"{reading.base}{resource.place.format(id=entry.id)}"
    return TimelineLine(entry=entry, icon="card", title=title, text=" · ".join(text for text in texts if text), chips=(), path=path)


def _mapping(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    title = f"Id in {entry.details['namespace']} added"
    return TimelineLine(
        entry=entry, icon="card", title=title, text=entry.details["external_id"], chips=(), path=f"{reading.base}/contact#ids"
    )


def _merge(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    details = entry.details
    patient = reading.program.terminology.get("patient", "patient")
    titles = ((BY_NAME[name], number) for name, number in details["moved"].items() if number)
    moved = ", ".join(counted(number, resource.singular, resource.title.lower()) for resource, number in titles)
    text = " · ".join(part for part in (f"moved: {moved}" if moved else "nothing to move", f"by {details['name']}") if part)
    title = f"Another record of this {patient} was merged into this one · {details['other']}"
    return TimelineLine(entry=entry, icon="person", title=title, text=text, chips=(), path=f"{reading.base}/merged/{entry.id}")


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
        entry=entry, icon="person", title=f"{reading.program.terminology.get('patient', 'patient').capitalize()} entered"
    )


_WORDS: Final[Mapping[str, Callable[[TimelineEntry, TimelineContext], TimelineLine]]] = {
    "messages": _message,
    "calendar_events": _event,
    "assessment_responses": _response,
    "custom_data_type_records": _record,
    "patient_tasks": _task,
    "care_flows": _flow,
    "interventions": _step,
    "external_ids": _mapping,
    "patient_merges": _merge,
    "patients": _patient,
    "changes": changed,
}
