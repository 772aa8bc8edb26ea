"""The demo's people and records as they are made up, before any database sees them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from almoner.data_api import decode
from almoner.data_api.declare import Row, Verb
from almoner.demo import generate
from almoner.demo.names import ORIGINS
from almoner.demo.places import PLACES
from almoner.resources import BY_NAME
from almoner.vocabulary.choices import STATES
from almoner.vocabulary.contact_kinds import Phone, ZipCode
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Email, Problems
from almoner.vocabulary.times import TIMEZONES
from almoner.workshop import kiwi_health
from almoner.workshop.field_kinds import model
from almoner.workshop.program_file import parse

TODAY = date(2026, 3, 10)  # a week in which the clocks of the USA change
WORKERS = generate.workers(1, TODAY)
CALENDARS = {w["id"]: f"00000000-0000-4000-8000-{n:012d}" for n, w in enumerate(WORKERS)}
Rows = dict[str, list[Row]]


def index_rows(index: int, seed: int = 1, today: date = TODAY) -> Rows:
    return generate.patient(seed, index, today, WORKERS, CALENDARS)


@cache
def everything() -> Rows:
    files = [index_rows(index) for index in range(500)]
    return {name: [row for file in files for row in file[name]] for name in generate.COLLECTIONS}


def rows(collection: str) -> list[Row]:
    return everything()[collection]


def ids(file: Rows) -> list[str]:
    return [row["id"] for name in generate.COLLECTIONS for row in file[name]]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_same_seed_and_day_make_the_same_workers_and_patients() -> None:
    assert generate.workers(1, TODAY) == WORKERS
    assert [index_rows(n) for n in range(20)] == [index_rows(n) for n in range(20)]


def test_another_seed_makes_other_people() -> None:
    assert {w["id"] for w in generate.workers(2, TODAY)}.isdisjoint(CALENDARS)
    assert set(ids(index_rows(7, seed=2))).isdisjoint(ids(index_rows(7)))


def test_another_day_moves_the_times_and_keeps_ids_and_names() -> None:
    for index in range(100):
        for later in (date(2026, 3, 11), date(2026, 3, 14), date(2027, 1, 1), date(2028, 2, 29)):
            assert ids(index_rows(index, today=later)) == ids(index_rows(index))
            assert (
                index_rows(index, today=later)["patients"][0]["last_name"]
                == index_rows(index)["patients"][0]["last_name"]
            )


def test_no_two_rows_have_the_same_id_and_no_two_mappings_the_same_external_id() -> None:
    every = ids(everything())
    assert len(every) == len(set(every))
    taken = [(m["namespace"], m["external_id"]) for m in rows("external_ids")]
    mapped = [(m["namespace"], m["resource"], m["welkin_id"]) for m in rows("external_ids")]
    assert len(taken) == len(set(taken))
    assert len(mapped) == len(set(mapped))
    assert not {m["external_id"] for m in index_rows(7, seed=11)["external_ids"]} & {
        m["external_id"] for m in index_rows(7)["external_ids"]
    }


def test_a_patient_is_marked_by_the_first_and_the_last_row() -> None:
    for index in (0, 3, 250):
        file = index_rows(index)
        assert generate.marks(1, index) == (
            file["patients"][0]["id"],
            file["external_ids"][-1]["id"],
        )


def test_there_are_forty_workers_with_addresses_of_their_own() -> None:
    assert len(WORKERS) == generate.WORKERS == 40
    assert len({w["email"] for w in WORKERS}) == 40
    assert all(w["email"].isascii() and w["email"].endswith("example.org") for w in WORKERS)
    assert any(w["gender"] is None for w in WORKERS)
    assert len({w["gender"] for w in WORKERS}) >= 4
    assert len({w["timezone"] for w in WORKERS}) >= 5


def test_names_are_of_many_scripts_lengths_and_marks() -> None:
    names = {name for p in rows("patients") for name in (p["first_name"], p["last_name"])}
    assert sum(not name.isascii() for name in names) > 80
    together = "".join(names)
    assert any("\u4e00" <= c <= "\u9fff" for c in together)
    assert any("\u0400" <= c <= "\u04ff" for c in together)
    assert any("\uac00" <= c <= "\ud7a3" for c in together)
    assert any("'" in name for name in names)
    assert any("-" in name for name in names)
    assert any(" " in name for name in names)
    assert max(map(len, names)) > 20
    assert min(map(len, names)) <= 2
    assert all(
        n.text.strip() == n.text and n.latin.isascii() and n.latin
        for o in ORIGINS
        for n in o.first + o.family
    )


def test_places_have_states_time_zones_and_numbers_that_exist() -> None:
    for place in PLACES:
        assert place.state in STATES
        assert place.timezone in TIMEZONES
        assert all(ZipCode().parse(z) for z in place.zip_codes)
    for number in [*rows("phone_numbers"), *(w for w in WORKERS if w["phone_number"])]:
        assert Phone().parse(number["phone_number"]) == number["phone_number"]
        assert number["phone_number"][4:10] == "555-01"
    for address in rows("email_addresses"):
        assert Email().parse(address["email"]).rsplit("@", 1)[1].split(".")[-2] == "example"


@pytest.mark.parametrize(
    "field",
    ["coach_id", "street", "street_line_two", "city", "county", "zip_code", "state", "country"],
)
def test_what_need_not_be_known_of_a_patient_is_sometimes_known_and_sometimes_not(
    field: str,
) -> None:
    known = [p.get(field) is not None for p in rows("patients")]
    assert any(known)
    assert not all(known)


@pytest.mark.parametrize("collection", ["phone_numbers", "email_addresses"])
def test_patients_have_none_to_three_contacts_of_a_kind(collection: str) -> None:
    assert {len(index_rows(n)[collection]) for n in range(200)} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("collection", "field"),
    [
        ("phone_numbers", name)
        for name in (
            "verified",
            "opted_in_to_sms",
            "opted_in_to_call_recording",
            "opted_in_to_voicemail",
            "opted_in_to_phone",
        )
    ]
    + [
        ("email_addresses", name)
        for name in ("verified", "opted_in_to_email", "automatic_recipient")
    ],
)
def test_consents_are_given_by_some_and_not_by_others(collection: str, field: str) -> None:
    assert {row[field] for row in rows(collection)} == {True, False}


def test_an_outbound_message_has_a_worker_and_an_inbound_one_has_none() -> None:
    assert {m["direction"] for m in rows("messages")} == {"inbound", "outbound"}
    for message in rows("messages"):
        assert (message["worker_id"] is not None) == (message["direction"] == "outbound")
        assert not (message["automatically_sent"] and message["direction"] == "inbound")
        assert "{" not in message["contents"]
        assert message["contents"].strip()
    assert any(m["automatically_sent"] for m in rows("messages"))


def test_messages_of_a_conversation_are_in_order_and_of_the_same_patient() -> None:
    conversations = {c["id"]: c for c in rows("conversations")}
    assert {c["conversation_type"] for c in conversations.values()} == {
        "app",
        "third_party_app",
        "phone",
        "email",
        None,
    }
    last = {c["id"]: c["created_at"] for c in conversations.values()}
    spoken = set()
    for message in rows("messages"):
        conversation, sent = conversations[message["conversation_id"]], moment(message["send_time"])
        assert message["user_id"] == conversation["user_id"]
        assert sent >= last[conversation["id"]]
        last[conversation["id"]] = sent
        spoken.add(conversation["id"])
    assert spoken == conversations.keys()


def test_events_end_after_they_start_or_are_on_a_day() -> None:
    timed = [e for e in rows("calendar_events") if "day" not in e]
    days = [e for e in rows("calendar_events") if "day" in e]
    assert len(timed) > 500
    assert len(days) > 50
    assert all(moment(e["start_time"]) < moment(e["end_time"]) for e in timed)
    assert all("start_time" not in e and "end_time" not in e for e in days)


def test_events_are_in_working_hours_on_working_days_of_the_worker() -> None:
    zones = {CALENDARS[w["id"]]: ZoneInfo(w["timezone"]) for w in WORKERS}
    for event in rows("calendar_events"):
        if "day" in event:
            assert date.fromisoformat(event["day"]).weekday() < 5
            continue
        start = moment(event["start_time"]).astimezone(zones[event["calendar_id"]])
        assert start.weekday() < 5
        assert 8 <= start.hour < 17


def test_past_events_have_outcomes_and_some_are_to_come() -> None:
    timed = [e for e in rows("calendar_events") if "day" not in e]
    now = datetime.combine(TODAY, time(), UTC)
    past = [e for e in timed if moment(e["start_time"]) < now]
    ahead = [e for e in timed if moment(e["start_time"]) >= now]
    assert len(ahead) > 100
    assert {e["outcome"] for e in past} == {"completed", "cancelled", "no-show", None}
    assert {e["outcome"] for e in ahead} == {"cancelled", None}


def test_rows_are_created_in_the_past_and_not_before_their_patient() -> None:
    joined = {p["id"]: p["created_at"] for p in rows("patients")}
    now = datetime.combine(TODAY, time(), UTC)
    for name in generate.COLLECTIONS:
        for row in rows(name):
            # Mappings have no time of their own.
            created, owner = row.get("created_at", now), row.get("user_id") or row.get("patient_id")
            assert created <= now
            assert owner is None or created >= joined[owner]
    for event in rows("calendar_events"):
        assert "day" in event or event["created_at"] < moment(event["start_time"])
    assert max(joined.values()) - min(joined.values()) > (now - min(joined.values())) * 0.9


def test_some_jobs_fail_at_each_step_and_what_comes_behind_is_not_attempted() -> None:
    tasks = rows("integration_tasks")
    assert {t["status"] for t in tasks} == {"unattempted", "running", "failed", "succeeded"}
    assert any(t["user_id"] is None for t in tasks)
    jobs: dict[str, list[Row]] = {}
    for task in tasks:
        jobs.setdefault(task["job_id"], []).append(task)
    for top, *steps in jobs.values():
        assert top["task_name"] == "kiwihealth_pull.run_kiwihealth_pull"
        assert top["errors"] == []
        failed = [t for t in steps if t["status"] == "failed"]
        assert (top["status"] == "failed") == bool(failed)
        assert all(bool(t["errors"]) == (t["status"] == "failed") for t in steps)
        assert not any(t["status"] == "unattempted" for t in steps) or failed
    failures = {t["task_name"] for t in tasks if t["errors"]}
    assert failures == {
        f"kiwihealth_pull.{s}"
        for s in ("validate_user", "fetch_results", "process_response", "process_item")
    }


def test_every_field_of_the_demo_is_one_that_its_collection_has() -> None:
    problems: Problems = []
    for name, rows_ in [*everything().items(), ("workers", WORKERS)]:
        for row in rows_:
            decode.values(
                BY_NAME[name],
                row,
                verb=Verb.CREATE,
                shape=Shape.STORED,
                problems=problems,
                whole=True,
            )
    assert problems == []


PROGRAM = parse(kiwi_health.source())


def test_answers_and_records_fit_the_demos_program() -> None:
    models = {a.id: model(a.questions) for a in PROGRAM.assessments} | {
        t.name: model(t.fields) for t in PROGRAM.custom_data_types
    }
    problems: Problems = []
    for row in rows("assessment_responses"):
        models[row.get("spec_id", "intake_assessment")].keep(row["model"], ".model", problems)
    for row in rows("custom_data_type_records"):
        models[row["type_name"]].keep(row["body"], ".body", problems)
    assert problems == []


def test_a_type_with_one_record_per_patient_has_no_more() -> None:
    single = {t.name for t in PROGRAM.custom_data_types if t.records == "one"}
    singles = [
        (r["user_id"], r["type_name"])
        for r in rows("custom_data_type_records")
        if r["type_name"] in single
    ]
    assert single
    assert len(singles) == len(set(singles)) > 100


def test_every_follow_up_is_answered_by_somebody_and_only_where_it_is_asked() -> None:
    pains = [
        r["model"]
        for r in rows("assessment_responses")
        if r.get("spec_id", "intake_assessment") == "intake_assessment"
    ]
    assert any("pain_place" in m for m in pains)
    assert all((m.get("pain_scale") or 0) > 0.3 for m in pains if "pain_place" in m)
    followed = {
        q.name for a in PROGRAM.assessments for q in a.questions if q.shown_when is not None
    }
    assert followed == {
        name for r in rows("assessment_responses") for name in r["model"] if name in followed
    }
