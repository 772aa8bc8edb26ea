"""Care flows over HTTP: begun, worked through, changed, as the API shows them; and seen by nobody
who may not.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.portal.care_flows.changes import step
from almoner.resources.care_flows import care_flows
from almoner.resources.patients import patients
from almoner.workshop import kiwi_health
from tests.conftest import Api, new_environment
from tests.people import People, Person
from tests.programs import published
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")

KEYS = [
    "title",
    "reminder_date",
    "completed_at",
    "completed_by_worker_id",
    "worker_id",
    "instructions",
]


class Charts:
    """Makes patients and flows."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def patient(
        self, environment: int, coach_id: str | None = None, name: str = "Grace"
    ) -> str:
        values = {
            "first_name": name,
            "last_name": "Hopper",
            "birthday": "1906-12-09",
            "timezone": "US/Pacific",
            "phase": "intake",
        }
        by = Actor(environment, "test", "cli", "test", whole=True)
        return (await self.store.create(by, patients, values | {"coach_id": coach_id})).id

    async def flow(
        self,
        environment: int,
        patient: str,
        *steps: dict[str, Any],
        description: str = "Increase daily exercise",
    ) -> str:
        care_flow = {
            "description": description,
            "diagnosis": None,
            "goals": [{"title": "Make a plan", "interventions": list(steps)}],
        }
        by = Actor(environment, "test", "cli", "test", whole=True)
        return (
            await self.store.create(by, care_flows, {"user_id": patient, "care_flow": care_flow})
        ).id


@pytest.fixture
def charts(store: Store) -> Charts:
    return Charts(store)


async def _flow(api: Api, flow_id: str) -> dict[str, Any]:
    row: dict[str, Any] = (await api.get(f"/v1/care_flows/{flow_id}")).json()
    return row


def _base(page: httpx.Response) -> str:
    """What the first form of a page was made from."""
    match = re.search(r'name="was.care_flow" value="([^"]*)"', page.text)
    assert match
    return unescape(match[1])


def _today() -> date:
    return datetime.now(ZoneInfo("US/Pacific")).date()


async def test_a_flow_out_of_a_template_is_the_contracts_json_due_by_the_patients_days(
    coach: Person, people: People, api: Api, charts: Charts, program: int
) -> None:
    nurse = await people(program, "nurse", first_name="Nora")
    await people(program, "nurse", first_name="Other")
    patient = await charts.patient(program, coach.worker_id)
    here = f"/patients/{patient}/care-flows"
    page = await coach.get(f"{here}/new?template=Getting+started")
    assert Document(page).field("assignee.coach").value == coach.worker_id
    fields = {
        "template": "Getting started",
        "description": "Begin well",
        "diagnosis": "",
        "start": "2026-10-30",
        "do": "start",
    }
    takes = [("take", at) for at in ("0.0", "0.1", "1.0", "2.0")]
    refused = await coach.send_form(
        f"{here}/new", *takes, **fields, **{"assignee.coach": coach.worker_id, "assignee.nurse": ""}
    )
    assert refused.status_code == 400
    assert "Choose who does it" in Document(refused).field("assignee.nurse").error
    assert Document(refused).field("description").value == "Begin well"
    answer = await coach.send_form(
        f"{here}/new",
        *takes,
        **fields,
        **{"assignee.coach": coach.worker_id, "assignee.nurse": nurse.worker_id},
    )
    assert answer.status_code == 303
    row = await _flow(api, answer.headers["location"].rpartition("/")[2])
    assert list(row) == ["id", "user_id", "care_flow", "updated_at", "created_at"]
    flow = row["care_flow"]
    assert list(flow) == ["description", "diagnosis", "goals"]
    assert (flow["description"], flow["diagnosis"]) == ("Begin well", None)
    assert [(list(g), g["title"], len(g["interventions"])) for g in flow["goals"]] == [
        (["title", "interventions"], "We know each other", 2),
        (["title", "interventions"], "Readings arrive by themselves", 1),
        (["title", "interventions"], "The first goal is the patient's own", 1),
    ]
    steps = [intervention for goal in flow["goals"] for intervention in goal["interventions"]]
    assert all(list(step) == KEYS for step in steps)
    # Three days after 30 October the clocks have gone back: midnight in Pacific time is an hour
    # later by UTC.
    assert steps[0]["reminder_date"] == "2026-11-02T08:00:00.000000+00:00"
    assert [step["worker_id"] for step in steps] == [
        coach.worker_id,
        coach.worker_id,
        nurse.worker_id,
        coach.worker_id,
    ]
    assert steps[1]["instructions"].startswith("Use the template Welcome")
    assert steps[0]["instructions"] is None


async def test_another_day_shows_other_due_dates_and_starts_nothing(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    drawn = await coach.send_form(
        f"/patients/{patient}/care-flows/new",
        ("take", "0.0"),
        htmx=True,
        template="Getting started",
        description="",
        start="2027-01-01",
        do="draw",
    )
    assert drawn.status_code == 200
    assert Document(drawn).get("checkbox", "due 4 Jan 2027")
    assert (await api.get(f"/v1/care_flows?user_id={patient}")).json()[0]["data"] == []


async def test_one_click_completes_on_the_card_and_one_more_takes_it_back(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient, noise = await charts.patient(program), await charts.patient(program, name="Noise")
    late = (datetime.now(UTC) - timedelta(days=3)).isoformat(timespec="microseconds")
    flow = await charts.flow(
        program,
        patient,
        step("Decide on type of exercise", reminder_date=late),
        step("Document the plan"),
    )
    await charts.flow(
        program, noise, step("Noise of another patient"), description="Noise of another patient"
    )
    page = await coach.get(f"/patients/{patient}")
    assert Document(page).row("3 days late")
    assert not Document(page).mentions("Noise of another")
    here = f"/patients/{patient}/care-flows/{flow}"
    pairs = {"was.care_flow": _base(page), "from": "card"}
    done = await coach.send_form(here, htmx=True, **pairs, do="complete:0.0")
    assert done.status_code == 204
    assert "care_flows" in done.headers["hx-trigger"]
    [first, second] = (await _flow(api, flow))["care_flow"]["goals"][0]["interventions"]
    assert first["completed_by_worker_id"] == coach.worker_id
    assert abs(datetime.fromisoformat(first["completed_at"]) - datetime.now(UTC)) < timedelta(
        minutes=1
    )
    assert second == step("Document the plan")
    card = await coach.get(f"/patients/{patient}")
    assert Document(card).button("Undo")
    assert "true" in [box.attribute("aria-checked") for box in Document(card).all("checkbox")]
    assert Document(card).lacks("row", "3 days late")
    again = await coach.send_form(here, htmx=True, **pairs, do="complete:0.0")
    assert "completed already" in Document(again)
    assert again.headers["hx-retarget"] == "#notice"
    back = await coach.send_form(
        here, **{"was.care_flow": _base(card), "from": "card"}, do="reopen:0.0"
    )
    assert back.headers["location"] == f"/patients/{patient}"
    assert (await _flow(api, flow))["care_flow"]["goals"][0]["interventions"] == [
        step("Decide on type of exercise", reminder_date=late),
        step("Document the plan"),
    ]
    log = (await api.get(f"/v1/care_flows?user_id={patient}")).json()[0]["data"]
    assert len(log) == 1


async def test_an_edit_keeps_what_it_did_not_touch_to_the_letter(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    due = "2026-11-20T17:30:12.000001+00:00"
    flow = await charts.flow(
        program, patient, step("Walk", reminder_date=due, instructions="Slowly.\nDaily. ")
    )
    here = f"/patients/{patient}/care-flows/{flow}"
    form = await coach.fragment(f"{here}?open=step:0.0")
    assert Document(form).field("due").value == "20 Nov 2026"
    fields = {
        "was.care_flow": _base(form),
        "title": "Walk daily",
        "due": "2026-11-20",
        "instructions": "Slowly.\nDaily. ",
    }
    saved = await coach.send_form(
        here, htmx=True, **fields, worker_id=coach.worker_id, do="save:0.0"
    )
    assert saved.status_code == 200
    [intervention] = (await _flow(api, flow))["care_flow"]["goals"][0]["interventions"]
    assert intervention == step(
        "Walk daily", reminder_date=due, worker_id=coach.worker_id, instructions="Slowly.\nDaily. "
    )


async def test_each_error_stands_at_its_field_and_what_was_typed_stays(
    coach: Person, people: People, api: Api, charts: Charts, program: int, database: Database
) -> None:
    stranger = await people(await new_environment(database), "coach")
    patient = await charts.patient(program)
    flow = await charts.flow(program, patient, step("Walk"))
    here = f"/patients/{patient}/care-flows/{flow}"
    base = _base(await coach.fragment(f"{here}?open=step:0.0"))
    fields = {
        "title": " ",
        "due": "soon",
        "worker_id": stranger.worker_id,
        "instructions": "<b>Kept</b>",
    }
    refused = await coach.send_form(
        here, htmx=True, **{"was.care_flow": base}, **fields, do="save:0.0"
    )
    assert refused.status_code == 400
    for field, sentence in (
        ("title", "Say what is to be done."),
        ("due", "Choose a day, or leave it blank."),
        ("worker_id", "This worker is not here any more."),
    ):
        assert sentence in Document(refused).field(field).error
    assert Document(refused).field("instructions").value == "<b>Kept</b>"
    assert (await _flow(api, flow))["care_flow"]["goals"][0]["interventions"] == [step("Walk")]
    for do, field in (("goal", "title"), ("rename:0", "title"), ("about", "description")):
        answer = await coach.send_form(
            here, htmx=True, **{"was.care_flow": base}, title="", description="", do=do
        )
        assert answer.status_code == 400
        assert Document(answer).field(field).error


async def test_goals_and_interventions_are_added_moved_and_removed(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    response = await coach.send_form(
        f"/patients/{patient}/care-flows/new",
        description="Sleep",
        do="start",
    )
    flow = response.headers["location"].rpartition("/")[2].partition("?")[0]
    here = f"/patients/{patient}/care-flows/{flow}"

    async def do(what: str, **text: str) -> httpx.Response:
        page = await coach.fragment(here)
        answer = await coach.send_form(
            here, htmx=True, **{"was.care_flow": _base(page)}, **text, do=what
        )
        assert answer.status_code == 200, answer.text
        return answer

    assert Document(await do("goal", title="Rest")).field("What is to be done")
    await do("goal", title="Wake")
    for title in ("Dark room", "No screens", "Cool air"):
        await do("add:0", title=title)
    await do("up:0.2")
    await do("down:0.2")
    await do("remove:0.0")
    await do("rename:1", title="Wake early")
    await do("about", description="Sleep well", diagnosis="Insomnia")
    stored = (await _flow(api, flow))["care_flow"]
    assert stored == {
        "description": "Sleep well",
        "diagnosis": "Insomnia",
        "goals": [
            {"title": "Rest", "interventions": [step("Cool air")]},
            {"title": "Wake early", "interventions": [step("No screens")]},
        ],
    }
    page = await coach.get(here)
    asked = Document(await coach.fragment(f"{here}?open=rename:0"))
    assert "Remove the goal “Rest”? Its 1 intervention goes with it." in [
        button.attribute("hx-confirm") for button in asked.all("button")
    ]
    assert "Insomnia" in Document(page).region("Sleep well")
    await do("remove:0")
    assert [goal["title"] for goal in (await _flow(api, flow))["care_flow"]["goals"]] == [
        "Wake early"
    ]


async def test_two_coaches_on_one_flow_lose_nothing_and_decide_what_both_changed(
    coach: Person, people: People, api: Api, charts: Charts, program: int
) -> None:
    other = await people(program, "coach", first_name="Ada")
    patient = await charts.patient(program)
    flow = await charts.flow(program, patient, step("Walk", instructions="Slowly"), step("Swim"))
    here = f"/patients/{patient}/care-flows/{flow}"
    base = {"was.care_flow": _base(await coach.fragment(f"{here}?open=step:0.0"))}
    blank = {"due": "", "worker_id": "", "instructions": "Slowly"}
    await other.send_form(here, htmx=True, **base, do="complete:0.1")
    await other.send_form(here, htmx=True, **base, **blank | {"title": "Walk daily"}, do="save:0.0")
    mine = blank | {"title": "Walk twice", "due": "2026-12-01"}
    clash = await coach.send_form(here, htmx=True, **base, **mine, do="save:0.0")
    assert clash.status_code == 409
    assert Document(clash).alert("Ada Smith")
    assert Document(clash).get("radio", "Walk daily")
    assert Document(clash).get("radio", "Walk twice")
    again = [
        (name, unescape(value))
        for name, value in re.findall(
            r'<input type="hidden" name="([^"]+)" value="([^"]*)">', clash.text
        )
    ]
    again = [pair for pair in again if pair[0] not in ("csrf", "form_token")]
    # Ada changes it once more before the choice is sent: it was not a choice about this.
    await other.send_form(
        here,
        htmx=True,
        **{"was.care_flow": _base(await other.fragment(here))},
        **blank | {"title": "Run"},
        do="save:0.0",
    )
    second = await coach.send_form(here, *again, ("choose.title", "mine"))
    assert second.status_code == 409
    again = [
        (name, unescape(value))
        for name, value in re.findall(
            r'<input type="hidden" name="([^"]+)" value="([^"]*)">', second.text
        )
    ]
    chosen = await coach.send_form(
        here,
        *[pair for pair in again if pair[0] not in ("csrf", "form_token")],
        ("choose.title", "mine"),
    )
    assert chosen.status_code == 303
    [walk, swim] = (await _flow(api, flow))["care_flow"]["goals"][0]["interventions"]
    assert walk == step(
        "Walk twice", reminder_date="2026-12-01T08:00:00.000000+00:00", instructions="Slowly"
    )
    assert swim["completed_by_worker_id"] == other.worker_id


@pytest.mark.parametrize(
    "broken",
    ["", "[]", "{}", '{"description": "x", "goals": 3}', '{"description": "x", "goals": []}'],
)
async def test_a_form_that_was_made_from_nothing_changes_nothing(
    coach: Person, api: Api, charts: Charts, program: int, broken: str
) -> None:
    patient = await charts.patient(program)
    flow = await charts.flow(program, patient, step("Walk"))
    before = await _flow(api, flow)
    for do in ("complete:0.0", "remove:7", "up:0.9", "save:0.0", "complete:", "nothing", ""):
        form = {"was.care_flow": broken, "title": "x", "do": do}
        answer = await coach.send_form(f"/patients/{patient}/care-flows/{flow}", htmx=True, **form)
        assert answer.status_code == 400, do
    assert await _flow(api, flow) == before


async def test_nobody_sees_or_changes_a_flow_who_may_not(
    coach: Person, people: People, charts: Charts, program: int, database: Database, api: Api
) -> None:
    elsewhere = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, elsewhere, kiwi_health.source())
    own = await people(program, "community_health_worker")
    patient, mine = await charts.patient(program), await charts.patient(program, own.worker_id)
    flow, my_flow = (
        await charts.flow(program, patient, step("Walk")),
        await charts.flow(program, mine, step("Mine")),
    )
    before = await _flow(api, flow)
    base = {"was.care_flow": msgspec.json.encode(before["care_flow"]).decode()}
    strangers = [own, await people(elsewhere, "coach"), await people(program, "billing")]
    for person in strangers:
        for path in ("", "/new", f"/{flow}", f"/{flow}/now", f"/{flow}?open=step:0.0"):
            answer = await person.get(f"/patients/{patient}/care-flows{path}")
            assert answer.status_code in (403, 404)
            assert not Document(answer).mentions("Walk")
        for do in ("complete:0.0", "remove:0"):
            refused = await person.send_form(
                f"/patients/{patient}/care-flows/{flow}", htmx=True, **base, do=do
            )
            assert refused.status_code in (403, 404)
        begun = await person.send_form(
            f"/patients/{patient}/care-flows/new",
            description="Theirs",
            start="2026-01-01",
            do="start",
        )
        assert begun.status_code in (403, 404)
    # A flow is not reached through another patient either.
    assert (await own.get(f"/patients/{mine}/care-flows/{flow}")).status_code == 404
    through = await own.send_form(
        f"/patients/{mine}/care-flows/{flow}", htmx=True, **base, do="complete:0.0"
    )
    assert through.status_code == 404
    assert await _flow(api, flow) == before
    assert Document(await own.get(f"/patients/{mine}/care-flows/{my_flow}")).link("Mine")


async def test_a_page_of_a_flow_shows_it_alone_and_names_the_way_back(
    coach: Person, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    flow = await charts.flow(program, patient, step("Walk"))
    await charts.flow(program, patient, step("Swim"), description="Another flow")
    page = await coach.get(f"/patients/{patient}/care-flows/{flow}")
    assert Document(page).lacks("heading", "Another flow")
    both = await coach.get(f"/patients/{patient}/care-flows")
    assert Document(both).heading("Another flow")
    assert Document(both).heading("Increase daily exercise")
    empty = await coach.get(f"/patients/{await charts.patient(program)}/care-flows")
    assert "No care flow yet" in Document(empty).testid("empty")
