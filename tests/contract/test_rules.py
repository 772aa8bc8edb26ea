"""The rules of each collection, one by one: what they accept, and what a violation answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from almoner.database import Database
from almoner.errors import Problem
from almoner.resources import BY_NAME
from almoner.resources.care_flows import CARE_FLOW
from almoner.vocabulary.choices import STATES
from tests.conftest import Api, Callers
from tests.contract.rows import (
    CONTRACT,
    NOBODY,
    Place,
    Row,
    errors,
    of_contract,
    only_row,
    refused,
    values,
)

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
PHONES = {
    "555-555-5555": "555-555-5555",
    "5555555555": "555-555-5555",
    "(555) 555-5555": "555-555-5555",
    "(555)555-5555": "555-555-5555",
    "555.555.5555": "555-555-5555",
    "555 555 5555": "555-555-5555",
    "+15555555555": "555-555-5555",
    "+1 555 555 5555": "555-555-5555",
    "+1 (555) 555-5555": "555-555-5555",
    "+1-555-555-5555": "555-555-5555",
    "1-555-555-5555": "555-555-5555",
    "15555555555": "555-555-5555",
    " 415-555-2671 ": "415-555-2671",
    "415\u2011555\u20132671": "415-555-2671",
    "415\u00a0555\u00a02671": "415-555-2671",
    "\u202a(415) 555-2671\u202c": "415-555-2671",
    "\u200b415\u00ad555\u20602671\ufeff": "415-555-2671",
    "(+1) 415 555 2671": "415-555-2671",
    "tel:+14155552671": "415-555-2671",
    "415/555/2671": "415-555-2671",
    "415\u00b7555\u00b72671": "415-555-2671",
    "415\t555\t2671": "415-555-2671",
    "\uff0b\uff11 415 555 2671": "415-555-2671",
}
NO_PHONES = [
    "", " ", "555-5555", "555-555-555", "555-555-55555", "555-555-5555 x12", "555-555-5555 ext. 3", "555-555-5555,12",
    "+44 20 7946 0958", "+52 55 5555 5555", "+2 555 555 5555", "2 555 555 5555", "0015555555555", "555-GET-HELP", "CALL ME",
    "555-555-5555;", "++15555555555", "\u0665\u0665\u0665-555-5555", "555-555-5555\n555", 5555555555, True, [], {},
]  # fmt: skip
NAMES = [
    "Núñez", "O’Connor-Smith", "Nguyễn Thị Minh Khai", "王小明", "Müller", "Þórður", "Ελένη", "Иван", "محمد", "דוד", "अनिता",
    "ジョン", "김민준", "Grace\u200d", "👩🏽‍🦽 Ada", "e\u0301 and é", "x" * 2000, " leading and trailing ", "tab\there", "ꙮ",
    "\U0001f1fa\U0001f1f8",
]  # fmt: skip


async def post(api: Api, name: str, body: Row, **change: Any) -> httpx.Response:
    return await api.post(
        f"/v1/{name}",
        json={key: value for key, value in (body | change).items() if value is not ...},
    )


async def put(api: Api, name: str, row: Row, **change: Any) -> httpx.Response:
    return await api.put(f"/v1/{name}/{row['id']}", json=change)


# --- Bodies (clarification 8)


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-8",
        "",
        "x/y",
    ],
)
async def test_a_body_is_json_whatever_its_type_says(kind: str, shared: Place) -> None:
    answer = await shared.api.post(
        "/v1/patients", content=json.dumps(PATIENT), headers={"Content-Type": kind}
    )
    assert only_row(answer)["first_name"] == "Grace"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"  \n", "bad_request"),
        (b"{", "parse_exception"),
        (b"first_name=Grace", "parse_exception"),
        (b'{"first_name": "\xff"}', "parse_exception"),
        (b"\xff\xfe{\x00}\x00", "parse_exception"),
        (b"[]", "parse_exception"),
        (b"null", "parse_exception"),
        (b'"x"', "parse_exception"),
        (b"7", "parse_exception"),
        (b'{"first_name": NaN}', "parse_exception"),
        (b"{} {}", "parse_exception"),
        (b'{"external_ids": ' + b"[" * 5000 + b"]" * 5000 + b"}", "parse_exception"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    body: bytes, code: str, shared: Place
) -> None:
    for method, path in (
        ("POST", "/v1/patients"),
        ("PUT", f"/v1/patients/{NOBODY}"),
        ("POST", "/v1/patients/find"),
    ):
        answer = await shared.api.request(method, path, content=body)
        assert [error_code for error_code, _ in errors(answer, 400)] == [code]


async def test_a_body_that_is_too_long_is_refused(shared: Place) -> None:
    answer = await shared.api.post(
        "/v1/patients", content=json.dumps(PATIENT | {"street": "x" * 2**20})
    )
    assert [code for code, _ in errors(answer, 413)] == ["payload_too_large"]

    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    answer = await shared.api.post("/v1/patients", content=chunks())
    assert [code for code, _ in errors(answer, 413)] == ["payload_too_large"]
    long = await post(shared.api, "patients", PATIENT, street="x" * 1_000_000)
    assert len(only_row(long)["street"]) == 1_000_000


async def test_a_body_with_five_errors_reports_five(shared: Place) -> None:
    body = {
        "phase": "nonsense",
        "timezone": "Mars/Olympus",
        "first_name": " ",
        "birthday": "1906-13-09",
        "nickname": "Amazing",
    }
    problems = errors(await shared.api.post("/v1/patients", json=body), 400)
    assert sorted(problems, key=str) == sorted(
        [
            ("parse_exception", f".{name}")
            for name in ("phase", "timezone", "first_name", "birthday", "nickname", "last_name")
        ],
        key=str,
    )
    row = await shared.make("patients")
    change = body | {"coach_id": NOBODY, "zip_code": "x"}
    problems = errors(await put(shared.api, "patients", row, **change), 400)
    assert len(problems) == 7
    assert ("resource_not_found", ".coach_id") in problems


async def test_nul_and_lone_surrogates_are_refused_wherever_they_stand(shared: Place) -> None:
    patient = await shared.make("patients")
    for escape in ("\\u0000", "\\ud800", "\\udfff", "a\\ud83dz"):
        for name, field in (
            ("patients", "street"),
            ("patients", "last_name"),
            ("email_addresses", "email"),
        ):
            body = {
                key: value
                for key, value in (await shared.body(BY_NAME[name])).items()
                if key != field
            }
            raw = json.dumps(body)[:-1] + f', "{field}": "{escape}"}}'
            assert errors(await shared.api.post(f"/v1/{name}", content=raw), 400)
        nested = (
            f'{{"user_id": "{patient["id"]}", "type_name": "hcp", "body": {{"name": "{escape}"}}}}'
        )
        assert errors(await shared.api.post("/v1/custom_data_type_records", content=nested), 400)
        key = (
            f'{{"user_id": "{patient["id"]}", "type_name": "hcp", "body": {{"name": "x",'
            f' "{escape}": 1}}}}'
        )
        assert errors(await shared.api.post("/v1/custom_data_type_records", content=key), 400)
        assert errors(
            await shared.api.put(f"/v1/patients/{patient['id']}", content=f'{{"{escape}": 1}}'), 400
        )
    for query in (
        "namespace=%00",
        "namespace=%ED%A0%80",
        "namespace=%FF",
        "%00=1",
        "namespace=\\ud800%C3",
    ):
        assert errors(await shared.api.get(f"/v1/external_ids?{query}"), 400)
    assert errors(
        await shared.api.post("/v1/external_ids/find", content=b'{"namespace": "\\u0000"}'), 400
    )
    assert only_row(await shared.api.get(f"/v1/patients/{patient['id']}")) == patient


async def test_texts_of_every_script_come_back_unchanged(shared: Place) -> None:
    for name in NAMES:
        row = only_row(
            await post(shared.api, "patients", PATIENT, first_name=name, last_name=name, city=name)
        )
        assert (row["first_name"], row["last_name"], row["city"]) == (name, name, name)
        assert only_row(await shared.api.get(f"/v1/patients/{row['id']}")) == row
        mapping = await shared.make("external_ids", namespace=name)
        assert await shared.find("external_ids", namespace=name) == [mapping]
    for blank in ("", " ", "\t\n", "\u3000"):
        refused(await post(shared.api, "patients", PATIENT, first_name=blank), ".first_name")
        refused(await post(shared.api, "patients", PATIENT, last_name=blank), ".last_name")


# --- Patients (clarification 15)


async def test_a_patient_is_created_with_contact_records_and_mappings(here: Place) -> None:
    ids = [{"namespace": "emr", "external_id": "1"}, {"namespace": "billing", "external_id": "1"}]
    row = only_row(
        await post(
            here.api,
            "patients",
            PATIENT,
            email="g@example.org",
            phone="(415) 555-2671",
            external_ids=ids,
        )
    )
    assert of_contract("patients", row) == list(CONTRACT["patients"]["example"])
    (email,) = await here.find("email_addresses", user_id=row["id"])
    (phone,) = await here.find("phone_numbers", user_id=row["id"])
    mappings = await here.find("external_ids", welkin_id=row["id"])
    assert email["email"] == "g@example.org"
    assert phone["phone_number"] == "415-555-2671"
    assert phone["phone_number_type"] in ("cell", "landline", "other")
    consents = {
        key: value
        for channel in (email, phone)
        for key, value in channel.items()
        if key.startswith("opted")
    }
    assert not any(consents.values())
    assert [{key: m[key] for key in ("namespace", "external_id")} for m in mappings] == ids
    assert {m["resource"] for m in mappings} == {"patients"}


async def counted(database: Database, environment: int) -> list[int]:
    tables = ("patients", "email_addresses", "phone_numbers", "external_ids", "changes")
    async with database.connection() as connection:
        return [
            await connection.fetchval(
                f"SELECT count(*) FROM {t} WHERE environment_id = $1", environment
            )
            for t in tables
        ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (
            {
                "external_ids": [
                    {"namespace": "new", "external_id": "1"},
                    {"namespace": "emr", "external_id": "taken"},
                ]
            },
            ".external_ids[1]",
        ),
        (
            {
                "external_ids": [
                    {"namespace": "x", "external_id": "1"},
                    {"namespace": "x", "external_id": "2"},
                ]
            },
            ".external_ids[1]",
        ),
        (
            {
                "external_ids": [
                    {"namespace": "x", "external_id": "1"},
                    {"namespace": "x", "external_id": "1"},
                ]
            },
            ".external_ids[1]",
        ),
        ({"external_ids": [{"namespace": "x"}]}, ".external_ids[0].external_id"),
        (
            {"external_ids": [{"namespace": "x", "external_id": "1", "resource": "workers"}]},
            ".external_ids[0].resource",
        ),
        ({"external_ids": [{"namespace": "x", "external_id": 1}]}, ".external_ids[0].external_id"),
        ({"external_ids": {"namespace": "x", "external_id": "1"}}, ".external_ids"),
        ({"external_ids": ["x"]}, ".external_ids[0]"),
        ({"phone": "555"}, ".phone"),
        ({"email": ""}, ".email"),
        ({"coach_id": NOBODY}, ".coach_id"),
    ],
)
async def test_a_patient_is_created_whole_or_not_at_all(
    change: Row, path: str, here: Place, database: Database
) -> None:
    await here.make("patients", external_ids=[{"namespace": "emr", "external_id": "taken"}])
    before = await counted(database, here.api.environment_id)
    answer = await post(
        here.api,
        "patients",
        PATIENT,
        **{"email": "g@example.org", "phone": "555-555-5555"} | change,
    )
    assert answer.status_code in (400, 404)
    ((_, error_path),) = errors(answer, answer.status_code)
    assert error_path is not None
    assert error_path.startswith(path)
    assert await counted(database, here.api.environment_id) == before


async def test_a_patients_phase_is_one_of_the_program(shared: Place) -> None:
    row = only_row(await post(shared.api, "patients", PATIENT, phase="graduated"))
    for phase in values("nonsense", "Intake", "", " intake", 1, []):
        refused(await post(shared.api, "patients", PATIENT, phase=phase), ".phase")
        refused(await put(shared.api, "patients", row, phase=phase), ".phase")
    assert only_row(await put(shared.api, "patients", row, phase="paused"))["phase"] == "paused"


async def test_a_time_zone_is_a_name_of_iana_and_kept_as_it_was_given(shared: Place) -> None:
    for zone in values(
        "US/Pacific",
        "America/Los_Angeles",
        "America/Indiana/Knox",
        "UTC",
        "Etc/GMT+8",
        "Asia/Calcutta",
        "EST5EDT",
        "GMT",
    ):
        assert (
            only_row(await post(shared.api, "patients", PATIENT, timezone=zone))["timezone"] == zone
        )
    for zone in values(
        "",
        "Mars/Olympus",
        "PDT",
        "us/pacific",
        "../../etc/passwd",
        "/UTC",
        "UTC ",
        "+08:00",
        "localtime",
        "Factory",
        8,
        None,
    ):
        refused(await post(shared.api, "patients", PATIENT, timezone=zone), ".timezone")


async def test_a_birthday_is_a_date_or_a_datetime_whose_date_counts(shared: Place) -> None:
    row = await shared.make("patients")
    for value in values(
        "1906-12-09",
        "1906-12-09T00:00:00",
        "1906-12-09T23:30:00-08:00",
        "1906-12-09T00:15:00.1234567+14:00",
    ):
        assert (
            only_row(await post(shared.api, "patients", PATIENT, birthday=value))["birthday"]
            == "1906-12-09"
        )
        assert (
            only_row(await put(shared.api, "patients", row, birthday=value))["birthday"]
            == "1906-12-09"
        )
    assert (
        only_row(await post(shared.api, "patients", PATIENT, birthday="2000-02-29"))["birthday"]
        == "2000-02-29"
    )
    for value in values(
        "1906-13-09",
        "1900-02-29",
        "09.12.1906",
        "12/09/1906",
        "1906-12",
        "19061209",
        "",
        "0000-01-01",
        1906,
        "1906-12-09Z",
    ):
        refused(await post(shared.api, "patients", PATIENT, birthday=value), ".birthday")
        refused(await put(shared.api, "patients", row, birthday=value), ".birthday")


async def test_the_first_and_the_last_moments_of_time_are_kept(shared: Place) -> None:
    """Programs write what their language has for the least and the greatest time; they are no
    infinities.
    """
    for day in ("0001-01-01", "9999-12-31"):
        assert (
            only_row(await post(shared.api, "patients", PATIENT, birthday=day))["birthday"] == day
        )
        assert (
            only_row(
                await put(shared.api, "patients", await shared.make("patients"), birthday=day)
            )["birthday"]
            == day
        )
        event = await shared.make("calendar_events", start_time=None, end_time=None, day=day)
        assert event["day"] == day
    for sent, stored in (
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000000+00:00"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ):
        assert (await shared.make("messages", send_time=sent))["send_time"] == stored
    for beyond in values("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"):
        refused(
            await post(
                shared.api, "messages", await shared.body(BY_NAME["messages"]), send_time=beyond
            ),
            ".send_time",
        )


async def test_the_birthday_is_optional_in_the_enveloped_shape_alone(
    shared: Place, callers: Callers
) -> None:
    refused(await post(shared.api, "patients", PATIENT, birthday=...), ".birthday")
    async with await callers(shared.api.environment_id, shape="enveloped") as enveloped:
        for birthday in (..., None):
            row = only_row(await post(enveloped, "patients", PATIENT, birthday=birthday))["data"]
            assert row["birthday"] is None
            assert only_row(await shared.api.get(f"/v1/patients/{row['id']}"))["birthday"] is None
        back = only_row(await shared.api.get(f"/v1/patients/{row['id']}"))
        assert (
            only_row(await enveloped.put(f"/v1/patients/{row['id']}", json=back))["data"][
                "birthday"
            ]
            is None
        )
        for other in ("phase", "timezone", "first_name", "last_name"):
            refused(await post(enveloped, "patients", PATIENT, **{other: ...}), f".{other}")


async def test_a_patients_address_can_be_updated(shared: Place) -> None:
    row = await shared.make("patients")
    address = {
        "street": "1 Main St",
        "street_line_two": None,
        "city": "Ponce",
        "county": None,
        "zip_code": "00716",
        "state": "PR",
    }
    after = only_row(await put(shared.api, "patients", row, **address, country="USA"))
    assert {key: after[key] for key in address} == address


async def test_what_only_a_create_takes_is_refused_by_an_update(shared: Place) -> None:
    """email, phone and external_ids are no fields of a patient: to ignore them would lose them
    silently (clarification 9).
    """
    row = await shared.make("patients")
    for name, value in (
        ("email", "g@example.org"),
        ("phone", "555-555-5555"),
        ("external_ids", []),
        ("emial", "g@example.org"),
    ):
        answer = await put(shared.api, "patients", row, **{name: value})
        refused(answer, f".{name}")
        detail = answer.json()["errors"][0]["detail"]
        assert ("is a Create's alone" in detail) == (name != "emial")


async def test_a_coach_is_a_worker_and_can_be_taken_off(shared: Place) -> None:
    row = await shared.make("patients")
    assert only_row(await put(shared.api, "patients", row, coach_id=None))["coach_id"] is None
    refused(
        await put(shared.api, "patients", row, coach_id=row["id"]),
        ".coach_id",
        code="resource_not_found",
        status=404,
    )


# --- External ids (clarification 16)


async def test_an_external_id_is_unique_both_ways(here: Place) -> None:
    first = await here.make("external_ids", namespace="emr", external_id="1")
    body = {key: first[key] for key in ("resource", "namespace", "external_id", "welkin_id")}
    other = (await here.make("patients"))["id"]
    taken = await post(here.api, "external_ids", body, welkin_id=other)
    refused(taken, ".external_id", code="uniqueness_exception")
    assert first["id"] not in taken.text
    assert first["welkin_id"] not in taken.text
    refused(
        await post(here.api, "external_ids", body, external_id="2"),
        ".welkin_id",
        code="uniqueness_exception",
    )
    worker = (await here.make("workers"))["id"]
    across = await post(here.api, "external_ids", body, resource="workers", welkin_id=worker)
    refused(across, ".external_id", code="uniqueness_exception")
    second = only_row(await post(here.api, "external_ids", body, namespace="billing"))
    refused(
        await put(here.api, "external_ids", second, namespace="emr", welkin_id=other),
        ".external_id",
        code="uniqueness_exception",
    )
    third = only_row(await post(here.api, "external_ids", body, external_id="3", welkin_id=other))
    refused(
        await put(here.api, "external_ids", third, welkin_id=first["welkin_id"]),
        ".welkin_id",
        code="uniqueness_exception",
    )
    assert only_row(await put(here.api, "external_ids", third, external_id="3")) == third


async def test_an_external_id_names_a_row_of_the_collection_that_it_names(shared: Place) -> None:
    for name in CONTRACT:
        if name != "external_ids":
            row = await shared.make(name)
            mapping = await shared.make("external_ids", resource=name, welkin_id=row["id"])
            assert mapping["welkin_id"] == row["id"]
            wrong = "workers" if name != "workers" else "patients"
            body = {
                "resource": wrong,
                "namespace": "wrong",
                "external_id": name,
                "welkin_id": row["id"],
            }
            refused(
                await shared.api.post("/v1/external_ids", json=body),
                ".welkin_id",
                code="resource_not_found",
                status=404,
            )
            answer = await put(shared.api, "external_ids", mapping, resource=wrong)
            refused(answer, ".welkin_id", code="resource_not_found", status=404)
    body = await shared.body(BY_NAME["external_ids"])
    for resource in values(
        "patient",
        "Patients",
        "users",
        "",
        "changes",
        "environments",
        "patients; DROP TABLE patients",
        1,
    ):
        refused(await post(shared.api, "external_ids", body, resource=resource), ".resource")


async def test_any_string_is_a_namespace_or_an_external_id(shared: Place) -> None:
    for text in (
        "",
        " ",
        "a/b?c=d&e",
        "%",
        "'; --",
        "null",
        "0",
        "x" * 10_000,
        "ü" * 5000,
        "\\",
        "\n",
        "{}",
    ):
        row = await shared.make("external_ids", namespace=f"any{text}", external_id=text)
        assert (row["namespace"], row["external_id"]) == (f"any{text}", text)
        if len(text) < 4000:
            assert await shared.find("external_ids", namespace=f"any{text}", external_id=text) == [
                row
            ]
        answer = await shared.api.post(
            "/v1/external_ids/find", json={"namespace": f"any{text}", "external_id": text}
        )
        assert answer.json()[0]["data"] == [row]
    assert (await shared.make("external_ids", namespace=""))["namespace"] == ""


async def test_a_mapping_goes_with_the_task_that_it_points_at(shared: Place) -> None:
    task = await shared.make("patient_tasks")
    mapping = await shared.make("external_ids", resource="patient_tasks", welkin_id=task["id"])
    only_row(await shared.api.delete(f"/v1/patient_tasks/{task['id']}"))
    assert errors(await shared.api.get(f"/v1/external_ids/{mapping['id']}"), 404) == [
        ("not_found", None)
    ]
    again = {key: mapping[key] for key in ("namespace", "external_id")}
    await shared.make("external_ids", **again)


# --- Messages (clarification 17)


async def test_an_outbound_message_has_a_worker_and_an_inbound_one_has_none(shared: Place) -> None:
    body = await shared.body(BY_NAME["messages"])
    assert only_row(await post(shared.api, "messages", body))["worker_id"] == body["worker_id"]
    for worker in values(..., None):
        refused(await post(shared.api, "messages", body, worker_id=worker), ".worker_id")
        assert (
            only_row(
                await post(shared.api, "messages", body, direction="inbound", worker_id=worker)
            )["worker_id"]
            is None
        )
    answer = await post(shared.api, "messages", body, direction="inbound")
    assert only_row(answer)["worker_id"] is None
    assert answer.headers["x-ignored-fields"] == "worker_id"
    assert (
        only_row(await post(shared.api, "messages", body, direction="inbound", worker_id=NOBODY))[
            "worker_id"
        ]
        is None
    )
    refused(
        await post(shared.api, "messages", body, direction="inbound", worker_id="x"), ".worker_id"
    )
    refused(
        await post(shared.api, "messages", body, worker_id=NOBODY),
        ".worker_id",
        code="resource_not_found",
        status=404,
    )
    for direction in values("sideways", "Inbound", "", 1):
        assert ("parse_exception", ".direction") in errors(
            await post(shared.api, "messages", body, direction=direction), 400
        )


async def test_a_message_is_part_of_a_conversation_of_its_patient(shared: Place) -> None:
    body = await shared.body(BY_NAME["messages"])
    others = await shared.make("conversations")
    answer = await post(shared.api, "messages", body, conversation_id=others["id"])
    assert [path for _, path in errors(answer, 400)] == [".conversation_id"]
    answer = await post(shared.api, "messages", body, user_id=others["user_id"])
    assert [path for _, path in errors(answer, 400)] == [".conversation_id"]


async def test_a_message_is_sent_now_unless_it_says_when_and_by_a_person(shared: Place) -> None:
    body = await shared.body(BY_NAME["messages"])
    before = only_row(await shared.api.get(f"/v1/conversations/{body['conversation_id']}"))
    for send_time in (..., None):
        row = only_row(await post(shared.api, "messages", body, send_time=send_time))
        assert (
            before["updated_at"]
            <= row["send_time"]
            <= (await shared.make("conversations"))["updated_at"]
        )
        assert row["automatically_sent"] is False
    row = only_row(
        await post(shared.api, "messages", body, send_time="2018-09-11T18:27:32.0450469-07:00")
    )
    assert row["send_time"] == "2018-09-12T01:27:32.045046+00:00"
    assert only_row(await shared.api.get(f"/v1/conversations/{body['conversation_id']}")) == before


async def test_a_conversation_has_one_of_four_types_or_none(shared: Place) -> None:
    body = await shared.body(BY_NAME["conversations"])
    for kind in ("app", "third_party_app", "phone", "email", None):
        assert (
            only_row(await post(shared.api, "conversations", body, conversation_type=kind))[
                "conversation_type"
            ]
            == kind
        )
    assert (
        only_row(await post(shared.api, "conversations", body, conversation_type=...))[
            "conversation_type"
        ]
        is None
    )
    refused(
        await post(shared.api, "conversations", body, conversation_type="fax"), ".conversation_type"
    )


# --- Calendars and their events (clarification 18)

START, END, DAY = (
    "2018-09-10T18:56:19.357228+00:00",
    "2018-09-10T19:26:19.357540+00:00",
    "2018-09-10",
)


@pytest.mark.parametrize(
    ("start", "end", "day", "path"),
    [
        (START, END, ..., None),
        (START, END, None, None),
        (..., ..., DAY, None),
        (None, None, DAY, None),
        (..., None, DAY, None),
        (START, END, DAY, ".day"),
        (START, None, DAY, ".day"),
        (None, END, DAY, ".day"),
        (START, ..., ..., ".end_time"),
        (START, None, None, ".end_time"),
        (..., END, ..., ".start_time"),
        (None, END, None, ".start_time"),
        (..., ..., ..., ".start_time"),
        (None, None, None, ".start_time"),
        (END, START, ..., ".end_time"),
        (START, START, ..., ".end_time"),
        ("x", END, ..., ".start_time"),
        (START, "x", ..., ".end_time"),
        (..., ..., "2018-02-30", ".day"),
    ],
)
async def test_an_event_has_a_time_of_day_or_a_day(
    start: Any, end: Any, day: Any, path: str | None, shared: Place
) -> None:
    body = await shared.body(BY_NAME["calendar_events"])
    answer = await post(
        shared.api, "calendar_events", body, start_time=start, end_time=end, day=day, is_all_day=...
    )
    if path is None:
        row = only_row(answer)
        assert row["is_all_day"] is (row["day"] is not None)
        assert (row["start_time"] is None) is (row["end_time"] is None) is row["is_all_day"]
    else:
        refused(answer, path)


async def test_an_event_can_be_moved_from_a_time_to_a_day_and_back(shared: Place) -> None:
    row = await shared.make("calendar_events")
    refused(await put(shared.api, "calendar_events", row, day=DAY, start_time=START), ".day")
    refused(await put(shared.api, "calendar_events", row, start_time=None), ".start_time")
    refused(await put(shared.api, "calendar_events", row, end_time=row["start_time"]), ".end_time")
    refused(await put(shared.api, "calendar_events", row, start_time=row["end_time"]), ".end_time")
    moved = only_row(await put(shared.api, "calendar_events", row, day=DAY))
    assert (moved["day"], moved["is_all_day"], moved["start_time"], moved["end_time"]) == (
        DAY,
        True,
        None,
        None,
    )
    refused(await put(shared.api, "calendar_events", row, day=None), ".start_time")
    refused(await put(shared.api, "calendar_events", row, start_time=START), ".end_time")
    answer = await put(
        shared.api, "calendar_events", row, start_time=START, end_time=END, is_all_day=True
    )
    back = only_row(answer)
    assert (back["day"], back["is_all_day"], back["start_time"], back["end_time"]) == (
        None,
        False,
        START,
        END,
    )
    assert answer.headers["x-ignored-fields"] == "is_all_day"


async def test_of_both_sides_of_an_event_is_all_day_decides(shared: Place) -> None:
    body = await shared.body(BY_NAME["calendar_events"], start_time=START, end_time=END, day=DAY)
    for all_day, left in ((True, (DAY, None, None)), (False, (None, START, END))):
        answer = await post(shared.api, "calendar_events", body, is_all_day=all_day)
        row = only_row(answer)
        assert (row["day"], row["start_time"], row["end_time"]) == left
        assert answer.headers["x-ignored-fields"] == ("start_time, end_time" if all_day else "day")
        other = {"day": DAY, "start_time": START, "end_time": END, "is_all_day": not all_day}
        assert (
            only_row(await put(shared.api, "calendar_events", row, **other))["is_all_day"]
            is not all_day
        )


async def test_an_events_modality_type_and_outcome_are_listed_values(shared: Place) -> None:
    body = await shared.body(BY_NAME["calendar_events"])
    for modality in ("call", "visit", "video", "phone"):
        row = only_row(await post(shared.api, "calendar_events", body, modality=modality))
        assert row["modality"] == modality
        assert row["outcome"] is None
    refused(await post(shared.api, "calendar_events", body, modality="telepathy"), ".modality")
    refused(
        await post(shared.api, "calendar_events", body, appointment_type="nonsense"),
        ".appointment_type",
    )
    for outcome in ("completed", "cancelled", "no-show", None):
        assert (
            only_row(await put(shared.api, "calendar_events", row, outcome=outcome))["outcome"]
            == outcome
        )
    refused(await put(shared.api, "calendar_events", row, outcome="forgotten"), ".outcome")


async def test_each_worker_has_one_calendar_that_events_do_not_touch(here: Place) -> None:
    workers = [await here.make("workers") for _ in range(3)]
    calendars = await here.find("calendars")
    assert sorted(c["worker_id"] for c in calendars) == sorted(w["id"] for w in workers)
    event = await here.make("calendar_events", calendar_id=calendars[0]["id"])
    only_row(await put(here.api, "calendar_events", event, outcome="completed"))
    assert (await here.find("calendars"))[: len(calendars)] == calendars


# --- Assessments and custom records (clarification 19)

MODEL = CONTRACT["assessment_responses"]["example"]["model"]


async def test_an_assessment_is_named_by_id_or_by_name_in_any_version(shared: Place) -> None:
    body = {"user_id": (await shared.make("patients"))["id"], "model": MODEL}
    for named in values(
        {"spec_id": "intake_assessment"},
        {"spec_name": "Intake assessment"},
        {"spec_id": "intake_assessment", "spec_name": "Intake assessment"},
        {"spec_id": "intake_assessment", "spec_version": "1"},
        {"spec_name": "Intake assessment", "spec_version": "1", "title": "Intake"},
        {"spec_id": "intake_assessment", "spec_name": None, "spec_version": None, "title": None},
        # A title may be mended; the id is a name that stays.
        {"spec_name": "intake_assessment"},
        {"spec_id": "intake_assessment", "spec_name": "intake_assessment"},
    ):
        row = only_row(await post(shared.api, "assessment_responses", body, **named))
        assert row["spec_id"] == "intake_assessment"
        assert row["model"] == MODEL
        assert list(row["model"]) == list(MODEL)
    for named, path in (
        ({}, ".spec_id"),
        ({"spec_id": None}, ".spec_id"),
        ({"spec_id": "nonsense"}, ".spec_id"),
        ({"spec_name": "nonsense"}, ".spec_name"),
        ({"spec_id": "intake_assessment", "spec_name": "Mood check"}, ".spec_name"),
        ({"spec_id": "intake_assessment", "spec_version": "99"}, ".spec_version"),
        ({"spec_id": "intake_assessment", "spec_version": "x"}, ".spec_version"),
        ({"spec_id": "intake_assessment", "spec_version": "٣"}, ".spec_version"),
        ({"spec_id": "intake_assessment", "spec_version": 1}, ".spec_version"),
    ):
        refused(await post(shared.api, "assessment_responses", body, **named), path)
    for named in ({"spec_id": "nonsense"}, {"spec_name": "nonsense"}):
        answer = await post(shared.api, "assessment_responses", body, **named)
        known = answer.json()["errors"][0]["detail"]
        assert "intake_assessment (Intake assessment)" in known
        assert "Mood check" in known


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"pain_scale": 1.5}, [".model.pain_scale"]),
        ({"pain_scale": -0.1}, [".model.pain_scale"]),
        ({"pain_scale": "0.4"}, [".model.pain_scale"]),
        ({"pain_scale": True}, [".model.pain_scale"]),
        ({"plan_type": "TIN"}, [".model.plan_type"]),
        ({"plan_type": ["SILVER"]}, [".model.plan_type"]),
        ({"active": "yes"}, [".model.active"]),
        ({"years_active": 2.5}, [".model.years_active"]),
        ({"years_active": 1000}, [".model.years_active"]),
        ({"last_hcp_visit": "2018-02-30"}, [".model.last_hcp_visit"]),
        ({"completed_at": "yesterday"}, [".model.completed_at"]),
        ({"insurance_provider": 5}, [".model.insurance_provider"]),
        ({"nickname": "x"}, [".model.nickname"]),
        (
            {"pain_scale": 7, "plan_type": 1, "active": 0},
            [".model.active", ".model.pain_scale", ".model.plan_type"],
        ),
    ],
)
async def test_every_violation_of_a_spec_is_reported_with_its_path(
    change: Row, paths: list[str], shared: Place
) -> None:
    body = {
        "user_id": (await shared.make("patients"))["id"],
        "spec_id": "intake_assessment",
        "model": MODEL | change,
    }
    problems = errors(await shared.api.post("/v1/assessment_responses", json=body), 400)
    assert sorted(problems) == [("parse_exception", path) for path in paths]


async def test_answers_to_an_assessment_may_be_left_out_or_null(shared: Place) -> None:
    body = {"user_id": (await shared.make("patients"))["id"], "spec_id": "intake_assessment"}
    for model in values(
        {"insurance_provider": "Acme"},
        {"insurance_provider": "Acme", "pain_scale": None},
        MODEL | {"pain_scale": 0},
    ):
        assert (
            only_row(await post(shared.api, "assessment_responses", body, model=model))["model"]
            == model
        )
    for model in values([], "x", 1, True):
        refused(await post(shared.api, "assessment_responses", body, model=model), ".model")
    needed = await post(
        shared.api, "assessment_responses", body, spec_id="mood_check", model={"low_mood": None}
    )
    assert sorted(errors(needed, 400)) == [
        ("parse_exception", ".model.lost_interest"),
        ("parse_exception", ".model.low_mood"),
    ]


async def test_a_number_of_a_model_is_answered_as_it_was_sent(shared: Place) -> None:
    """Seventeen digits and more, as some languages print a decimal, are neither refused nor
    rounded.
    """
    user = (await shared.make("patients"))["id"]
    for sent, answered in (
        ("0.36600000000000001", "0.36600000000000001"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("4e-1", "0.4"),
    ):
        model = f'{{"insurance_provider": "Acme", "pain_scale": {sent}}}'
        body = f'{{"user_id": "{user}", "spec_id": "intake_assessment", "model": {model}}}'
        answer = await shared.api.post("/v1/assessment_responses", content=body)
        assert f'"pain_scale":{answered}}}' in answer.text, answer.text
        read = await shared.api.get(f"/v1/assessment_responses/{answer.json()['id']}")
        assert f'"pain_scale":{answered}}}' in read.text
    errors_of_task = [
        {
            "code": "x",
            "message": "y",
            "extra": {"n": Decimal("9007199254740993.0"), "m": 9007199254740993},
        }
    ]
    task = await shared.make("integration_tasks", errors=errors_of_task)
    read = await shared.api.get(f"/v1/integration_tasks/{task['id']}")
    assert '"n":9007199254740993.0,"m":9007199254740993' in read.text
    flow = {"description": "x", "goals": [{"title": "y", "interventions": [{"title": 0.1}]}]}
    problems: list[Problem] = []
    CARE_FLOW.keep(flow, ".care_flow", problems)
    assert [p.extra["path"] for p in problems] == [".care_flow.goals[0].interventions[0].title"]


async def test_a_custom_record_satisfies_its_type_on_create_and_update(shared: Place) -> None:
    row = await shared.make("custom_data_type_records")
    user = row["user_id"]
    for body, paths in (
        ({}, [".body.name"]),
        ({"name": None}, [".body.name"]),
        ({"name": "x", "state": "ZZ", "zip_code": "1"}, [".body.state", ".body.zip_code"]),
        ({"name": "x", "nickname": "y"}, [".body.nickname"]),
        ({"name": "x", "phone": "call me"}, [".body.phone"]),
    ):
        created = await shared.api.post(
            "/v1/custom_data_type_records", json={"user_id": user, "type_name": "hcp", "body": body}
        )
        updated = await put(shared.api, "custom_data_type_records", row, body=body)
        for answer in (created, updated):
            assert sorted(errors(answer, 400)) == [("parse_exception", path) for path in paths]
    after = only_row(
        await put(
            shared.api,
            "custom_data_type_records",
            row,
            body={"name": "x", "phone": "+1 415 555 2671"},
        )
    )
    assert after["body"] == {"name": "x", "phone": "415-555-2671"}
    for name in values("nonsense", "HCP", "", 1):
        body = {"user_id": user, "type_name": name, "body": {"name": "x"}}
        refused(await shared.api.post("/v1/custom_data_type_records", json=body), ".type_name")


# --- Care flows and integration tasks (clarifications 7 and 20)


async def test_a_care_flow_is_exactly_the_documents_object(shared: Place) -> None:
    flow = CONTRACT["care_flows"]["example"]["care_flow"]
    row = await shared.make("care_flows", care_flow=flow)
    assert json.dumps(row["care_flow"]) == json.dumps(flow)
    intervention, _ = row["care_flow"]["goals"][0]["interventions"]
    assert "instructions" in intervention


async def test_an_integration_task_shows_its_errors_and_nothing_that_is_to_be_removed(
    shared: Place,
) -> None:
    example = CONTRACT["integration_tasks"]["example"]
    row = await shared.make("integration_tasks", errors=example["errors"])
    assert json.dumps(row["errors"]) == json.dumps(example["errors"])
    assert not {"provider_id", "args", "result"} & row.keys()
    for status in ("unattempted", "running", "failed", "succeeded"):
        assert (await shared.make("integration_tasks", status=status, user_id=None))[
            "status"
        ] == status


# --- Contact records and types (clarifications 7 and 21)


async def test_the_misprint_of_a_consent_is_accepted_and_the_name_is_returned(
    shared: Place,
) -> None:
    body = await shared.body(BY_NAME["phone_numbers"])
    row = only_row(
        await post(shared.api, "phone_numbers", body, opted_in_to_phone=..., opted_on_to_phone=True)
    )
    assert row["opted_in_to_phone"] is True
    assert "opted_on_to_phone" not in row
    assert (
        only_row(await put(shared.api, "phone_numbers", row, opted_on_to_phone=False))[
            "opted_in_to_phone"
        ]
        is False
    )
    both = {"opted_in_to_phone": True, "opted_on_to_phone": True}
    assert (
        only_row(await put(shared.api, "phone_numbers", row, **both))["opted_in_to_phone"] is True
    )
    differing = await put(shared.api, "phone_numbers", row, **(both | {"opted_on_to_phone": False}))
    refused(differing, ".opted_on_to_phone", code="bad_request")


async def test_consents_are_not_given_until_they_are(shared: Place) -> None:
    patient = (await shared.make("patients"))["id"]
    number = {"user_id": patient, "phone_number": "555-555-5555", "phone_number_type": "cell"}
    phone = only_row(await shared.api.post("/v1/phone_numbers", json=number))
    email = only_row(
        await shared.api.post(
            "/v1/email_addresses", json={"user_id": patient, "email": "g@example.org"}
        )
    )
    assert {v for row in (phone, email) for v in row.values() if type(v) is bool} == {False}
    for wrong in values("true", 1, 0, "yes", []):
        refused(await put(shared.api, "phone_numbers", phone, verified=wrong), ".verified")


async def test_phone_numbers_in_common_notations_are_kept_in_one(shared: Place) -> None:
    body = await shared.body(BY_NAME["phone_numbers"])
    for raw_number, stored in PHONES.items():
        assert (
            only_row(await post(shared.api, "phone_numbers", body, phone_number=raw_number))[
                "phone_number"
            ]
            == stored
        )
        worker = await shared.make("workers", phone_number=raw_number)
        assert worker["phone_number"] == stored
    for raw_number in values(*NO_PHONES):
        refused(
            await post(shared.api, "phone_numbers", body, phone_number=raw_number), ".phone_number"
        )
        refused(await post(shared.api, "patients", PATIENT, phone=raw_number), ".phone")
    for kind in ("cell", "landline", "other"):
        assert (
            only_row(await post(shared.api, "phone_numbers", body, phone_number_type=kind))[
                "phone_number_type"
            ]
            == kind
        )
    refused(
        await post(shared.api, "phone_numbers", body, phone_number_type="fax"), ".phone_number_type"
    )


async def test_a_phone_number_itself_is_not_updated(shared: Place) -> None:
    row = await shared.make("phone_numbers")
    answer = await put(
        shared.api, "phone_numbers", row, phone_number="415-555-2671", friendly_name="x"
    )
    assert only_row(answer)["phone_number"] == row["phone_number"]
    assert answer.headers["x-ignored-fields"] == "phone_number"
    again = await put(
        shared.api, "phone_numbers", row, phone_number="+1 (555) 555-5555", id=row["id"].upper()
    )
    assert "x-ignored-fields" not in again.headers


async def test_states_are_the_codes_of_the_postal_service(shared: Place) -> None:
    for state in STATES:
        assert only_row(await post(shared.api, "patients", PATIENT, state=state))["state"] == state
    assert {"CA", "DC", "PR", "GU", "VI", "AS", "MP", "AA", "AE", "AP"} <= set(STATES)
    for state in values("", "ca", "Calif.", "ZZ", "C", 5, " CA"):
        refused(await post(shared.api, "patients", PATIENT, state=state), ".state")


async def test_a_zip_code_has_five_or_nine_digits(shared: Place) -> None:
    for code in values("94110", "00501", "00000", "94115-4619", "941154619"):
        stored = "94115-4619" if len(code) > 5 else code
        assert (
            only_row(await post(shared.api, "patients", PATIENT, zip_code=code))["zip_code"]
            == stored
        )
    for code in values(
        "",
        "9411",
        "941100",
        "94110-123",
        "94110-12345",
        "94110 1234",
        "9411O",
        " 94110",
        "٩٤١١٠",
        94110,
        "94110\n",
    ):
        refused(await post(shared.api, "patients", PATIENT, zip_code=code), ".zip_code")


async def test_an_email_is_any_string_that_is_not_empty_nor_over_long(shared: Place) -> None:
    body = await shared.body(BY_NAME["email_addresses"])
    for email in values(
        "x", "not an address", "grace@example.org", "ünï@例え.jp", "a" * 320, "é" * 320, " "
    ):
        row = only_row(await post(shared.api, "email_addresses", body, email=email))
        assert row["email"] == email
    for email in values("", "a" * 321, 1, [], True):
        refused(await post(shared.api, "email_addresses", body, email=email), ".email")
        refused(await put(shared.api, "email_addresses", row, email=email), ".email")


async def test_a_worker_has_one_of_the_listed_genders_or_none(shared: Place) -> None:
    for gender in ("Male", "Female", "Unknown", "Other", "Transgender", "Decline", None):
        assert (await shared.make("workers", gender=gender))["gender"] == gender


async def test_a_task_can_be_of_any_type_and_is_deleted_for_good(shared: Place) -> None:
    body = await shared.body(BY_NAME["patient_tasks"])
    row = only_row(await post(shared.api, "patient_tasks", body, task_type="some_string"))
    assert (row["task_type"], row["dismissed"]) == ("some_string", None)
    path = f"/v1/patient_tasks/{row['id']}"
    assert only_row(await shared.api.delete(path)) == row
    assert errors(await shared.api.delete(path), 404) == [("not_found", None)]
    assert await shared.find("patient_tasks", user_id=row["user_id"]) == []


async def test_every_problem_of_one_status_is_answered_with_it(shared: Place) -> None:
    """Two references to nothing are a 404; a reference to nothing beside a value that does not
    parse is a 400.
    """
    body = await shared.body(BY_NAME["calendar_events"])
    answer = await post(shared.api, "calendar_events", body, user_id=NOBODY, calendar_id=NOBODY)
    assert sorted(errors(answer, 404)) == [
        ("resource_not_found", ".calendar_id"),
        ("resource_not_found", ".user_id"),
    ]
    answer = await post(shared.api, "calendar_events", body, user_id=NOBODY, calendar_id="x")
    assert sorted(errors(answer, 400)) == [
        ("parse_exception", ".calendar_id"),
        ("resource_not_found", ".user_id"),
    ]


async def test_an_unknown_route_is_not_found(shared: Place) -> None:
    for path in (
        "/v1/nonsense",
        "/v1/",
        f"/v1/patients/{NOBODY}/messages",
        "/v1/environments",
        "/v1/clients",
        "/v1/Patients",
        "/v1//",
    ):
        assert errors(await shared.api.get(path), 404) == [("not_found", None)]
