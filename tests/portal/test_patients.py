"""Patients in the portal: found by what is at hand, listed, created with a warning, moved through
phases, assigned, merged.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from tests.conftest import Api, Callers, new_environment
from tests.people import People, Person
from tests.web.document import Document

GRACE = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


@pytest.fixture
async def coach(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "coach", first_name="Ann", last_name="Lee") as person:
        yield person


@pytest.fixture
async def create(store: Store, inside: Actor) -> Any:
    """Makes a row of a collection from inside the house, and tells its id."""

    async def created(resource: str = "patients", by: Actor = inside, **values: Any) -> str:
        return (
            await store.create(
                by, BY_NAME[resource], (GRACE if resource == "patients" else {}) | values
            )
        ).id

    return created


async def noise(create: Any) -> None:
    """People who are near what is looked for, and are not it."""
    for first, last in (
        ("Gerald", "Harper"),
        ("Greta", "Hoffmann"),
        ("Olga", "Popova"),
        ("Ken", "Tanaka"),
        ("Sam", "Weber"),
    ):
        await create(
            first_name=first,
            last_name=last,
            birthday="1950-01-01",
            phone="212-555-0000",
            email=f"{first}@example.net",
        )


async def searched(person: Person, text: str) -> str:
    answer = await person.send_form("/patients/search", htmx=True, find=text)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("first", "last", "query"),
    [
        ("Grace", "Hopper", "gracw hoper"),
        ("Grace", "Hopper", "Hopper Gr"),
        ("Åsa", "Öberg", "asa oberg"),
        ("Asa", "Oberg", "ÅSA Öberg"),
        ("Jonas", "Weiß", "WEISS"),
        ("Jonas", "Weiss", "weiß"),
        ("Пётр", "Иванов", "иванов петр"),
        ("Пётр", "Иванов", "Ivanov"),
        ("Σωκράτης", "Παππάς", "ΣΩΚΡΑΤΗΣ"),
        ("太郎", "山田", "山田"),
        ("太郎", "山田", "太郎 山田"),
        ("민수", "김", "김민"),
        ("Nora", "O'Brien", "obrein"),
        ("Märta", "Åkesson-Nilsdotter", "nilsdoter"),
        ("Grace", "Hollister", "garce hollister"),
        ("Grace", "Hollister", "garce hollistr"),
        ("Grace", "Hollister", "rgace hollitser"),
        ("Hương", "Nguyễn Thị", "Ngyuen"),
        ("Hương", "Nguyễn Thị", "nguyen houng"),
        ("Hương", "Nguyễn Thị", "ngyuen huong"),
        ("Hương", "Nguyễn Thị", "ngyuen houng"),
        ("Caoimhe", "O'Connor", "coaimhe oconnor"),
        ("Caoimhe", "O'Connor", "coaimhe ocnonor"),
        ("Brian", "Clark", "brain calrk"),
        ("Maria", "Lopez", "amria olpez"),
    ],
)
async def test_a_name_is_found_in_any_case_accent_order_and_script(
    coach: Person, create: Any, first: str, last: str, query: str
) -> None:
    await noise(create)
    patient = await create(first_name=first, last_name=last)
    ids = re.findall(r'href="/patients/([0-9a-f-]{36})"', await searched(coach, query))
    assert ids[:1] == [patient]


@pytest.mark.parametrize(
    "query",
    [
        "(415) 555-1234",
        "+1 415.555.1234",
        "14155551234",
        "\u202a+1 (415) 555-1234\u202c",
        "tel:+14155551234",
        "415/555/1234",
        "415·555·1234",
        "(+1) 415 555\u00a01234",
        "555-1234",
        "4155551243",
        "grace.hopper@example.org",
        "ghoper hopper",
        "MRN-20417",
        "mrn 20417",
    ],
)
async def test_numbers_addresses_and_ids_find_whose_they_are(
    coach: Person, create: Any, query: str
) -> None:
    await noise(create)
    ids = [{"namespace": "ehr", "external_id": "MRN-20417"}]
    patient = await create(
        first_name="Ghopper",
        phone="415-555-1234",
        email="grace.hopper@example.org",
        external_ids=ids,
    )
    assert patient in await searched(coach, query)


@pytest.mark.parametrize(
    "query",
    [
        "1906-12-09",
        "12/09/1906",
        "12.9.1906",
        "9 Dec 1906",
        "9th December 1906",
        "December 9, 1906",
        "hopper 12/09/1906",
        "9 Dec 1906 Graec",
    ],
)
async def test_a_date_of_birth_finds_who_was_born_then(
    coach: Person, create: Any, query: str
) -> None:
    await noise(create)
    # The same name, born when the month would be the day.
    await create(birthday="1906-09-12")
    patient = await create(birthday="1906-12-09")
    ids = re.findall(r'href="/patients/([0-9a-f-]{36})"', await searched(coach, query))
    assert ids == [patient]


async def test_a_day_that_cannot_be_a_month_is_read_as_the_day(coach: Person, create: Any) -> None:
    await noise(create)
    patient = await create(birthday="1906-09-23")
    assert patient in await searched(coach, "23/09/1906")
    assert Document(await searched(coach, "31/31/1906")).status("Nobody fits")


async def test_the_beginning_of_an_id_finds_whose_it_is(coach: Person, create: Any) -> None:
    await noise(create)
    patient = await create()
    for query in (patient, patient[:8], patient[:13], patient.replace("-", "")[:20].upper()):
        assert patient in await searched(coach, query)
    other = patient[:7] + ("0" if patient[7] != "0" else "1") + patient[8:]
    assert patient not in await searched(coach, other)


async def test_who_begins_with_it_comes_before_who_is_like_it(coach: Person, create: Any) -> None:
    likes = [
        await create(first_name="Ann", last_name=name) for name in ("Marten", "Martin", "Morton")
    ]
    ids = re.findall(r'href="/patients/([0-9a-f-]{36})"', await searched(coach, "martin"))
    assert ids[0] == likes[1]


async def test_a_search_finds_nobody_of_another_environment_and_nobody_whom_the_role_hides(
    coach: Person, create: Any, database: Any, store: Store, people: People
) -> None:
    elsewhere = await new_environment(database)
    async with await people(elsewhere, "coach") as stranger:
        await create()
        assert Document(await searched(stranger, "Grace Hopper")).status("Nobody fits")


async def test_a_number_is_found_in_every_notation_that_the_api_takes(
    coach: Person, create: Any
) -> None:
    patient = await create(phone="415-555-1234")
    await create(last_name="Noise", phone="415-555-0000")
    for query in (
        "tel:+14155551234",
        "\u202a(415) 555-1234\u202c",
        "(+1) 415 555 1234",
        "415\u00b7555\u00b71234",
        "4155551234",
        "+1 415 555 1234",
    ):
        assert Document(await searched(coach, query)).links(to=f"/patients/{patient}"), query


@pytest.mark.parametrize("query", ["415-555-1234", "1234", "MRN-1234"])
async def test_who_is_ones_own_is_found_among_very_many_who_are_not(
    people: People, program: int, create: Any, store: Store, inside: Actor, query: str
) -> None:
    async with await people(program, "community_health_worker") as worker:
        stranger = await create(last_name="Stranger")
        numbers = [
            {
                "user_id": stranger,
                "phone_number": f"{200 + n}-555-1234",
                "phone_number_type": "cell",
            }
            for n in range(450)
            if n != 215
        ]
        await store.load(inside, BY_NAME["phone_numbers"], numbers)
        ids = [
            {
                "resource": "patients",
                "namespace": f"s{n}",
                "external_id": f"MRN-1234-{n}",
                "welkin_id": stranger,
            }
            for n in range(450)
        ]
        await store.load(inside, BY_NAME["external_ids"], ids)
        own = {
            "coach_id": worker.worker_id,
            "external_ids": [{"namespace": "ehr", "external_id": "MRN-1234-0"}],
        }
        patient = await create(phone="415-555-1234", **own)
        listed = await searched(worker, query)
        assert patient in listed
        assert stranger not in listed


async def test_what_is_searched_is_in_no_address(coach: Person, create: Any) -> None:
    patient = await create()
    answer = await coach.send_form("/patients", find="hopper")
    assert answer.status_code == 200
    assert patient in answer.text
    assert not Document(answer).mentions("find=")


async def test_the_list_pages_through_everybody_once_and_counts_them(
    coach: Person, create: Any
) -> None:
    created = {
        await create(last_name=f"Patient{n % 7}", phase=("intake", "paused")[n % 2])
        for n in range(103)
    }
    for order in ("name", "phase", "newest", "changed"):
        path, listed = f"/patients?sort={order}", []
        while path:
            text = (await coach.get(path)).text
            listed += re.findall(r'name="patient" value="([0-9a-f-]{36})"', text)
            onward = re.search(r'href="([^"]+)" rel="next"', text)
            path = onward[1].replace("&amp;", "&") if onward else ""
        assert len(listed) == 103
        assert set(listed) == created
    assert "103 patients" in Document(text).testid("number")
    back = re.search(r'href="([^"]+)" rel="prev"', text)
    assert back
    before = re.findall(
        r'name="patient" value="([0-9a-f-]{36})"',
        (await coach.get(back[1].replace("&amp;", "&"))).text,
    )
    assert before == listed[50:100] if len(listed) > 100 else listed[:50]
    paused = (await coach.get("/patients?phase=paused")).text
    assert "51 patients in this phase" in Document(paused).testid("number")


async def test_several_are_assigned_at_once_and_a_role_sees_only_its_own(
    coach: Person, create: Any, people: People
) -> None:
    ids = [await create(last_name=f"Nr{n}") for n in range(3)]
    async with await people(
        coach.environment_id, "coach", first_name="Bo", last_name="Ek"
    ) as other:
        pairs = [("patient", patient) for patient in ids[:2]]
        answer = await coach.send_form("/patients/assign", *pairs, to=other.worker_id)
        assert Document(answer).status("2 patients are now Bo Ek’s")
        mine = (await other.get(f"/patients?coach={other.worker_id}")).text
        assert ids[0] in mine
        assert ids[2] not in mine
        nobody = (await other.get("/patients?coach=nobody")).text
        assert ids[2] in nobody
        assert ids[0] not in nobody


async def test_a_new_patient_is_made_with_everything_that_was_typed(
    coach: Person, api: Api
) -> None:
    pairs = [("namespace", ""), ("external_id", ""), ("namespace", "ehr"), ("external_id", "7")]
    values = {k: str(v) for k, v in GRACE.items()} | {
        "phone": "(415) 555 1234",
        "email": "g@example.org",
        "state": "CA",
    }
    answer = await coach.send_form("/patients/new", *pairs, **values)
    assert answer.status_code == 303
    patient = (await api.get(f"/v1{answer.headers['location']}")).json()
    assert (patient["first_name"], patient["state"]) == ("Grace", "CA")
    phones = (await api.get("/v1/phone_numbers", params={"user_id": patient["id"]})).json()[0][
        "data"
    ]
    assert [phone["phone_number"] for phone in phones] == ["415-555-1234"]


async def test_an_error_stands_at_its_field_and_what_was_typed_stays(coach: Person) -> None:
    pairs = [("namespace", ""), ("external_id", ""), ("namespace", "ehr"), ("external_id", "")]
    answer = await coach.send_form(
        "/patients/new",
        *pairs,
        first_name="Grace",
        phone="12",
        timezone="Mars",
        phase="intake",
        birthday="1906-12-09",
    )
    assert answer.status_code == 400
    for field in ("last_name", "phone", "timezone", "external_id"):
        assert Document(answer).field(field).error
    assert Document(answer).field("first_name").value == "Grace"
    assert Document(answer).field("timezone").value == "Mars"


@pytest.mark.parametrize(
    "same",
    [
        {"first_name": "Gracie", "last_name": "Hoper"},
        {"phone": "+1 415 555 1234", "birthday": "1990-01-01", "first_name": "Al"},
        {
            "email": "GRACE@example.org",
            "birthday": "1990-01-01",
            "first_name": "Al",
            "last_name": "Bo",
        },
        {
            "namespace": "ehr",
            "external_id": "7",
            "birthday": "1990-01-01",
            "first_name": "Al",
            "last_name": "Bo",
        },
    ],
)
async def test_a_likely_duplicate_is_told_before_and_can_be_overruled(
    coach: Person, create: Any, same: dict[str, str]
) -> None:
    await noise(create)
    known = await create(
        phone="415-555-1234",
        email="grace@example.org",
        external_ids=[{"namespace": "ehr", "external_id": "7"}],
    )
    values = {k: str(v) for k, v in GRACE.items()} | same
    answer = await coach.send_form("/patients/new", **values)
    assert answer.status_code == 409
    assert Document(answer).links(to=f"/patients/{known}")
    assert Document(answer).heading("may be here already")
    again = await coach.send_form("/patients/new", anyway="yes", **values)
    assert again.status_code == (400 if "external_id" in same else 303)


async def test_nobody_alike_is_no_duplicate(coach: Person, create: Any) -> None:
    await create(last_name="Borg")
    values = {k: str(v) for k, v in GRACE.items()} | {"first_name": "Tom"}
    assert (await coach.send_form("/patients/new", **values)).status_code == 303


async def test_a_phase_changes_along_the_program_alone(
    coach: Person, create: Any, api: Api
) -> None:
    patient = await create(phase="referred")
    form = (await coach.fragment(f"/patients/{patient}/phase")).text
    assert "Graduated (does not follow Referred)" in Document(form).field("phase").options.values()
    assert re.search(r"<dt>Graduated</dt><dd>It comes after [^<]*Maintenance", form)
    path = f"/patients/{patient}/phase"
    refused = await coach.send_form(path, ("was.phase", "referred"), phase="graduated")
    assert refused.status_code == 400
    assert "Graduated does not follow Referred" in Document(refused).field("phase").error
    done = await coach.send_form(path, ("was.phase", "referred"), phase="intake")
    assert done.status_code == 303
    assert (await api.get(f"/v1/patients/{patient}")).json()["phase"] == "intake"
    late = await coach.send_form(path, ("was.phase", "referred"), phase="withdrawn")
    assert late.status_code == 409
    assert "Somebody has moved them to Intake" in Document(late).field("phase").error


async def test_a_coach_is_assigned_and_a_late_choice_is_told(coach: Person, create: Any) -> None:
    patient = await create()
    path = f"/patients/{patient}/coach"
    assert (
        await coach.send_form(path, ("was.coach_id", ""), coach=coach.worker_id)
    ).status_code == 303
    late = await coach.send_form(path, ("was.coach_id", ""), coach="")
    assert late.status_code == 409
    assert "The coach is Ann Lee now" in Document(late).field("coach").error


async def test_without_the_permission_nothing_is_shown(
    people: People, program: int, create: Any
) -> None:
    patient = await create()
    async with await people(program, "designer") as person:
        for path in (
            "/patients",
            "/patients/new",
            f"/patients/{patient}/phase",
            f"/patients/{patient}/merge",
        ):
            assert (await person.get(path)).status_code == 403
        assert (
            await person.send_form("/patients/search", find="Grace", htmx=True)
        ).status_code == 403


async def test_of_another_environment_nothing_is_shown(
    people: People, database: Any, callers: Callers, create: Any
) -> None:
    patient = await create()
    async with await people(await new_environment(database), "coach") as stranger:
        for path in (
            f"/patients/{patient}/phase",
            f"/patients/{patient}/coach",
            f"/patients/{patient}/merge",
        ):
            assert (await stranger.get(path)).status_code == 404
        assert patient not in (await stranger.get("/patients")).text


async def test_where_there_are_many_coaches_a_select_fetches_them_when_it_is_turned_to(
    coach: Person, store: Store
) -> None:
    by = Actor(coach.environment_id, "test", "cli", "test", whole=True)
    rows = [
        {
            "email": f"{n}@many.example",
            "first_name": "Coach",
            "last_name": f"Number {n}",
            "timezone": "UTC",
        }
        for n in range(201)
    ]
    await store.load(by, BY_NAME["workers"], rows)
    page = await coach.get("/patients")
    assert not Document(page).mentions("Number 7<")
    assert Document(page).field("coach").attribute("hx-get").startswith("/patients/coaches")
    options = await coach.fragment("/patients/coaches?but=")
    assert "Coach Number 7" in [option.words for option in Document(options).all("option")]
    assert options.text.count("<option") >= 201
