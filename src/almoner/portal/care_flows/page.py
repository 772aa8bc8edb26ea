"""A patient's care flows: begun from a template or from nothing, worked through with one click a step, changed at any place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import live
from almoner.portal.care_flows import flow_form, new_flow, queries
from almoner.portal.care_flows.flow_form import OpenFlowForm
from almoner.portal.care_flows.queries import MOST
from almoner.portal.care_flows.view import FlowView
from almoner.portal.patient import Patient
from almoner.portal.workers import Worker, to_choose
from almoner.vocabulary import clocks
from almoner.workshop import published_programs
from almoner.workshop.design import CareFlowTemplate
from almoner.workshop.published_programs import Outline

_FOLDER: Final = "portal/care_flows"


@dataclass(frozen=True, kw_only=True)
class FlowsPage:
    """The flows of a patient, or one of them where ``only``. ``opened`` is the form that is open in one, if any."""

    patient: Patient
    flows: tuple[FlowView, ...]
    only: bool
    since: str
    workers: tuple[Worker, ...] = ()
    opened: OpenFlowForm | None = None
    most: int = MOST


@dataclass(frozen=True, kw_only=True)
class FlowPart:
    """The inside of one flow's card. ``told`` is what the person should know of what they just did.

    ``leads``: the link that gets the focus, as its id begins; blank where the focus stays.
    """

    patient: Patient
    flow: FlowView
    workers: tuple[Worker, ...] = ()
    opened: OpenFlowForm | None = None
    told: str = ""
    leads: str = ""


@dataclass(frozen=True, kw_only=True)
class NewFlowPage:
    """The form of a new flow. ``template`` is None for one from nothing; ``goals`` are those of the template."""

    patient: Patient
    names: tuple[str, ...]
    template: CareFlowTemplate | None
    form: new_flow.NewFlowForm
    roles: tuple[new_flow.Assignees, ...]
    goals: tuple[tuple[str, tuple[new_flow.Planned, ...]], ...]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Notice:
    """What is said above the page."""

    text: str


async def show_all(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        since = await live.since(connection)
        patient = await queries.patient_of_path(visit, connection)
        page = FlowsPage(patient=patient, flows=await queries.list_flows(visit, connection, patient), only=False, since=since)
    return visit.page(f"{_FOLDER}/flows.html", page)


async def show_one(visit: Visit) -> Response:
    """One flow, with the form that the query string opens in it: ``?open=step:0.1``."""
    async with visit.parts.database.connection() as connection:
        since = await live.since(connection)
        patient = await queries.patient_of_path(visit, connection)
        flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
        opened = flow_form.open_form(visit.query("open"), flow, patient.timezone)
        workers = await _workers(visit, connection, opened)
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/flow.html", FlowPart(patient=patient, flow=flow, workers=workers, opened=opened))
    return visit.page(
        f"{_FOLDER}/flows.html", FlowsPage(patient=patient, flows=(flow,), only=True, since=since, workers=workers, opened=opened)
    )


async def show_now(visit: Visit) -> Response:
    """The inside of a flow's card as it is now."""
    async with visit.parts.database.connection() as connection:
        patient = await queries.patient_of_path(visit, connection)
        flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
    return visit.fragment(f"{_FOLDER}/flow.html", FlowPart(patient=patient, flow=flow))


async def act(visit: Visit) -> Response:
    """Does what the button ``do`` says: ``complete:0.1``, ``save:0.1``, ``goal``."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        patient = await queries.patient_of_path(visit, connection)
        flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
        wanted = flow_form.read(form, patient.timezone, visit.worker.worker_id, datetime.now(UTC))
        workers = await _workers(visit, connection, wanted.opened)
    wrong = wanted.wrong(workers)
    if wanted.change is None or wrong:
        return await _refused(
            visit,
            FlowPart(patient=patient, flow=flow, workers=workers, opened=wanted.opened and replace(wanted.opened, errors=wrong)),
        )
    merging = await queries.change(visit, patient, flow.id, form, wanted.change)
    if merging.conflicts:
        return await flow_form.conflict(visit, patient, flow.id, merging, form)
    if form.text("from") == "card":
        return _to_card(visit, patient, merging.told)
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient.id}/care-flows")
    async with visit.parts.database.connection() as connection:
        now = await queries.flow_by_id(visit, connection, patient, flow.id)
    following = flow_form.following(form, now, merging)
    part = FlowPart(
        patient=patient,
        flow=now,
        workers=workers if following else (),
        opened=following,
        told=merging.told or wanted.told,
        leads=_leads(form),
    )
    # The flow is in this answer already; what else shows what is late draws itself again.
    return visit.fragment(f"{_FOLDER}/flow.html", part, 200, live.trigger("inbox"))


async def show_new(visit: Visit) -> Response:
    """The form of a new flow, out of the template of the query string where it names one."""
    return await _new(visit, visit.query("template"), None)


async def create(visit: Visit) -> Response:
    """Starts a flow; draws the form again with another day or other people where only that was asked."""
    form = await visit.form()
    return await _new(visit, form.text("template"), form)


async def _new(visit: Visit, name: str, form: Form | None) -> Response:
    async with visit.parts.database.connection() as connection:
        patient = await queries.patient_of_path(visit, connection)
        outline = await published_programs.outline_at(connection, visit.environment_id, visit.program.version)
        template = _template(outline, name)
        titles = {role.name: role.title or role.name for role in outline.roles} if outline else {}
        workers = await to_choose(connection, visit.environment_id) if template else ()
    roles = new_flow.choices(template, titles, workers, patient)
    today = clocks.today(patient.timezone)
    said = new_flow.parse_form(form, roles) if form else new_flow.fresh(template, today, roles)
    if form and form.text("do") != "draw" and not said.errors:
        flow_id = await queries.start(visit, patient, new_flow.flow(template, said, patient.timezone))
        ends = "" if template else "?open=goal"
        return visit.go(f"/patients/{patient.id}/care-flows/{flow_id}{ends}")
    is_refused = form is not None and form.text("do") != "draw"
    page = NewFlowPage(
        patient=patient,
        names=tuple(one.name for one in outline.care_flows) if outline else (),
        template=template,
        form=said,
        roles=tuple(replace(role, chosen=said.assignees.get(role.role, "")) for role in roles),
        goals=new_flow.planned(template, said, titles) if template else (),
        errors=said.errors if is_refused else {k: v for k, v in said.errors.items() if k == "start"},
    )
    status = 400 if is_refused else 200
    return visit.show(f"{_FOLDER}/new.html", f"{_FOLDER}/new_form.html", page, status)


def _template(outline: Outline | None, name: str) -> CareFlowTemplate | None:
    """The template of this name; None where none is named. Raises a 404 ApiError where there is none such any more."""
    if not name:
        return None
    found = next((one for one in outline.care_flows if one.name == name), None) if outline else None
    if found is None:
        raise problem("not_found", "The program has no such care flow any more. Choose another one.")
    return found


async def _workers(visit: Visit, connection: Connection, opened: OpenFlowForm | None) -> tuple[Worker, ...]:
    if not opened or not opened.assigns:
        return ()
    return await to_choose(connection, visit.environment_id, [opened.assigned])


async def _refused(visit: Visit, part: FlowPart) -> Response:
    """The flow again, with what is wrong in its open form."""
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/flow.html", part, 400)
    async with visit.parts.database.connection() as connection:
        since = await live.since(connection)
    page = FlowsPage(patient=part.patient, flows=(part.flow,), only=True, since=since, workers=part.workers, opened=part.opened)
    return visit.page(f"{_FOLDER}/flows.html", page, 400)


def _leads(form: Form) -> str:
    """From where the form was opened that was just saved; the last link where what it was about is gone."""
    name, _, place = form.text("do").partition(":")
    return {"save": f"step-{place}", "rename": f"goal-{place}", "about": "about", "remove": "goal"}.get(name, "")


def _to_card(visit: Visit, patient: Patient, told: str) -> Response:
    """The answer to a button of the profile's card, which draws itself again; what is to be said stands above the page."""
    answer = live.redraw(visit, f"/patients/{patient.id}", "care_flows")
    if not told or not visit.is_fragment:
        return answer
    headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML", "HX-Trigger": answer.headers["hx-trigger"]}
    return visit.fragment(f"{_FOLDER}/notice.html", Notice(told), 200, headers)


def _route(path: str, answer: object, *methods: str, background: bool = False) -> PageRoute:
    return PageRoute(f"/patients/{{id}}/care-flows{path}", answer, "give_care", methods or ("GET",), background)  # type: ignore[arg-type]


ROUTES = (
    _route("", show_all),
    _route("/new", show_new),
    _route("/new", create, "POST"),
    _route("/{flow}", show_one),
    _route("/{flow}", act, "POST"),
    _route("/{flow}/now", show_now, background=True),
)
