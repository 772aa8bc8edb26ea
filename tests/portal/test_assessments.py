"""Assessments in the portal: filled in with drafts that nothing is lost of, finished through the
store, read in their version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.chart import NEWER, PROGRAM, Chart, decoded, text_of, until
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("chart")


@pytest.fixture
async def helper(people: People, chart: Chart) -> Person:
    """Somebody who sees their own patients alone, and not the secret form."""
    return await people(chart.environment, "helper", first_name="Hal", last_name="Helper")


def path(patient: str, rest: str = "") -> str:
    return f"/patients/{patient}/assessments{rest}"


async def send(
    person: Person,
    patient: str,
    do: str = "",
    version: str = "1",
    htmx: bool = True,
    begun: bool = True,
    **answers: Any,
) -> httpx.Response:
    """What the form sends that was opened just now: every question that stands in it is named, each
    with what was typed.
    """
    form = await person.get(path(patient, "/new?spec=pain"))
    return await send_from(
        base_of(form.text),
        person,
        patient=patient,
        do=do,
        version=version,
        htmx=htmx,
        begun=begun,
        **answers,
    )


def base_of(html: str) -> dict[str, str]:
    """What a form says that it saw of each question."""
    hidden_fields = re.findall(r'<input type="hidden" name="base\.([^"]+)" value="([^"]*)">', html)
    return {name: unescape(texts) for name, texts in hidden_fields}


async def send_from(
    base: Mapping[str, str],
    person: Person,
    patient: str,
    do: str = "",
    version: str = "1",
    htmx: bool = True,
    begun: bool = True,
    **answers: Any,
) -> httpx.Response:
    """What a form sends that saw these answers."""
    pairs = [("spec", "pain"), ("version", version), *((("begun", "yes"),) if begun else ())]
    for name, text_or_texts in answers.items():
        pairs += [("asked", name), (f"base.{name}", base.get(name, "[]"))]
        pairs += [
            (f"a-{name}", text)
            for text in (text_or_texts if isinstance(text_or_texts, list) else [text_or_texts])
        ]
    if do:
        pairs.append(("do", do))
    return await person.send_form(path(patient, "/answer"), *pairs, htmx=htmx)


def value(html: str, name: str) -> str:
    """What stands in the box of a question."""
    match = re.search(rf'<input[^>]*name="a-{name}"[^>]*>', html)
    assert match, name
    attribute = re.search(r' value="([^"]*)"', match[0])
    return attribute[1] if attribute else ""


async def test_what_is_typed_comes_back_also_what_does_not_parse_yet(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    sent = await send(
        coach,
        patient,
        begun=False,
        level="7",
        place="left knee",
        dose="12,5 mg",
        since="",
        walks="no",
        helps=["heat", "rest"],
        notes="a\r\nb",
    )
    assert sent.status_code == 200, sent.text
    assert re.search(r"Saved \d\d:\d\d, your time", text_of(sent.text))
    page = await coach.get(path(patient, "/new?spec=pain"))
    assert value(page.text, "dose") == "12,5 mg"
    assert value(page.text, "place") == "left knee"
    assert re.search(r'name="a-level" value="7" checked', page.text)
    assert re.search(r'name="a-walks" value="no" checked', page.text)
    assert re.search(r'value="heat" checked', page.text)
    assert re.search(r'value="rest" checked', page.text)
    assert Document(page).field("a-notes").value == "a\nb"
    assert await chart.rows("assessment_responses", patient) == []


async def test_follow_ups_appear_and_vanish_and_what_was_typed_in_them_returns(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    without = await send(coach, patient, begun=False, level="2")
    assert Document(without).lacks("field", "Where is it?")
    asked = await send(coach, patient, level="4")
    assert Document(asked).field("Where is it?")
    await send(coach, patient, level="4", place="hip")
    gone = await send(coach, patient, level="3", place="hip")
    assert Document(gone).lacks("field", "Where is it?")
    again = await send(coach, patient, level="5")
    assert value(again.text, "place") == "hip"


async def test_a_box_that_is_in_the_page_is_left_to_the_browser(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    answer = await send(coach, patient, begun=False, level="5", place="hi")
    assert value(answer.text, "place") == ""


async def test_score_and_band_follow_each_answer(coach: Person, chart: Chart) -> None:
    patient = await chart.patient()
    assert Document(await send(coach, patient, begun=False, notes="x")).lacks("status")
    assert Document(await send(coach, patient, level="3")).status("score 3 · mild")
    assert Document(await send(coach, patient, level="8")).status("score 8 · strong")
    assert Document(await send(coach, patient, level="80")).lacks("status")


async def test_a_time_that_the_clocks_skip_or_pass_twice_is_never_moved_in_an_answer(
    coach: Person, chart: Chart
) -> None:
    patient, noise = await chart.patient(), await chart.patient("Noise")
    await send(coach, noise, begun=False, level="3", seen_at="2026-08-02T07:20")
    skipped = await send(
        coach, patient, "finish", begun=False, level="2", seen_at="2027-03-14T02:30"
    )
    assert (
        "02:30 does not exist on Sunday 14 March in US Eastern: the clocks go forward from 02:00 to"
        " 03:00." in Document(skipped).field("a-seen_at").error
    )
    asked = await send(coach, patient, "finish", level="2", seen_at="2026-11-01T01:30")
    assert (
        "The clocks go back on that day and pass 01:30 twice."
        in Document(asked).field("a-seen_at").error
    )
    offered = re.findall(r'value="([^"]+)"> (First|Second): 01:30 E[DS]T', asked.text)
    assert offered == [
        ("2026-11-01T05:30:00.000000+00:00", "First"),
        ("2026-11-01T06:30:00.000000+00:00", "Second"),
    ]
    assert await chart.rows("assessment_responses", patient) == []
    await send(coach, patient, "finish", level="2", seen_at=["2026-11-01T01:30", offered[1][0]])
    (row,) = await chart.rows("assessment_responses", patient)
    assert decoded(row["model"])["seen_at"] == offered[1][0]


async def test_finishing_keeps_the_shown_answers_alone_and_drops_the_draft(
    coach: Person, chart: Chart
) -> None:
    patient, noise = await chart.patient(), await chart.patient("Noise")
    await send(coach, noise, begun=False, level="9", place="noise")
    await send(coach, patient, begun=False, level="6", place="hip", helps=["heat"])
    done = await send(
        coach,
        patient,
        "finish",
        level="2",
        place="hip",
        since="2026-08-02",
        dose="1.5",
        walks="yes",
    )
    assert done.status_code == 204, done.text
    [row] = await chart.rows("assessment_responses", patient)
    assert decoded(row["model"]) == {
        "level": 2,
        "since": "2026-08-02",
        "dose": 1.5,
        "walks": True,
        "helps": ["heat"],
    }
    assert (row["spec_id"], row["version"]) == ("pain", 1)
    assert done.headers["HX-Redirect"] == path(patient, f"/{row['id']}")
    page = await coach.get(path(patient))
    assert Document(page).lacks("heading", "Your drafts")
    assert Document(await coach.get(path(noise))).heading("Your drafts")
    async with chart.database.connection() as connection:
        actor = await connection.fetchval(
            "SELECT actor FROM changes WHERE environment_id = $1 AND row_id = $2",
            chart.environment,
            row["id"],
        )
    assert actor == f"worker:{coach.worker_id}"


async def test_every_problem_is_told_at_its_field_and_what_was_typed_stays(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    refused = await send(
        coach,
        patient,
        "finish",
        htmx=False,
        begun=False,
        level="5",
        place="",
        dose="plenty",
        since="2026-02-30",
        notes="kept",
    )
    assert refused.status_code == 400
    read = Document(refused)
    assert read.alert("Still to be answered: Where is it?")
    assert read.alert("2 answers need another look:")
    for name, sentence in (
        ("place", "This must be answered."),
        ("dose", "number"),
        ("since", "Give a day such as 24 Nov 2026."),
    ):
        error = re.search(rf'id="a-{name}-error">([^<]*)<', refused.text)
        assert error, name
        assert sentence in error[1], (name, error[1])
        assert re.search(rf'id="a-{name}"[^>]*aria-invalid="true"', refused.text)
    assert value(refused.text, "dose") == "plenty"
    assert value(refused.text, "since") == "2026-02-30"
    assert Document(refused).field("a-notes").value == "kept"
    assert await chart.rows("assessment_responses", patient) == []
    # From now on each answer is looked at as it is typed, and what is mended is told no more.
    pairs = [("spec", "pain"), ("version", "1"), ("begun", "yes"), ("checked", "yes")]
    pairs += [("asked", "place"), ("a-place", "hip"), ("asked", "dose"), ("a-dose", "plenty")]
    mended = await coach.send_form(path(patient, "/answer"), *pairs, htmx=True)
    assert not Document(mended).field("a-place").error
    assert Document(mended).field("a-dose").error


async def test_nothing_at_all_is_not_finished_and_says_what_is_missing_and_where(
    coach: Person, chart: Chart
) -> None:
    patient, noise = await chart.patient(), await chart.patient()
    await send(coach, noise, begun=False, level="7")
    refused = await send(coach, patient, "finish", begun=False, level="", notes=" ")
    assert refused.status_code == 400
    assert Document(refused).alert("Nothing is answered yet")
    assert "This must be answered." in Document(refused).field("a-level").error
    match = re.search(r"Still to be answered: (.*?)</p>", refused.text)
    assert match
    assert re.findall(r'<a href="#([^"]+)">([^<]+)</a>', match[1]) == [
        ("a-level", "How strong is it?")
    ]
    assert Document(refused).field("a-level")
    assert not Document(refused).mentions("another look")
    # Nothing was typed: nothing is kept, and nothing says that it is.
    assert Document(refused).testid("saved").words == "Nothing to save yet"
    assert Document(refused).lacks("field", "begun")
    assert Document(await coach.get(path(noise, "/new?spec=pain"))).field("begun")
    for do in ("save", "", "finish"):
        await send(coach, patient, do, begun=False, level="", notes="")
        assert Document(await coach.get(path(patient))).lacks("heading", "Your drafts"), do
    assert Document(await coach.get(path(noise))).heading("Your drafts")


async def test_a_draft_that_was_finished_in_another_tab_does_not_begin_anew_by_itself(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    await send(coach, patient, begun=False, level="1")
    await send(coach, patient, "finish", level="1")
    late = await send(coach, patient, level="2")
    assert late.status_code == 409
    assert Document(late).alert("finished or discarded in another tab")
    assert Document(await coach.get(path(patient))).lacks("heading", "Your drafts")
    answer = await send(coach, patient, "again", level="2")
    assert answer.status_code == 200
    assert "Saved" in Document(answer).testid("saved")
    assert len(await chart.rows("assessment_responses", patient)) == 1


async def test_two_tabs_that_answer_different_questions_keep_both_and_learn_of_each_other(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    await send(coach, patient, begun=False, level="7", place="knee", notes="", dose="")
    tab = base_of((await coach.get(path(patient, "/new?spec=pain"))).text)
    await send_from(tab, coach, patient, level="7", place="knee", notes="On the stairs", dose="")
    answered = await send_from(tab, coach, patient, level="7", place="knee", notes="", dose="5")
    assert "On the stairs" in Document(answered).field("a-notes").value
    assert Document(answered).lacks("alert", "Two tabs answered this differently")
    form = (await coach.get(path(patient, "/new?spec=pain"))).text
    assert value(form, "dose") == "5"
    assert "On the stairs" in Document(form).field("a-notes").value


async def test_two_tabs_that_answer_one_question_differently_choose_and_lose_nothing(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    await send(coach, patient, begun=False, level="7", place="", dose="")
    tab = base_of((await coach.get(path(patient, "/new?spec=pain"))).text)
    await send_from(tab, coach, patient, level="7", place="left knee", dose="")
    clash = await send_from(tab, coach, patient, level="7", place="right knee", dose="5")
    assert Document(clash).alert("Two tabs answered this differently")
    assert Document(clash).button("left knee")
    assert Document(clash).button("right knee")
    # Also where the tab goes without anybody having looked: whoever opens the draft later is asked.
    later = (await coach.get(path(patient, "/new?spec=pain"))).text
    assert Document(later).alert("Two tabs answered this differently")
    assert (value(later, "place"), value(later, "dose")) == ("left knee", "5")
    refused = await send_from(
        base_of(later), coach, patient, do="finish", level="7", place="left knee", dose="5"
    )
    assert refused.status_code == 400
    assert Document(refused).alert("Choose which answer holds")
    assert await chart.rows("assessment_responses", patient) == []
    # The tab types on; what it typed last is what it chooses.
    chosen = await send_from(
        tab, coach, patient, do="other:place", level="7", place="right knee, inside", dose="5"
    )
    assert Document(chosen).lacks("alert", "Two tabs answered this differently")
    assert value(chosen.text, "place") == "right knee, inside"
    form = (await coach.get(path(patient, "/new?spec=pain"))).text
    assert value(form, "place") == "right knee, inside"
    other = await send_from(tab, coach, patient, do="draft:place", level="7", place="hip", dose="5")
    assert value(other.text, "place") == "right knee, inside"
    done = await send(coach, patient, do="finish", level="7", place="right knee, inside", dose="5")
    assert "/assessments/" in done.headers["hx-redirect"]


async def test_what_a_tab_has_sent_itself_is_no_change_of_another_one(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    await send(coach, patient, begun=False, level="7", place="left")
    pairs = [
        ("spec", "pain"),
        ("version", "1"),
        ("begun", "yes"),
        ("asked", "place"),
        ("a-place", "left knee"),
    ]
    own = await coach.send_form(
        path(patient, "/answer"),
        *pairs,
        ("base.place", "[]"),
        ("base.place", '["left"]'),
        htmx=True,
    )
    assert Document(own).lacks("alert", "Two tabs answered this differently")
    assert value((await coach.get(path(patient, "/new?spec=pain"))).text, "place") == "left knee"


async def test_discarding_drops_ones_own_draft_alone(
    coach: Person, people: People, chart: Chart
) -> None:
    patient = await chart.patient()
    colleague = await people(chart.environment, "coach")
    await send(coach, patient, begun=False, notes="mine")
    await send(colleague, patient, begun=False, notes="theirs")
    asks = await coach.get(path(patient, "/new?spec=pain"))
    assert Document(asks).get("button", "Discard")
    await coach.send_form(path(patient, "/discard"), spec="pain")
    assert Document(await coach.get(path(patient, "/new?spec=pain"))).field("a-notes").value == ""
    assert (
        Document(await colleague.get(path(patient, "/new?spec=pain"))).field("a-notes").value
        == "theirs"
    )


async def test_a_draft_goes_on_in_its_version_or_moves_to_the_newest_without_loss(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    await send(coach, patient, begun=False, level="2", dose="12", notes="n")
    await chart.publish(NEWER)
    await until(coach, path(patient, "/new?spec=pain"), "published again as version 2")
    moved = await send(coach, patient, "version:2", level="2", dose="13", notes="n")
    assert moved.headers["HX-Redirect"] == path(patient, "/new?spec=pain&from=1")
    newer = await coach.get(moved.headers["HX-Redirect"])
    assert Document(newer).field("And the mood?")
    assert Document(newer).field("version").value == "2"
    assert Document(newer).definition("Dose in mg").words == "13"
    assert Document(newer).button("Back to version 1")
    back = await send(coach, patient, "version:1", version="2", mood="fair")
    older = await coach.get(back.headers["HX-Redirect"])
    assert value(older.text, "dose") == "13"
    assert Document(older).definition("And the mood?").words == "fair"
    done = await send(coach, patient, "finish", level="2", dose="13")
    [row] = await chart.rows("assessment_responses", patient)
    assert row["version"] == 1
    assert decoded(row["model"])["dose"] == 13
    document = Document(await coach.get(done.headers["HX-Redirect"]))
    assert "13" in document.definition("Dose in mg")
    assert "version 2 is the newest" in document.definition("Version")
    assert document.lacks("term", "And the mood?")


async def test_answers_are_read_in_words_with_score_and_both_clocks(
    coach: Person, chart: Chart
) -> None:
    patient, noise = await chart.patient(), await chart.patient("Noise")
    model = {
        "level": 7,
        "place": "hip",
        "since": "2026-08-02",
        "walks": False,
        "helps": ["heat", "<b>pills</b>"],
        "seen_at": "2026-08-02T14:20:00Z",
    }
    row = await chart.make("assessment_responses", user_id=patient, spec_id="pain", model=model)
    other = await chart.make(
        "assessment_responses", user_id=noise, spec_id="pain", model={"level": 0}
    )
    page = await coach.get(path(patient, f"/{row}"))
    assert Document(page).definition("How strong is it?").words == "7 of 10"
    assert Document(page).definition("Since when?").words == "2 Aug 2026"
    assert Document(page).definition("Do you walk daily?").words == "no"
    assert Document(page).definition("What helps?").words == "heat, <b>pills</b>"
    assert not Document(page).node.css("b")
    assert Document(page).definition("Seen at").words == "2 Aug 2026 07:20 (you: 10:20)"
    assert Document(page).definition("Dose in mg").words == "not answered"
    assert Document(page).definition("Score").words == "7, strong"
    assert "for the patient" in Document(page).definition("Answered")
    assert "test, on the command line" in Document(page).definition("By")
    assert (await coach.get(path(patient, f"/{other}"))).status_code == 404
    assert (await coach.get(path(patient, "/nothing"))).status_code == 404


async def test_a_finished_assessment_leads_on_to_what_its_band_suggests(
    coach: Person, chart: Chart
) -> None:
    plan = "goals: [{title: Plan, interventions: [{title: Call}]}]"
    await chart.publish(
        f"{PROGRAM}care_flows: [{{name: Walk more, {plan}}}, {{name: Rest, diagnosis: A strong"
        f" pain, {plan}}}]\n"
    )
    patient = await chart.patient()
    await send(coach, patient, begun=False, level="7", place="knee")
    done = await send(coach, patient, do="finish", level="7", place="knee")
    page = await coach.get(done.headers["hx-redirect"])
    following = Document(page).get("complementary", "Next steps").words
    assert Document(page).row("To talk about the score of 7, strong.")
    assert following.index("Start “Rest”") < following.index("Start “Walk more”")
    assert Document(page).main().link(to=f"/calendar/new?patient={patient}")
    assert Document(page).link(to=f"/patients/{patient}/care-flows/new?template=Walk%20more")


async def test_the_list_shows_the_newest_first_and_leads_on(coach: Person, chart: Chart) -> None:
    patient, noise = await chart.patient(), await chart.patient("Noise")
    await chart.make(
        "assessment_responses", user_id=noise, spec_id="pain", model={"level": 10, "place": "x"}
    )
    for level in range(55):
        await chart.make(
            "assessment_responses",
            user_id=patient,
            spec_id="pain",
            title=f"Check {level}",
            model={"level": level % 4},
        )
    page = await coach.get(path(patient))
    assert re.findall(r"Check (\d+)", page.text)[:3] == ["54", "53", "52"]
    assert not Document(page).mentions("score 10")
    older = re.search(r'href="([^"]*before=[^"]*)"', page.text)
    assert older
    rest = await coach.get(older[1].replace("&amp;", "&"))
    assert re.findall(r"Check (\d+)", rest.text) == ["4", "3", "2", "1", "0"]


async def test_a_role_sees_neither_hidden_forms_nor_patients_of_others(
    helper: Person, coach: Person, chart: Chart
) -> None:
    own = await chart.patient(coach_id=helper.worker_id)
    others = await chart.patient("Noise")
    hidden = await chart.make(
        "assessment_responses", user_id=own, spec_id="secret", model={"word": "Secret word"}
    )
    await coach.send_form(
        path(own, "/answer"),
        ("spec", "secret"),
        ("version", "1"),
        ("asked", "word"),
        ("a-word", "Secret"),
    )
    page = await helper.get(path(own))
    assert page.status_code == 200
    assert not Document(page).mentions("Secret")
    assert Document(page).row("Pain check")
    assert "Secret form" in Document(await coach.get(path(own))).region("Answered")
    for refused in (
        await helper.get(path(own, f"/{hidden}")),
        await helper.get(path(own, "/new?spec=secret")),
        await helper.send_form(path(own, "/answer"), spec="secret", version="1", htmx=True),
        await helper.get(path(others)),
        await helper.get(path(others, "/new?spec=pain")),
        await send(helper, others, begun=False, level="1"),
        await send(helper, others, level="1"),
        await helper.send_form(path(others, "/discard"), spec="pain"),
    ):
        assert refused.status_code == 404
    async with chart.database.connection() as connection:
        drafts = await connection.fetchval(
            "SELECT count(*) FROM assessment_drafts WHERE environment_id = $1 AND patient_id = $2",
            chart.environment,
            others,
        )
    assert drafts == 0


async def test_another_environment_sees_nothing(
    people: People, chart: Chart, database: Database
) -> None:
    patient = await chart.patient()
    row = await chart.make(
        "assessment_responses", user_id=patient, spec_id="pain", model={"level": 1}
    )
    away = Chart(await new_environment(database), database, chart.store)
    await away.publish()
    stranger = await people(away.environment, "coach")
    for address in ("", f"/{row}", "/new?spec=pain"):
        assert (await stranger.get(path(patient, address))).status_code == 404
    assert (await send(stranger, patient, begun=False, level="1")).status_code == 404


async def test_without_a_form_named_the_list_is_where_one_is_chosen(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    answer = await coach.get(path(patient, "/new"))
    assert answer.headers["location"] == path(patient, "#start")
    assert (await coach.get(path(patient, "/new?spec=nothing"))).status_code == 404


async def test_null_characters_do_not_break_a_draft(coach: Person, chart: Chart) -> None:
    patient = await chart.patient()
    assert (await send(coach, patient, begun=False, notes="a\x00b")).status_code == 200
    assert Document(await coach.get(path(patient, "/new?spec=pain"))).field("a-notes").value == "ab"


async def test_answers_that_were_loaded_later_stand_where_they_were_given(
    coach: Person, chart: Chart, store: Store
) -> None:
    patient = await chart.patient()
    values = {"user_id": patient, "spec_id": "pain", "model": {"level": 1}}
    await chart.make("assessment_responses", **values, title="Check now")
    loaded = [
        values | {"title": f"Check {year}", "created_at": datetime(year, 1, 5, tzinfo=UTC)}
        for year in (2021, 2023, 2022)
    ]
    await store.load(
        Actor(chart.environment, "test", "cli", "test", whole=True),
        BY_NAME["assessment_responses"],
        loaded,
    )
    page = await coach.get(path(patient))
    assert re.findall(r"Check (\w+)", page.text)[:4] == ["now", "2023", "2022", "2021"]
    assert Document(page).row("Jan 2022")
