"""Reading a patient's care flows, and changing one so that nobody's work is lost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.data_api.refusals import changed_since
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.merging.three_way import MINE, THEIRS
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.care_flows.changes import Change, Merging, Part
from almoner.portal.care_flows.view import FlowReader, FlowView, workers_of
from almoner.portal.patient import Patient
from almoner.resources.care_flows import CARE_FLOW, care_flows
from almoner.vocabulary.kinds import Guid, Problems
from almoner.vocabulary.names import full_name_sql

# A flow that changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5
# More than any patient has; the newest are what a coach works with.
MOST: Final = 100

_FLOWS = f"""
SELECT f.id::text, f.care_flow::text, f.updated_at FROM care_flows f
WHERE f.environment_id = $1 AND f.user_id = $2 AND ($3::uuid IS NULL OR f.id = $3)
ORDER BY f.created_at DESC, f.id DESC LIMIT {MOST}
"""
_OWNER = "SELECT user_id::text FROM care_flows WHERE environment_id = $1 AND id = $2"
_NAMES = f"""
SELECT w.id::text, {full_name_sql("w")} AS name FROM workers w
WHERE w.environment_id = $1 AND w.id = ANY ($2::uuid[])
"""


async def list_flows(visit: Visit, connection: Connection, patient: Patient, flow_id: str | None = None) -> tuple[FlowView, ...]:
    """The patient's flows, those with something to do first, the newest first of each; the one of ``flow_id`` alone where given."""
    rows = await connection.fetch(_FLOWS, visit.environment_id, patient.id, flow_id)
    flows = [(row, msgspec.json.decode(row["care_flow"])) for row in rows]
    names = await names_of(visit, connection, set().union(*(workers_of(flow) for _, flow in flows)))
    reader = FlowReader(patient.timezone, visit.worker.worker_id, names, datetime.now(UTC))
    read = [reader.flow(row["id"], flow, row["updated_at"], row["care_flow"]) for row, flow in flows]
    return tuple(sorted(read, key=lambda flow_by_id: flow_by_id.finished))


async def flow_by_id(visit: Visit, connection: Connection, patient: Patient, flow_id: str) -> FlowView:
    """One flow of the patient. Raises a 404 ApiError where the patient has none of this id."""
    parsed = Guid().decode(flow_id, "", [])
    found = await list_flows(visit, connection, patient, parsed) if parsed else ()
    if not found:
        raise problem("not_found", "This patient has no such care flow.")
    return found[0]


async def names_of(visit: Visit, connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """The names of workers by their ids."""
    wanted = list(ids)
    rows = await connection.fetch(_NAMES, visit.environment_id, wanted) if wanted else ()
    return {row["id"]: row["name"] for row in rows}


def base_of(form: Form) -> Part:
    """The flow that a form was made from. Raises a 400 ApiError where it carries none that is right."""
    problems: Problems = []
    try:
        base = CARE_FLOW.keep(msgspec.json.decode(form.text("was.care_flow")), "", problems)
    except msgspec.DecodeError:
        base = None
    if base is None or problems:
        raise problem("bad_request", "The form does not say which care flow it was made from. Load the page again.")
    return _whole(base)


async def owner(visit: Visit, connection: Connection, flow_id: str) -> Patient:
    """The patient whose flow this is, whose reading is noted. Raises a 404 ApiError where the visitor sees no such flow."""
    parsed = Guid().decode(flow_id, "", [])
    found = parsed and await connection.fetchval(_OWNER, visit.environment_id, parsed)
    return await patient_access.patient(visit, connection, found or "")


async def change(visit: Visit, patient: Patient, flow_id: str, form: Form, changing: Change, whole: bool = True) -> Merging:
    """Changes the flow as it is now; saved unless the result has conflicts. Raises ApiError: 404, and what a check refuses.

    ``whole``: the form was made from the whole flow, and not from a part of it.
    """
    base = base_of(form)
    for _ in range(_TRIES):
        async with visit.parts.database.connection() as connection:
            rows = await connection.fetch(_FLOWS, visit.environment_id, patient.id, flow_id)
        if not rows:
            raise problem("not_found", "This patient has no such care flow.")
        now = _whole(msgspec.json.decode(rows[0]["care_flow"]))
        merging = Merging(base, now, _decided(form), whole)
        try:
            changing(merging)
        except LookupError:
            raise problem("bad_request", "The care flow has nothing at this place. Load the page again.") from None
        if merging.conflicts or merging.flow == now:
            return merging
        try:
            versions = frozenset({rows[0]["updated_at"]})
            await visit.parts.store.update(visit.actor, care_flows, rows[0]["id"], {"care_flow": merging.flow}, versions)
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return merging
    raise changed_since()


async def start(visit: Visit, patient: Patient, flow: Part) -> str:
    """Writes a new flow of the patient; returns its id. Raises ApiError with what a check refuses."""
    written = await visit.parts.store.create(visit.actor, care_flows, {"user_id": patient.id, "care_flow": flow})
    return written.id


async def patient_of_path(visit: Visit, connection: Connection) -> Patient:
    """The patient of the address, whose reading is noted."""
    return await patient_access.patient(visit, connection, visit.path("id"))


def _whole(flow: Part) -> Part:
    """The flow with every field of the contract in its order, so that one written with less compares with one that has nulls."""
    return {
        "description": flow["description"],
        "diagnosis": flow.get("diagnosis"),
        "goals": [
            {
                "title": goal["title"],
                "interventions": [{f.name: flow_by_id.get(f.name) for f in _step_fields()} for flow_by_id in goal["interventions"]],
            }
            for goal in flow["goals"]
        ],
    }


def _step_fields() -> Any:
    goal: Any = CARE_FLOW.by_name["goals"].kind
    return goal.item.by_name["interventions"].kind.item.fields


def _decided(form: Form) -> Any:
    """How conflicts were decided: a decision counts only against what it was made about."""

    def decided(path: str, theirs: Any) -> str:
        choice = form.text(f"choose.{path}")
        about = form.text(f"seen.{path}")
        is_about_this = bool(about) and about == msgspec.json.encode(theirs).decode()
        return choice if choice in (MINE, THEIRS) and is_about_this else ""

    return decided
