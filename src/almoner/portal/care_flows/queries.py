"""Reading a patient's care flows, and changing one so that nobody's work is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Row
from almoner.data_api.refusals import changed_since
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.merging.three_way import MINE, THEIRS
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.care_flows.changes import STEP_FIELDS, Change, Merging, Part
from almoner.portal.care_flows.view import FlowReader, FlowView, workers_of
from almoner.portal.measures import readings
from almoner.portal.measures.measure import Measure, rows, title
from almoner.portal.measures.progress import GoalReader
from almoner.portal.own_fields import OwnFields
from almoner.portal.patient import Patient
from almoner.portal.values import names_of
from almoner.resources.care_flows import CARE_FLOW, TARGET, care_flows
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid, Problems

# A flow that changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5
# More than any patient has; the newest are what a coach works with.
MOST: Final = 100

# What a care flow says beside its goals; the form of a new one asks for much else.
OWN: Final = OwnFields(care_flows)
OWN_OF_NEW: Final = OwnFields(care_flows, "own.")

_FLOWS = f"""
SELECT f.id::text, f.care_flow::text, f.created_at, f.updated_at, {OWN.row_sql("f")}
FROM care_flows f
WHERE f.environment_id = $1 AND f.user_id = $2 AND ($3::uuid IS NULL OR f.id = $3)
ORDER BY f.created_at DESC, f.id DESC LIMIT {MOST}
"""
_OWNER = "SELECT user_id::text FROM care_flows WHERE environment_id = $1 AND id = $2"


@dataclass(frozen=True, kw_only=True)
class CareFlow:
    """A care flow of a patient as it is stored. ``row`` is as ``OwnFields.row`` has it."""

    id: str
    flow: Part
    created_at: datetime
    updated_at: datetime
    row: Row


async def list_flows(visit: Visit, connection: Connection, patient: Patient) -> list[FlowView]:
    """The patient's flows in words, those with something to do first, the newest first of each."""
    flows = [
        _care_flow(row)
        for row in await connection.fetch(_FLOWS, visit.environment_id, patient.id, None)
    ]
    return sorted(await in_words(visit, connection, patient, flows), key=lambda flow: flow.finished)


async def flow_by_id(
    visit: Visit, connection: Connection, patient: Patient, flow_id: str
) -> CareFlow:
    """One flow of the patient. Raises a 404 ApiError where the patient has none of this id."""
    parsed = Guid().decode(flow_id, "", [])
    row = parsed and await connection.fetchrow(_FLOWS, visit.environment_id, patient.id, parsed)
    if not row:
        raise problem("not_found", "This patient has no such care flow.")
    return _care_flow(row)


async def in_words(
    visit: Visit, connection: Connection, patient: Patient, flows: Sequence[CareFlow]
) -> list[FlowView]:
    """Flows of the patient as the visitor reads them, with the names of the workers in them."""
    workers = set().union(*(workers_of(stored.flow) for stored in flows))
    names = await names_of(connection, visit.environment_id, workers) if workers else {}
    now = datetime.now(UTC)
    reader = FlowReader(
        timezone=patient.timezone,
        me=visit.worker.worker_id,
        names=names,
        now=now,
        today=clocks.day_of(now, patient.timezone),
        goals=await _goals(visit, connection, patient, [stored.flow for stored in flows]),
    )
    facts = await OWN.facts(visit, connection, patient, [stored.row for stored in flows])
    return [
        reader.flow(stored.id, stored.flow, stored.created_at, stored.updated_at, of_flow)
        for stored, of_flow in zip(flows, facts, strict=True)
    ]


async def _goals(
    visit: Visit, connection: Connection, patient: Patient, flows: Sequence[Part]
) -> GoalReader:
    """What puts goals with a number in words: their numbers are read once for all flows."""
    measures = {
        Measure.of_target(goal["target"]): None
        for flow in flows
        for goal in flow["goals"]
        if "target" in goal
    }
    here = f"/patients/{patient.id}"
    return GoalReader(
        timezone=patient.timezone,
        today=clocks.today(patient.timezone),
        titles={measure: title(visit.program, measure) for measure in measures},
        measured=await readings.read(visit, connection, patient, measures),
        rows={measure: f"{here}{rows(visit, measure)}" for measure in measures},
    )


def _care_flow(row: Mapping[str, Any]) -> CareFlow:
    flow = _whole(msgspec.json.decode(row["care_flow"]))
    return CareFlow(
        id=row["id"],
        flow=flow,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        row=OWN.row(row),
    )


def base_of(form: Form) -> Part:
    """The flow that a form was made from. Raises a 400 ApiError where it carries none that is
    right.
    """
    problems: Problems = []
    try:
        base = CARE_FLOW.keep(msgspec.json.decode(form.text("was.care_flow")), "", problems)
    except msgspec.DecodeError:
        base = None
    if base is None or problems:
        raise problem(
            "bad_request",
            "The form does not say which care flow it was made from. Load the page again.",
        )
    return _whole(base)


async def owner(visit: Visit, connection: Connection, flow_id: str) -> Patient:
    """The patient whose flow this is, whose reading is noted. Raises a 404 ApiError where the
    visitor sees no such flow.
    """
    parsed = Guid().decode(flow_id, "", [])
    patient_id = parsed and await connection.fetchval(_OWNER, visit.environment_id, parsed)
    return await patient_access.patient(visit, connection, patient_id or "")


async def change(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    flow_id: str,
    form: Form,
    changing: Change,
    whole: bool = True,
) -> tuple[Merging, CareFlow]:
    """Changes the flow as it is now; saved unless the result has conflicts. Returns what came of
    it, and the flow as it then is.

    ``whole``: the form was made from the whole flow, and not from a part of it. Raises ApiError:
    404, and what a check refuses."""
    base = base_of(form)
    for _ in range(_TRIES):
        now = await flow_by_id(visit, connection, patient, flow_id)
        merging = Merging(base, now.flow, _decided(form), whole)
        try:
            changing(merging)
        except LookupError:
            raise problem(
                "bad_request", "The care flow has nothing at this place. Load the page again."
            ) from None
        if merging.conflicts or merging.flow == now.flow:
            return merging, now
        try:
            store, versions = visit.parts.store.within(connection), frozenset({now.updated_at})
            written = await store.update(
                visit.actor, care_flows, now.id, {"care_flow": merging.flow}, versions
            )
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return merging, CareFlow(
            id=now.id,
            flow=merging.flow,
            created_at=now.created_at,
            updated_at=written.updated_at,
            row=now.row,
        )
    raise changed_since()


async def start(
    visit: Visit, connection: Connection, patient: Patient, flow: Part, own: Row
) -> str:
    """Writes a new flow of the patient, with what is said in the fields that a site has added;
    returns its id. Raises ApiError with what a check refuses.
    """
    written = await visit.parts.store.within(connection).create(
        visit.actor, care_flows, {"user_id": patient.id, "care_flow": flow, **own}
    )
    return written.id


def _whole(flow: Part) -> Part:
    """The flow with every field of the contract in its order, so that one written with less
    compares with one that has nulls. A goal has a target where it has a number alone.
    """
    return {
        "description": flow["description"],
        "diagnosis": flow.get("diagnosis"),
        "goals": [
            {
                "title": goal["title"],
                "interventions": [
                    {name: step.get(name) for name in STEP_FIELDS} for step in goal["interventions"]
                ],
                **_target(goal.get("target")),
            }
            for goal in flow["goals"]
        ],
    }


def _target(target: Part | None) -> Part:
    return {"target": {name: target.get(name) for name in TARGET.by_name}} if target else {}


def _decided(form: Form) -> Any:
    """How conflicts were decided: a decision counts only against what it was made about."""

    def decided(path: str, theirs: Any) -> str:
        choice = form.text(f"choose.{path}")
        about = form.text(f"seen.{path}")
        is_about_this = bool(about) and about == msgspec.json.encode(theirs).decode()
        return choice if choice in (MINE, THEIRS) and is_about_this else ""

    return decided
