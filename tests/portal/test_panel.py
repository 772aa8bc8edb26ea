"""My panel: whom it shows with what, in which order, by which filters; views that are saved."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from importlib import import_module

import msgspec
import pytest

from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.demo import panels
from almoner.portal.panel.saved_views import MOST
from almoner.resources import BY_NAME
from tests.people import People, Person
from tests.portal.chart import Chart
from tests.portal.panels import Practice, ids
from tests.web.document import Document

SCORE = "score.pain"


@pytest.fixture
async def coach(people: People, chart: Chart) -> AsyncIterator[Person]:
    async with await people(
        chart.environment, "coach", first_name="Ann", last_name="Lee"
    ) as person:
        yield person


@pytest.fixture
def practice(chart: Chart, coach: Person) -> Practice:
    return Practice(chart, coach)


async def panel(person: Person, query: str = "") -> Document:
    answer = await person.get(f"/panel{query}")
    assert answer.status_code == 200, answer.text
    return Document(answer)


async def test_it_opens_on_the_own_patients_with_what_is_due_and_how_far_the_flow_is(
    practice: Practice, coach: Person, people: People
) -> None:
    mine = await practice.patient("Ada")
    await practice.patient("Bea", mine=False)
    await practice.flow(mine, days=-3, done=1)
    await practice.chart.make("patient_tasks", user_id=mine, task_type="survey")
    page = await panel(coach)
    row = page.row("Ada Hopper")
    assert "3 days late" in row
    assert "1 of 2 done" in row
    assert page.testid("number").words == "1 patient"
    assert not page.region("Table of patients").mentions("Bea")
    everybody = await panel(coach, "?view=all")
    assert everybody.row("Bea Hopper")


async def test_a_score_is_sorted_by_both_ways_and_who_has_none_comes_last(
    practice: Practice, coach: Person
) -> None:
    low, high, none, middle = [await practice.patient(name) for name in ("Al", "Bo", "Cy", "Di")]
    for patient, level in ((low, 1), (high, 9), (middle, 9), (middle, 4)):
        await practice.pain(patient, level)
    down = await coach.get(f"/panel?columns={SCORE}&sort={SCORE}&way=down&all=coach:is:me")
    assert ids(down.text) == [high, middle, low, none]
    up = await coach.get(f"/panel?columns={SCORE}&sort={SCORE}&all=coach:is:me")
    assert ids(up.text) == [low, middle, high, none]
    page = Document(down)
    assert "descending" in [head.attribute("aria-sort") for head in page.all("columnheader")]
    row = page.row("Di Hopper")
    assert "↓ from 9, strong" in row


async def test_filters_hold_together_and_alternatives_one_of_them(
    practice: Practice, coach: Person
) -> None:
    low, high, late = [await practice.patient(name) for name in ("Al", "Bo", "Cy")]
    stranger = await practice.patient("Stranger", mine=False)
    for patient, level in ((low, 1), (high, 9), (stranger, 9)):
        await practice.pain(patient, level)
    await practice.flow(late, days=-5)
    await practice.flow(high, days=2)
    await practice.chart.make(
        "custom_data_type_records",
        user_id=low,
        type_name="medicine",
        body={"name": "Ibu", "dose": 400, "form": "drops", "daily": True},
    )
    mine = "all=coach:is:me"

    async def fitting(query: str) -> set[str]:
        return set(ids((await coach.get(f"/panel?columns=phase&{query}")).text))

    assert await fitting(f"{mine}&all={SCORE}:least:5") == {high}
    assert await fitting(f"all={SCORE}:least:5") == {high, stranger}
    assert await fitting(f"{mine}&any={SCORE}:least:5&any=due:least:3") == {high, late}
    assert await fitting(f"{mine}&all=due:least:5") == {late}
    assert await fitting(f"{mine}&all=due:least:6") == set()
    assert await fitting(f"{mine}&all={SCORE}:none:") == {late}
    assert await fitting(f"{mine}&all=band.pain:is:strong") == {high}
    assert await fitting(f"{mine}&all=band.pain:not:strong") == {low, late}
    assert await fitting(f"{mine}&all=record.medicine.dose:least:400") == {low}
    assert await fitting(f"{mine}&all=record.medicine.form:is:drops") == {low}
    assert await fitting(f"{mine}&all=record.medicine.daily:is:true") == {low}
    strong, due = f"{SCORE}:least:5", "due:least:3"
    assert await fitting(f"{mine}&any.1.1={strong}&any.1.1=due:any:&any.1.2={due}") == {high, late}
    assert await fitting(f"any.1.1={strong}&any.1.1={due}&any.1.2={SCORE}:most:3") == {low}
    assert await fitting(
        f"any.1.1={strong}&any.1.2={due}&any.2.1=coach:is:nobody&any.2.2={due}"
    ) == {stranger, late}
    assert await fitting(f"any.1.1={strong}&any.1.1=coach:is:me&any.1.2=coach:is:nobody") == {
        high,
        stranger,
    }
    assert await fitting("all=due:most:5&all=due:least:5") == {late}
    assert await fitting("all=coach:is:nobody") == {stranger}
    assert await fitting(f"all={SCORE}:least:5&all=band.pain:is:strong") == {high, stranger}
    assert await fitting(f"all={SCORE}:least:1&all=due:most:3&all=due:least:0") == set()
    assert await fitting(f"all={SCORE}:most:3&all=record.medicine.dose:least:1") == {low}
    assert await fitting(f"{mine}&all=phase:is:intake&all=added:within:2") == {low, high, late}
    assert await fitting(f"{mine}&all=added:before:2") == set()
    assert await fitting(f"{mine}&all=consent.sms:is:yes") == set()
    assert await fitting(f"{mine}&all=patient.timezone:is:US/Eastern") == {low, high, late}


async def test_a_consent_is_the_same_where_it_is_filtered_by_and_where_a_message_is_written(
    practice: Practice, coach: Person
) -> None:
    # By name: what their numbers say of SMS. One number may be there twice.
    numbers = {
        "Ada": [("415-555-0001", True)],
        "Ben": [("415-555-0002", True), ("415-555-0002", False)],
        "Cleo": [("415-555-0003", False), ("415-555-0004", True)],
        "Dora": [],
        "Eve": [("415-555-0005", False)],
    }
    patients = {name: await practice.patient(name) for name in (*numbers, "Fay")}
    by = Actor(practice.chart.environment, "client:other", "api", "test")
    for name, known in {**numbers, "Fay": [("415-555-0006", True)]}.items():
        for number, agreed in known:
            row = await practice.chart.make(
                "phone_numbers",
                user_id=patients[name],
                phone_number=number,
                phone_number_type="cell",
                opted_in_to_sms=agreed,
            )
    # Another system takes it back.
    change = {"opted_in_to_sms": False}
    await practice.chart.store.update(by, BY_NAME["phone_numbers"], row, change, None)
    words = {}
    for answer in ("yes", "no", "never%20asked"):
        page = await coach.get(f"/panel?columns=consent.sms&all=consent.sms:is:{answer}")
        for patient in ids(page.text):
            words[patient] = answer
    agreed_to = {name: words.get(patient) for name, patient in patients.items()}
    assert agreed_to == {
        "Ada": "yes",
        "Ben": "never%20asked",
        "Cleo": "yes",
        "Dora": None,
        "Eve": "never%20asked",
        "Fay": "no",
    }
    sentences = {"never%20asked": "never asked about SMS", "no": "does not agree to SMS"}
    for name, patient in patients.items():
        form = Document(await coach.get(f"/patients/{patient}/conversations/new?type=phone")).main()
        for answer, sentence in sentences.items():
            is_there = name != "Cleo" and agreed_to[name] == answer
            assert (f": {sentence}." in form) == is_there, (name, answer)
        of_patient = (await panel(coach, "?columns=consent.sms")).row(f"{name} Hopper")
        assert (agreed_to[name] or "Hopper").replace("%20", " ") in of_patient


async def test_a_view_that_was_saved_by_a_consent_asks_for_the_same_as_it_did(
    practice: Practice, coach: Person, database: Database
) -> None:
    agreed = await practice.patient("Ada")
    unasked = await practice.patient("Ben")
    number = {"phone_number": "415-555-0001", "phone_number_type": "cell"}
    await practice.chart.make("phone_numbers", user_id=agreed, **number, opted_in_to_sms=True)
    saved = {}
    for title, query in (
        ("Agreed", "all=consent.sms:is:true"),
        ("Not", "all=consent.sms:is:false"),
        ("Noise", "all=patient.first_name:is:true"),
    ):
        column, test, value = query.removeprefix("all=").split(":")
        view = {"every": [{"column": column, "test": test, "value": value}], "some": []}
        async with database.connection() as connection:
            saved[title] = await connection.fetchval(
                "INSERT INTO panel_views (environment_id, id, worker_id, title, view)"
                " VALUES ($1, gen_random_uuid(), $2, $3, $4::json) RETURNING id::text",
                *(practice.chart.environment, coach.worker_id, title),
                msgspec.json.encode(view).decode(),
            )
    migration = import_module("almoner.migrations.versions.2026_12_17_consent_views")
    async with database.connection() as connection:
        await connection.execute(migration._ASKED)
        noise = await connection.fetchval(
            "SELECT view::text FROM panel_views WHERE id = $1::uuid", saved["Noise"]
        )
    assert '"true"' in noise
    assert ids((await coach.get(f"/panel?view={saved['Agreed']}")).text) == [agreed]
    assert ids((await coach.get(f"/panel?view={saved['Not']}")).text) == [unasked]


async def test_a_button_that_lacks_a_choice_says_what_to_do(
    practice: Practice, coach: Person
) -> None:
    patient = await practice.patient("Ada")
    nothing = await coach.get("/panel?columns=phase&filter=")
    assert nothing.status_code == 400
    assert "Choose what to filter by" in Document(nothing).alert()
    assert ids(nothing.text) == [patient]
    unnamed = await coach.send_form("/panel/save?columns=phase", title=" ", do="new")
    assert unnamed.status_code == 400
    assert "what the view is called" in Document(unnamed).alert()
    acts = list(Document(nothing).field("act").options.values())
    assert acts.index("Message…") < acts.index("me" if "me" in acts else "nobody")
    assert "intake" in acts[-1].lower()


async def test_what_is_written_shows_at_once_and_what_is_taken_away_too(
    practice: Practice, coach: Person
) -> None:
    patient = await practice.patient("Ada")
    columns = f"?columns={SCORE},tasks"
    assert "strong" not in (await panel(coach, columns)).row("Ada Hopper")
    await practice.pain(patient, 8)
    task = await practice.chart.make("patient_tasks", user_id=patient, task_type="survey")
    row = (await panel(coach, f"{columns}&all=tasks:is:1")).row("Ada Hopper")
    assert "strong" in row
    due = {"due_date": "2020-01-06"}
    await practice.chart.make("worker_tasks", patient_id=patient, title="Ring them", **due)
    row = (await panel(coach, "?columns=team_tasks,due&all=due:least:9")).row("Ada Hopper")
    assert "1" in row
    assert "days late" in row
    by = Actor(practice.chart.environment, "test", "cli", "test")
    await practice.chart.store.delete(by, BY_NAME["patient_tasks"], task, None)
    assert (await coach.get(f"/panel{columns}&all=tasks:is:1")).text.count(patient) == 0


@pytest.mark.parametrize("sort", ["name", SCORE, "phase", "added", "coach"])
async def test_pages_show_everybody_once_there_and_back(
    practice: Practice, coach: Person, sort: str
) -> None:
    patients = [await practice.patient(f"P{n % 5}", mine=n % 9 > 0) for n in range(57)]
    for number, patient in enumerate(patients):
        if number % 2:
            await practice.pain(patient, (number * 7) % 4)
    path, order, pages = f"/panel?columns={SCORE}&sort={sort}&way=down", list[str](), 0
    while path:
        text = (await coach.get(path)).text
        order, pages = order + ids(text), pages + 1
        onward = re.search(r'href="([^"]+)" rel="next"', text)
        back = re.search(r'href="([^"]+)" rel="prev"', text)
        path = onward[1].replace("&amp;", "&") if onward else ""
    assert (sorted(order), pages) == (sorted(patients), 2)
    assert back
    assert ids((await coach.get(back[1].replace("&amp;", "&"))).text) == order[:50]


async def test_a_filter_is_added_in_two_steps_and_refused_at_its_field(
    practice: Practice, coach: Person
) -> None:
    await practice.patient("Ada")
    asked = await panel(coach, f"?columns=phase&filter={SCORE}")
    assert asked.field("test")
    refused = await coach.get(f"/panel?columns=phase&filter={SCORE}&test=least&value=much")
    assert refused.status_code == 400
    assert Document(refused).field("value").error
    here = "?columns=phase"
    for column, test, value, how in (
        (SCORE, "least", "5", "any.1.1"),
        ("unread", "least", "1", "any.1.1"),
        ("due", "any", "", "any.1.2"),
        ("phase", "is", "intake", "all"),
    ):
        path = f"/panel{here}&filter={column}"
        assert Document(await coach.get(path)).field("how")
        added = await coach.get(f"{path}&test={test}&value={value}&how={how}")
        assert added.status_code == 303
        here = "?" + added.headers["location"].partition("?")[2]
    page = await panel(coach, here)
    assert page.testid("number").words == "0 patients"
    assert page.testid("filter-words").words == (
        "Phase is intake, and (Pain check: score is at least 5 and Unread messages is at least 1,"
        " or Due is due)"
    )
    fewer = page.link("Remove filter: Unread messages is at least 1").attribute("href")
    assert "any.1.1=score.pain%3Aleast%3A5&any.1.2=due%3Aany%3A" in fewer


async def test_what_a_role_hides_is_no_column_no_filter_and_no_shared_view(
    practice: Practice, coach: Person, people: People
) -> None:
    patient = await practice.patient("Ada")
    await practice.chart.make(
        "custom_data_type_records", user_id=patient, type_name="locked", body={"word": "secret"}
    )
    by = "columns=record.locked.word&all=record.locked.word:is:secret"
    assert ids((await coach.get(f"/panel?{by}")).text) == [patient]
    await coach.send_form(f"/panel/save?{by}", do="new", title="Locked ones", shared="on")
    assert (await panel(coach)).link("Locked ones, shared")
    async with await people(practice.chart.environment, "helper") as helper:
        own = await practice.patient("Own", coach_id=helper.worker_id, mine=False)
        page = await coach_of(helper, f"?{by}")
        assert page.alert("does not show")
        assert page.lacks("link", "Locked ones, shared")
        assert ids((await helper.get("/panel?view=all")).text) == [own]
        assert ids((await helper.get("/panel?columns=phase&all=phase:is:intake")).text) == [own]


async def coach_of(person: Person, query: str) -> Document:
    return Document(await person.get(f"/panel{query}"))


async def test_a_view_is_saved_shared_changed_and_removed_by_whose_it_is(
    practice: Practice, coach: Person, people: People
) -> None:
    patient = await practice.patient("Ada")
    await practice.pain(patient, 9)
    by = f"columns={SCORE}&sort={SCORE}&all={SCORE}:least:5"
    unnamed = await coach.send_form(f"/panel/save?{by}", do="new", title=" ")
    assert unnamed.status_code == 400
    assert Document(unnamed).alert("what the view is called")
    saved = await coach.send_form(f"/panel/save?{by}", do="new", title="In pain", shared="on")
    tab = saved.headers["location"].partition("view=")[2]
    page = await panel(coach, f"?view={tab}")
    assert page.link("In pain, shared 1").attribute("aria-current") == "page"
    async with await people(practice.chart.environment, "coach") as other:
        assert ids((await other.get(f"/panel?view={tab}")).text) == [patient]
        taken = await other.send_form(f"/panel/save?view={tab}&columns=phase", do="here")
        assert taken.status_code == 400
        await other.send_form(f"/panel/remove?view={tab}")
    changed = await coach.send_form(f"/panel/save?view={tab}&columns=phase", do="here")
    assert changed.status_code == 303
    assert (await panel(coach, f"?view={tab}")).link("In pain, shared 1")
    await coach.send_form(f"/panel/remove?view={tab}")
    assert (await panel(coach)).lacks("link", "In pain, shared 1")


async def test_who_has_as_many_views_as_may_be_changes_and_removes_them(
    practice: Practice, coach: Person
) -> None:
    await practice.patient("Ada")
    tabs = []
    for number in range(MOST):
        saved = await coach.send_form("/panel/save?columns=phase", do="new", title=f"View {number}")
        tabs.append(saved.headers["location"].partition("view=")[2])
    refused = await coach.send_form("/panel/save?columns=phase", do="new", title="One more")
    assert refused.status_code == 400
    changed = await coach.send_form(f"/panel/save?view={tabs[0]}&columns=added", do="here")
    assert changed.status_code == 303


async def test_the_own_columns_of_mine_stay_and_can_be_as_at_first(
    practice: Practice, coach: Person
) -> None:
    await practice.patient("Ada")
    await coach.send_form("/panel/save?view=mine&columns=added&all=coach:is:me", do="here")
    changed = await panel(coach)
    assert changed.link("Added")
    assert changed.lacks("link", "Due")
    await coach.send_form("/panel/remove?view=mine")
    assert (await panel(coach)).link("Due")


async def test_a_tab_of_everybody_keeps_whom_it_shows(practice: Practice, coach: Person) -> None:
    ada = await practice.patient("Ada", mine=False)
    await practice.patient("Bea")
    by = "view=all&columns=phase,added&all=coach:is:me"
    page = Document(await coach.get(f"/panel?{by}"))
    assert page.lacks("button", "Save the view")
    refused = await coach.send_form(f"/panel/save?{by}", do="here")
    assert Document(refused).mentions("All stays as it is")
    assert ada in ids((await coach.get("/panel?view=all")).text)
    same = Document(await coach.get("/panel?view=all&columns=phase,added"))
    assert same.button("Save the view")


async def test_the_tabs_tell_how_many_each_has(practice: Practice, coach: Person) -> None:
    await practice.patient("Ada")
    await practice.patient("Bea", mine=False)
    tabs = Document(await coach.fragment("/panel/counts?view=mine"))
    assert tabs.link("Mine 1").attribute("aria-current") == "page"
    assert tabs.link("All 2")


async def test_the_demo_shares_a_view_that_is_one(
    people: People, database: Database, program: int
) -> None:
    async with await people(program, "coach", first_name="Ann") as sharer:
        async with database.connection() as connection:
            for _ in range(2):
                await panels.share(connection, program, sharer.worker_id)
        async with await people(program, "coach") as other:
            tabs = Document(await other.fragment("/panel/counts"))
            assert tabs.link("Mood to look after, shared 0")


async def test_a_view_is_taken_out_as_a_file_by_who_administers(
    practice: Practice, coach: Person, people: People, database: Database
) -> None:
    low, high = await practice.patient("Al"), await practice.patient("=Bo")
    await practice.pain(low, 1)
    await practice.pain(high, 9)
    path = f"/panel/export?columns=phase,{SCORE},band.pain&sort={SCORE}&way=down"
    assert (await coach.get(path)).status_code == 403
    async with await people(practice.chart.environment, "coach", "admin") as admin:
        answer = await admin.get(path)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["id"], row["Pain check: score"]) for row in rows] == [(high, "9"), (low, "1")]
    assert rows[0]["Name"] == "'=Bo Hopper"
    async with database.connection() as connection:
        events = await connection.fetch(
            "SELECT detail FROM worker_events WHERE environment_id = $1 AND event = 'data exported'",
            practice.chart.environment,
        )
    assert [row["detail"] for row in events] == ["2 rows: a view of the panel as CSV"]
