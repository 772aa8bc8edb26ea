"""Goals with a number: where they stand in words, in a flow, on the profile and through the API."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.portal.care_flows import goal_form
from almoner.portal.measures import readings
from almoner.portal.measures.measure import Measure
from almoner.portal.measures.progress import GoalReader, Progress
from almoner.portal.measures.readings import Reading
from almoner.portal.measures.sparkline import sparkline, trend
from tests.conftest import Api
from tests.people import People, Person
from tests.portal.profiles import Chart, new_patient
from tests.web.document import Document

HBA1C = Measure("lab_result", "value", "hba1c")
BEGAN = datetime(2026, 10, 1, 12, tzinfo=UTC)


def progress(*values: tuple[int, float], **target: Any) -> Progress:
    """How a goal stands that began on 1 October at 9 and is to be 7 or below; ``values`` are days
    after that with what was measured, and it is the fiftieth day."""
    measured = tuple(
        Reading(at=BEGAN + timedelta(days=days), value=value, unit="%") for days, value in values
    )
    measure = {"of": HBA1C.of, "field": HBA1C.field, "choice": HBA1C.choice, "from": 9, "value": 7}
    reader = GoalReader(
        timezone="UTC",
        today=date(2026, 11, 20),
        titles={HBA1C: "Lab result: HbA1c"},
        measured={HBA1C: measured},
        rows={HBA1C: "/rows"},
    )
    return reader.progress({**measure, "direction": "down", "by": "2026-12-30", **target}, BEGAN)


@pytest.mark.parametrize(
    ("values", "target", "words"),
    [
        ([], {}, "not measured yet"),
        ([(-3, 9)], {}, "not measured since it began"),
        # Half of the way on the forty-fifth of ninety days, and less than that.
        ([(-3, 9), (45, 8)], {}, "on track"),
        ([(-3, 9), (45, 8.1)], {}, "not on track"),
        # What was measured then was on its way, whatever day it is now.
        ([(9, 8.8)], {}, "on track"),
        ([(10, 7)], {}, "reached"),
        ([(10, 8)], {"by": "2026-11-19"}, "not reached in time"),
        ([(10, 8.9)], {"by": None}, "on track"),
        ([(10, 9.1)], {"by": None}, "not on track"),
        ([(45, 130)], {"from": 100, "value": 150, "direction": "up"}, "on track"),
        ([(45, 120)], {"from": 100, "value": 150, "direction": "up"}, "not on track"),
        ([(45, 150)], {"from": 100, "value": 150, "direction": "up"}, "reached"),
    ],
)
def test_a_goal_is_on_track_where_it_was_on_the_day_of_its_newest_value(
    values: list[tuple[int, float]], target: dict[str, Any], words: str
) -> None:
    assert progress(*values, **target).words == words


def test_a_goal_begins_at_the_value_as_the_flow_began_where_nothing_is_said() -> None:
    values = (-90, 9.9), (-3, 8.4), (20, 8)
    assert progress(*values).aim == "from 9 to 7 or below by 30 Dec"
    assert progress(*values, **{"from": None}).aim == "from 8.4 to 7 or below by 30 Dec"
    assert progress((20, 8), **{"from": None}).aim == "from 8 to 7 or below by 30 Dec"
    assert progress(**{"from": None}).aim == "to 7 or below by 30 Dec"
    answer = progress(*values)
    assert (answer.now, answer.when, answer.trend) == (
        "8 %",
        "21 Oct",
        "down 0.4 since 28 Sep (8.4)",
    )


def test_a_new_goal_points_from_its_start_to_its_target_and_is_not_over() -> None:
    values = {**goal_form.BLANK, "measure": HBA1C.key, "begins": "105", "target": "200"}
    known = [(HBA1C.key, "Lab result")]
    up = goal_form.target_of(values)
    down = goal_form.target_of(values | {"target": "7"})
    assert up is not None
    assert down is not None
    assert (up["direction"], down["direction"]) == ("up", "down")
    assert goal_form.wrong(values, known) == {}
    assert list(goal_form.wrong(values | {"begins": ""}, known)) == ["direction"]
    today = date(2026, 11, 20)
    assert list(goal_form.over(values | {"by": "2026-11-19"}, today)) == ["by"]
    assert goal_form.over(values | {"by": "2026-11-20"}, today) == {}


def test_a_line_says_in_words_what_it_draws_and_one_value_is_none() -> None:
    values = [Reading(at=BEGAN + timedelta(days=n), value=9 - n / 10, unit="%") for n in range(3)]
    drawn = sparkline(values, "UTC", date(2026, 11, 20), 7)
    assert drawn is not None
    assert drawn.text == (
        "3 values, from 9 % on 1 Oct to 8.8 % on 3 Oct, between 8.8 and 9; the target is 7"
    )
    heights = [float(point.partition(",")[2]) for point in drawn.line.split()]
    assert heights == sorted(heights)
    assert drawn.aim is not None
    assert drawn.aim > heights[-1]
    assert sparkline(values[:1], "UTC", date(2026, 11, 20)) is None
    assert trend(values[:1], "UTC", date(2026, 11, 20)) == ""
    assert trend([values[0], values[0]], "UTC", date(2026, 11, 20)) == "the same since 1 Oct"


@pytest.mark.usefixtures("program")
async def test_the_number_of_a_patient_is_followed_by_the_change_log(
    store: Store, database: Database, program: int
) -> None:
    grace, noise = await new_patient(store, program), await new_patient(store, program)
    for name in ("70", "68"):
        await grace.change("patients", grace.id, first_name=name)
    await grace.change("patients", grace.id, last_name="Noise")
    await noise.change("patients", noise.id, first_name="1")
    async with database.connection() as connection:
        asked = (["patient"], ["patient"], ["first_name"], [""], readings.EVER)
        rows = await connection.fetch(readings.READINGS, program, grace.id, *asked)
    # No collection has a number of its own to be followed: here words stand for it.
    values = {row["body"]: row["body"].replace('"', "").replace("Grace", "75") for row in rows}
    numbers = [{**row, "body": values[row["body"]]} for row in rows]
    assert [reading.value for reading in readings.of_patient(numbers)] == [75, 70, 68]
    assert [reading.value for reading in readings.of_patient(numbers[-1:])] == [68]


async def lab(patient: Chart, days: int, value: float, test: str = "hba1c") -> None:
    at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    body = {"test": test, "value": value, "unit": "%", "collected_at": at}
    await patient.add("custom_data_type_records", type_name="lab_result", body=body)


def base(page: httpx.Response) -> str:
    match = re.search(r'name="was.care_flow" value="([^"]*)"', page.text)
    assert match
    return unescape(match[1])


@pytest.mark.usefixtures("program")
async def test_a_template_gives_its_number_and_the_profile_and_the_flow_show_it(
    coach: Person, store: Store, api: Api, program: int
) -> None:
    grace, noise = await new_patient(store, program), await new_patient(store, program)
    await lab(noise, 1, 6)
    for days, value in ((90, 8.9), (40, 8.1)):
        await lab(grace, days, value)
    await lab(grace, 2, 100, "ldl")
    here = f"/patients/{grace.id}/care-flows"
    name = "Blood sugar within range"
    form = {"template": name, "description": "Sugar", "diagnosis": "", "do": "start"}
    who = {"assignee.coach": "nobody", "assignee.nurse": "nobody"}
    start = datetime.now(UTC).date().isoformat()
    offered = Document(await coach.get(f"{here}/new?template={name.replace(' ', '+')}"))
    assert "Measured by Lab result: HbA1c to 7 or below by" in offered.testid("goal-number")
    began = await coach.send_form(f"{here}/new", ("take", "0.0"), **form, **who, start=start)
    assert began.status_code == 303, began.text
    flow = began.headers["location"].rpartition("/")[2]
    goals = (await api.get(f"/v1/care_flows/{flow}")).json()["care_flow"]["goals"]
    assert [list(goal) for goal in goals] == [
        ["title", "interventions"],
        ["title", "interventions", "target"],
    ]
    target = goals[1]["target"]
    assert [target[key] for key in ("of", "field", "choice", "from", "value", "direction")] == [
        "lab_result",
        "value",
        "hba1c",
        None,
        7,
        "down",
    ]
    for page in (f"/patients/{grace.id}", f"{here}/{flow}"):
        number = Document(await coach.get(page)).testid("goal-number")
        assert "8.1 %" in number
        assert "from 8.1 to 7 or below by" in number
        assert "not measured since it began" in number
        assert "2 values, from 8.9 %" in number.get("img").name
    await lab(grace, 0, 6.9)
    number = Document(await coach.get(f"{here}/{flow}")).testid("goal-number")
    assert "reached" in number
    assert number.link("6.9 %").attribute("href").endswith("?type=lab_result&only=hba1c")
    # It never closes by itself.
    steps = (await api.get(f"/v1/care_flows/{flow}")).json()["care_flow"]["goals"][0]
    assert steps["interventions"][0]["completed_at"] is None
    assert Document(await coach.get(f"/patients/{grace.id}")).testid("goal-number")


@pytest.mark.usefixtures("program")
async def test_a_goal_is_given_a_number_another_one_and_none(
    coach: Person, store: Store, api: Api, program: int
) -> None:
    grace = await new_patient(store, program)
    goal = {"title": "Sleep", "interventions": [{"title": "Walk"}]}
    flow = await grace.add("care_flows", care_flow={"description": "Rest", "goals": [goal]})
    here = f"/patients/{grace.id}/care-flows/{flow}"

    async def stored() -> dict[str, Any]:
        flow_row: dict[str, Any] = (await api.get(f"/v1/care_flows/{flow}")).json()
        first: dict[str, Any] = flow_row["care_flow"]["goals"][0]
        return first

    form = await coach.fragment(f"{here}?open=rename:0")
    offered = Document(form).field("measure").options
    key = next(
        key for key, title in offered.items() if title.endswith("Hours of sleep in a usual night")
    )
    fields = {"title": "Sleep", "measure": key, "begins": "five", "target": "", "direction": "up"}
    wrong = await coach.send_form(
        here, htmx=True, **{"was.care_flow": base(form)}, **fields, by="2027-02-30", do="rename:0"
    )
    assert wrong.status_code == 400
    assert all(Document(wrong).field(name).error for name in ("begins", "target", "by"))
    assert Document(wrong).field("begins").value == "five"
    assert "target" not in await stored()

    right = fields | {"begins": "5.5", "target": "7", "by": "2027-02-28"}
    saved = await coach.send_form(
        here, htmx=True, **{"was.care_flow": base(form)}, **right, do="rename:0"
    )
    assert saved.status_code == 200
    assert (await stored())["target"] == {
        "of": "weekly_check_in",
        "field": "hours_of_sleep",
        "choice": None,
        "from": 5.5,
        "value": 7,
        "direction": "up",
        "by": "2027-02-28",
    }
    page = await coach.get(f"{here}?open=rename:0")
    # Words for a day are as good, and days that are often meant are beside it.
    today = datetime.now(ZoneInfo("America/Los_Angeles")).date()
    in_words = right | {"by": "in 2 weeks"}
    again = {"was.care_flow": base(page)}
    await coach.send_form(here, htmx=True, **again, **in_words, do="rename:0")
    assert (await stored())["target"]["by"] == (today + timedelta(days=14)).isoformat()
    assert re.search(r'data-testid="soon".*>in 3 months</button>', page.text)
    page = await coach.get(f"{here}?open=rename:0")
    assert Document(page).field("measure").value == key
    assert Document(page).field("begins").value == "5.5"
    timeline = await coach.get(f"/patients/{grace.id}?show=changes")
    assert "Hours of sleep in a usual night up to 7" in Document(timeline).main()
    none = right | {"measure": ""}
    await coach.send_form(here, htmx=True, **{"was.care_flow": base(page)}, **none, do="rename:0")
    assert list(await stored()) == ["title", "interventions"]
    # Interventions that are completed beside a number leave it alone.
    assert (await stored())["interventions"][0]["title"] == "Walk"


@pytest.mark.usefixtures("program")
async def test_a_new_goal_that_is_reached_or_over_already_is_said(
    coach: Person, store: Store, program: int
) -> None:
    grace = await new_patient(store, program)
    await lab(grace, 3, 8.1)
    flow = await grace.add("care_flows", care_flow={"description": "Rest", "goals": []})
    here = f"/patients/{grace.id}/care-flows/{flow}"
    form = await coach.fragment(f"{here}?open=goal")
    fields = {"was.care_flow": base(form), "title": "Sugar", "measure": HBA1C.key, "do": "goal"}
    fields |= {"begins": "", "target": "9", "direction": "down"}
    over = await coach.send_form(here, htmx=True, **fields, by="2020-01-01")
    assert over.status_code == 400
    assert Document(over).field("by").error
    saved = await coach.send_form(here, htmx=True, **fields, by="")
    assert "8.1 % reaches it already" in Document(saved).get("status")


@pytest.mark.usefixtures("program")
async def test_who_may_not_see_a_number_sees_that_there_is_one(
    people: People, store: Store, program: int
) -> None:
    grace = await new_patient(store, program)
    await lab(grace, 3, 8.1)
    target = {"of": "lab_result", "field": "value", "choice": "hba1c", "value": 7}
    goal = {"title": "Sugar", "interventions": [], "target": target | {"direction": "down"}}
    await grace.add("care_flows", care_flow={"description": "Rest", "goals": [goal]})
    async with await people(program, "community_health_worker") as helper:
        await grace.change("patients", grace.id, coach_id=helper.worker_id)
        page = await helper.get(f"/patients/{grace.id}/care-flows")
    number = Document(page).testid("goal-number")
    assert "your role does not show it" in number
    assert not Document(page).mentions("8.1")


@pytest.mark.usefixtures("program")
async def test_a_card_of_labs_has_the_newest_of_each_test_and_leads_to_all_of_it(
    coach: Person, store: Store, program: int
) -> None:
    grace, noise = await new_patient(store, program), await new_patient(store, program)
    await lab(noise, 1, 6.1)
    for days, value in ((90, 8.9), (40, 8.1), (3, 7.6)):
        await lab(grace, days, value)
    await lab(grace, 2, 100, "ldl")
    profile = Document(await coach.get(f"/patients/{grace.id}")).region("Lab results")
    ldl, hba1c = profile.all("listitem")
    assert "The only value." in ldl
    assert not ldl.all("img")
    since = datetime.now(ZoneInfo("America/Los_Angeles")) - timedelta(days=40)
    assert f"down 0.5 since {since.day} {since:%b}" in hba1c
    assert "3 values, from 8.9 % on" in hba1c.get("img").name
    assert not profile.mentions("6.1")
    table = await coach.get(hba1c.link("7.6 %").attribute("href"))
    assert all(Document(table).get("cell", value) for value in ("8.9", "8.1", "7.6"))
    assert Document(table).lacks("cell", "100")
    assert Document(await coach.get(f"/patients/{grace.id}/records")).get("cell", "100")
