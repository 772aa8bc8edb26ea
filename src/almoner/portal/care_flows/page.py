"""A patient's care flows: begun from a template or from nothing, worked through with one click a
step, changed at any place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live
from almoner.portal.care_flows import flow_form, goal_form, new_flow, queries
from almoner.portal.care_flows.flow_form import FlowCommand, OpenFlowForm
from almoner.portal.care_flows.queries import MOST, OWN, OWN_OF_NEW, CareFlow
from almoner.portal.care_flows.view import FlowView
from almoner.portal.editing import EditConflict
from almoner.portal.measures.measure import Measure, choices, title
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.portal.workers import to_choose
from almoner.resources.care_flows import care_flows
from almoner.vocabulary import clocks
from almoner.workshop import published_programs
from almoner.workshop.design import CareFlowTemplate
from almoner.workshop.published_programs import Outline

_FOLDER: Final = "portal/care_flows"


@dataclass(frozen=True, kw_only=True)
class FlowsPage:
    """The flows of a patient, or one of them where ``only``. ``opened`` is the form that is open in
    one, if any.
    """

    patient: Patient
    flows: Sequence[FlowView]
    only: bool
    opened: OpenFlowForm | None = None
    most: int = MOST


@dataclass(frozen=True, kw_only=True)
class FlowPart:
    """The inside of one flow's card. ``notice`` is what the person should know of what they just
    did.

    ``leads``: the link that gets the focus, as its id begins; blank where the focus stays.
    """

    patient: Patient
    flow: FlowView
    opened: OpenFlowForm | None = None
    notice: str = ""
    leads: str = ""


@dataclass(frozen=True, kw_only=True)
class NewFlowPage:
    """The form of a new flow. ``template`` is None for one from nothing; ``goals`` are those of the
    template; ``measures`` says what the numbers in them are called.
    """

    patient: Patient
    names: tuple[str, ...]
    template: CareFlowTemplate | None
    form: new_flow.NewFlowForm
    roles: tuple[new_flow.Assignees, ...]
    goals: tuple[new_flow.PlannedGoal, ...]
    measures: Mapping[Measure, str]
    own: Sequence[FieldView]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Notice:
    """What is said above the page."""

    text: str


async def show_all(visit: Visit, connection: Connection, patient: Patient) -> Response:
    flows = await queries.list_flows(visit, connection, patient)
    return visit.page(f"{_FOLDER}/flows.html", FlowsPage(patient=patient, flows=flows, only=False))


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """One flow, with the form that the query string opens in it: ``?open=step:0.1``."""
    flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
    opened = flow_form.open_form(visit.query("open"), flow.flow, patient.timezone)
    if opened:
        opened = await _ready(visit, connection, opened, flow, flow.row)
    return await _flow(visit, connection, patient, flow, opened)


async def _flow(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    flow: CareFlow,
    opened: OpenFlowForm | None = None,
    status: int = 200,
) -> Response:
    """The inside of a flow's card where a part of the page asked, else a page of this flow
    alone.
    """
    (view,) = await queries.in_words(visit, connection, patient, [flow])
    if visit.is_fragment:
        part = FlowPart(patient=patient, flow=view, opened=opened)
        return visit.fragment(f"{_FOLDER}/flow.html", part, status)
    page = FlowsPage(patient=patient, flows=[view], only=True, opened=opened)
    return visit.page(f"{_FOLDER}/flows.html", page, status)


async def show_now(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The inside of a flow's card as it is now."""
    flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
    (view,) = await queries.in_words(visit, connection, patient, [flow])
    return visit.fragment(f"{_FOLDER}/flow.html", FlowPart(patient=patient, flow=view))


async def act(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Does what the button ``do`` says: ``complete:0.1``, ``save:0.1``, ``goal``."""
    form = await visit.form()
    command = flow_form.read(form, patient.timezone, visit.worker.worker_id, datetime.now(UTC))
    if command.opened:
        refused = await _refused(visit, connection, patient, command.opened, form)
        if refused:
            return refused
    if command.change is None:
        flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
        return await _flow(visit, connection, patient, flow, status=400)
    merging, flow = await queries.change(
        visit, connection, patient, visit.path("flow"), form=form, changing=command.change
    )
    if merging.conflicts:
        return await flow_form.conflict(
            visit, connection, patient, flow.id, merging=merging, form=form
        )
    if form.text("from") == "card":
        if merging.notice and visit.is_fragment:
            return _notice(visit, merging.notice)
        return live.redraw(visit, f"/patients/{patient.id}", "care_flows")
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient.id}/care-flows")
    (view,) = await queries.in_words(visit, connection, patient, [flow])
    following = flow_form.following(command, merging, flow.flow) if command.adds else None
    part = FlowPart(
        patient=patient,
        flow=view,
        opened=following and await _ready(visit, connection, following, flow, {}),
        notice=merging.notice or _reached_already(command, view) or command.notice,
        leads=command.leads,
    )
    # The flow is in this answer already; what else shows what is late draws itself again.
    return visit.fragment(f"{_FOLDER}/flow.html", part, 200, live.trigger("inbox"))


def _reached_already(command: FlowCommand, view: FlowView) -> str:
    """What is said of a new goal that its newest value reaches already; blank of any other."""
    is_new = command.opened is not None and command.opened.what == "goal"
    progress = view.goals[-1].progress if is_new and view.goals else None
    if progress is None or progress.standing != "reached":
        return ""
    return f"Saved. Look at its target again: {progress.now} reaches it already."


async def _refused(
    visit: Visit, connection: Connection, patient: Patient, opened: OpenFlowForm, form: Form
) -> Response | None:
    """The form again with what is wrong in it; None where its change can be made. What a site has
    added is saved here, or both values are shown where somebody else has changed one."""
    flow = await queries.flow_by_id(visit, connection, patient, visit.path("flow"))
    own = OWN.read(visit, form) if opened.what == "about" else {}
    opened = await _ready(visit, connection, opened, flow, own)
    wrong = opened.wrong
    if opened.what == "goal":
        wrong |= goal_form.over(opened.values, clocks.today(patient.timezone))
    if own and not wrong:
        try:
            saved = await editing.update(visit, care_flows, flow.id, own, form, within=connection)
        except ApiError as error:
            wrong = by_field(error)
        else:
            if isinstance(saved, EditConflict):
                return editing.conflict(visit, saved, form)
    if not wrong:
        return None
    again = replace(
        await _ready(visit, connection, replace(opened, errors=wrong), flow, own),
        own_base=[pair for pair in editing.sent_again(form) if pair[0] != "was.care_flow"],
    )
    return await _flow(visit, connection, patient, flow, again, status=400)


async def show_new(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The form of a new flow, out of the template of the query string where it names one."""
    return await _new(visit, connection, patient, visit.query("template"), None)


async def create(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Starts a flow; draws the form again with another day or other people where only that was
    asked.
    """
    form = await visit.form()
    return await _new(visit, connection, patient, form.text("template"), form)


async def _new(
    visit: Visit, connection: Connection, patient: Patient, name: str, form: Form | None
) -> Response:
    outline = await published_programs.outline_at(
        connection, visit.environment_id, visit.program.version
    )
    template = _template(outline, name)
    titles = {role.name: role.title or role.name for role in outline.roles} if outline else {}
    workers = await to_choose(connection, visit.environment_id) if template else ()
    roles = new_flow.choices(template, titles, workers, patient)
    today = clocks.today(patient.timezone)
    parsed = (
        new_flow.parse_form(form, template, roles)
        if form
        else new_flow.fresh(template, today, roles)
    )
    own = OWN_OF_NEW.read(visit, form, new=True) if form else {}
    if form and form.text("do") != "draw" and not parsed.errors:
        planned = new_flow.flow(template, parsed, patient.timezone)
        try:
            flow_id = await queries.start(visit, connection, patient, planned, own)
        except ApiError as error:
            parsed = replace(parsed, errors=by_field(error))
        else:
            ends = "" if template else "?open=goal"
            return visit.go(f"/patients/{patient.id}/care-flows/{flow_id}{ends}")
    is_refused = form is not None and form.text("do") != "draw"
    goals = new_flow.planned(template, parsed, titles, today) if template else ()
    page = NewFlowPage(
        patient=patient,
        names=tuple(template.name for template in outline.care_flows) if outline else (),
        template=template,
        form=parsed,
        roles=tuple(replace(role, chosen=parsed.assignees.get(role.role, "")) for role in roles),
        goals=goals,
        measures={
            goal.number[0]: title(visit.program, goal.number[0]) for goal in goals if goal.number
        },
        own=await OWN_OF_NEW.controls(
            visit, connection, own, parsed.errors if is_refused else {}, new=True
        ),
        errors=(
            parsed.errors
            if is_refused
            else {name: text for name, text in parsed.errors.items() if name == "start"}
        ),
    )
    status = 400 if is_refused else 200
    return visit.show(f"{_FOLDER}/new.html", f"{_FOLDER}/new_form.html", page, status)


def _template(outline: Outline | None, name: str) -> CareFlowTemplate | None:
    """The template of this name; None where none is named. Raises a 404 ApiError where there is
    none such any more.
    """
    if not name:
        return None
    templates = outline.care_flows if outline else ()
    template = next((template for template in templates if template.name == name), None)
    if template is None:
        raise problem(
            "not_found", "The program has no such care flow any more. Choose another one."
        )
    return template


async def _ready(
    visit: Visit, connection: Connection, opened: OpenFlowForm, flow: CareFlow, own: Row
) -> OpenFlowForm:
    """The form with what there is to choose from in it, and with these values of what a site has
    added."""
    if opened.assigns:
        workers = await to_choose(connection, visit.environment_id, [opened.assigned])
        return replace(opened, workers=workers)
    if opened.is_of_goal:
        return replace(opened, measures=await _measures(visit, connection, opened))
    if opened.what == "about":
        return replace(
            opened,
            own=await OWN.controls(visit, connection, own, opened.errors, at=f"{flow.id}-"),
            own_base=OWN.base_fields(flow.updated_at, flow.row),
        )
    return opened


async def _measures(
    visit: Visit, connection: Connection, opened: OpenFlowForm
) -> list[tuple[str, str]]:
    """What a goal can be measured by; with what it is measured by already, shown or not."""
    measures = await choices(visit, connection)
    key = opened.was_measured_by
    if key and key not in dict(measures):
        measures.append((key, title(visit.program, Measure.of_key(key))))
    return measures


def _notice(visit: Visit, text: str) -> Response:
    """What is to be said above the page to a button of the profile's card, which draws itself
    again.
    """
    headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML", **live.trigger("care_flows")}
    return visit.fragment(f"{_FOLDER}/notice.html", Notice(text), 200, headers)


ROUTES = (
    patient_route("/care-flows", show_all),
    patient_route("/care-flows/new", show_new),
    patient_route("/care-flows/new", create, "POST"),
    patient_route("/care-flows/{flow}", show),
    patient_route("/care-flows/{flow}", act, "POST"),
    patient_route("/care-flows/{flow}/now", show_now, background=True),
)
