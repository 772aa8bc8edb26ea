"""The running server against every fact of the contract document: verbs, parameters, keys, their
order and types.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from almoner.data_api.declare import Resource, Verb
from almoner.resources import BY_NAME, RESOURCES
from tests.contract.rows import (
    ADDITIONS,
    CONTRACT,
    MISPRINTS,
    NOBODY,
    REMOVED,
    Place,
    Row,
    added_keys,
    documented_keys,
    errors,
    of_contract,
    only_row,
    refused,
    rows,
)

pytestmark = pytest.mark.turns
EVERY_COLLECTION = pytest.mark.parametrize("name", list(CONTRACT))
CREATED = pytest.mark.parametrize(
    "name", [name for name, facts in CONTRACT.items() if "Create" in facts["verbs"]]
)
UPDATED = pytest.mark.parametrize(
    "name", [name for name, facts in CONTRACT.items() if "Update" in facts["verbs"]]
)
# Clarification 1: the document uses these three without listing them.
ADDED = {("patients", "Find"), ("patients", "Get"), ("external_ids", "Get")}
_OWN = "tests/contract/additions.json"
METHODS = {"Get": "GET", "Find": "GET", "Create": "POST", "Update": "PUT", "Delete": "DELETE"}

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PHONE = re.compile(r"\d{3}-\d{3}-\d{4}")
_TEXTS = {"string", "enum", "email", "timezone", "name", "state", "country", "zip_code"}

# Of each parameter of Update, a value that differs from that of the example, and what has to go
# with it.
NEW_VALUES: dict[str, dict[str, Row]] = {
    "calendar_events": {
        "start_time": {"start_time": "2018-09-10T18:00:00.000000+00:00"},
        "end_time": {"end_time": "2018-09-10T21:00:00.000000+00:00"},
        "day": {"day": "2018-09-11", "start_time": None, "end_time": None},
        "outcome": {"outcome": "no-show"},
    },
    "custom_data_type_records": {"body": {"body": {"name": "Ana Núñez", "suffix": "NP"}}},
    "email_addresses": {
        "email": {"email": "g.hopper@example.org"},
        "friendly_name": {"friendly_name": "home"},
        "verified": {"verified": True},
        "opted_in_to_email": {"opted_in_to_email": False},
        "automatic_recipient": {"automatic_recipient": True},
    },
    "external_ids": {"namespace": {"namespace": "another"}, "external_id": {"external_id": "A-1"}},
    "patients": {
        "phase": {"phase": "onboarding"},
        "timezone": {"timezone": "America/New_York"},
        "first_name": {"first_name": "Ada"},
        "last_name": {"last_name": "Lovelace"},
        "birthday": {"birthday": "1815-12-10"},
    },
    "phone_numbers": {
        "phone_number_type": {"phone_number_type": "cell"},
        "friendly_name": {"friendly_name": "daughter"},
        "verified": {"verified": True},
        "opted_in_to_sms": {"opted_in_to_sms": False},
        "opted_in_to_call_recording": {"opted_in_to_call_recording": True},
        "opted_in_to_voicemail": {"opted_in_to_voicemail": True},
        "opted_in_to_phone": {"opted_in_to_phone": False},
        "automatic_recipient": {"automatic_recipient": True},
    },
}
# Parameters that stand for each other: where one is left out, the others are given or left out with
# it.
INSTEAD: dict[tuple[str, str], Row] = {
    ("calendar_events", "start_time"): {"end_time": ..., "day": "2018-09-10"},
    ("calendar_events", "end_time"): {"start_time": ..., "day": "2018-09-10"},
}


def verbs(name: str) -> list[str]:
    return [*CONTRACT[name]["verbs"], *(verb for other, verb in sorted(ADDED) if other == name)]


def parameters(name: str, verb: str) -> dict[str, bool]:
    """The parameters of a verb beside the id in the path; True for the required ones."""
    return {
        p["name"]: not p["optional"]
        for p in CONTRACT[name]["verbs"][verb]["params"]
        if p["name"] != "id"
    }


def is_of(value: Any, kind: str) -> bool:
    if kind in _TEXTS:
        return type(value) is str
    patterns = {"guid": _GUID, "isodatetime": _MOMENT, "isodate": _DAY, "phone": _PHONE}
    if kind in patterns:
        return type(value) is str and patterns[kind].fullmatch(value) is not None
    types: dict[str, type] = {
        "boolean": bool,
        "json": dict,
        "array string": list,
        "array integration-errors": list,
    }
    return type(value) is types[kind]


def check_row(name: str, row: Row) -> None:
    """Keys and their order are the example's, with what is added anywhere between; each value is
    null or of the documented type.
    """
    added = added_keys(BY_NAME[name])
    assert [key for key in row if key not in added] == documented_keys(name)
    assert set(added) <= row.keys()
    for field in CONTRACT[name]["model"]:
        if field["name"] not in REMOVED:
            value = row[MISPRINTS.get(field["name"], field["name"])]
            assert value is None or is_of(value, field["type"]), (field, value)


def test_there_are_45_operations_and_the_token() -> None:
    documented = {(name, verb) for name, facts in CONTRACT.items() for verb in facts["verbs"]}
    assert len(CONTRACT) == 14
    assert len(documented) == 42
    offered = {
        (r.name, verb.name.capitalize())
        for r in RESOURCES
        if r.name in CONTRACT
        for verb in r.verbs
    }
    assert offered == documented | ADDED
    assert len(offered) == 45


def test_what_is_offered_beside_the_contract_is_written_down() -> None:
    """The contract's facts are the owner's: what a site adds stands beside them, so that a slip is
    not taken for an addition.
    """
    wrong = []
    for resource in RESOURCES:
        declared = ADDITIONS.get(resource.name, [])
        if resource.name not in CONTRACT:
            if declared != "*":
                wrong.append(
                    f'The contract has no {resource.name}: if it is yours, add "{resource.name}":'
                    f' "*" to {_OWN}.'
                )
            continue
        wrong += [
            f'The contract has no {resource.name}.{key}: if it is yours, add "{key}" to'
            f' "{resource.name}" in {_OWN}.'
            for key in added_keys(resource)
            if key not in declared
        ]
        wrong += [
            f"{_OWN} has {resource.name}.{key}: no such field"
            for key in declared
            if key not in added_keys(resource)
        ]
    wrong += [
        f"{_OWN} has {name}: there is no such collection"
        for name in ADDITIONS
        if name not in BY_NAME
    ]
    assert not wrong, "\n".join(wrong)


@EVERY_COLLECTION
async def test_a_collection_answers_the_documented_verbs_and_405_to_every_other(
    name: str, shared: Place
) -> None:
    for path, own in (
        (f"/v1/{name}", {"Find", "Create"}),
        (f"/v1/{name}/{NOBODY}", {"Get", "Update", "Delete"}),
    ):
        allowed = {METHODS[verb] for verb in verbs(name) if verb in own}
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = await shared.api.request(method, path, content=b"{}")
            if method in allowed:
                assert answer.status_code != 405, (method, path)
            else:
                assert errors(answer, 405) == [("method_not_allowed", None)]
                assert {
                    m.strip() for m in answer.headers["allow"].split(",") if m.strip()
                } == allowed


@EVERY_COLLECTION
async def test_a_find_by_body_takes_post_alone(name: str, shared: Place) -> None:
    rows(await shared.api.post(f"/v1/{name}/find", json={}))
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await shared.api.request(method, f"/v1/{name}/find", content=b"{}")
        assert errors(answer, 405) == [("method_not_allowed", None)]
        assert answer.headers["allow"] == "POST"


async def test_the_token_endpoint_takes_post_alone(shared: Place) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await shared.api.request(method, "/v1/token")
        assert errors(answer, 405) == [("method_not_allowed", None)]
        assert answer.headers["allow"] == "POST"
    assert (await shared.api.post("/v1/token")).status_code == 400


@EVERY_COLLECTION
async def test_every_answer_has_the_keys_of_the_example_in_their_order_and_of_their_types(
    name: str, shared: Place
) -> None:
    row = await shared.make(name)
    path = f"/v1/{name}/{row['id']}"
    check_row(name, row)
    assert only_row(await shared.api.get(path)) == row
    key = (
        "user_id"
        if row.get("user_id")
        else next((f for f in ("worker_id", "coach_id", "email", "welkin_id") if f in row), "")
    )
    matches = await shared.find(name, **{key: row[key]})
    assert matches == [row]
    check_row(name, matches[0])
    if "Update" in verbs(name):
        check_row(name, only_row(await shared.api.put(path, json=row)))
    if "Delete" in verbs(name):
        gone = only_row(await shared.api.delete(path))
        assert gone == row
        assert of_contract(name, gone) == documented_keys(name)
        assert errors(await shared.api.get(path), 404) == [("not_found", None)]


@EVERY_COLLECTION
async def test_a_find_answers_an_array_of_one_page(name: str, shared: Place) -> None:
    await shared.make(name)
    answer = await shared.api.get(f"/v1/{name}", params={"page[size]": 1000})
    (page,) = answer.json()
    assert list(page)[:2] == ["data", "meta"]
    current = page["meta"]["current"]
    assert list(current) == ["page[from]", "page[to]", "page[size]"]
    assert is_of(current["page[from]"], "isodatetime")
    assert is_of(current["page[to]"], "isodatetime")
    assert current["page[size]"] == 1000


async def example_body(name: str, place: Place) -> Row:
    """The document's own example as a body, with the ids of rows that exist."""
    example: Row = dict(CONTRACT[name]["example"])
    resource = BY_NAME[name]
    own: Row = {}
    if name == "external_ids":
        # The example's "some_string" stands for any; a collection that exists is wanted
        # (clarification 16).
        own = {"resource": "patients", "welkin_id": (await place.make("patients"))["id"]}
    if name == "messages":
        # The example is inbound and has a worker all the same; an inbound message has none
        # (clarification 17).
        own = {"worker_id": None}
    for field, ref in resource.references:
        if field.name not in own and not field.only_enveloped:
            shared = {ref.within: own[ref.within]} if ref.within else {}
            own[field.name] = (await place.make(ref.to, **shared))["id"]
    return example | own


@CREATED
async def test_the_example_is_accepted_as_it_stands(name: str, here: Place) -> None:
    body = await example_body(name, here)
    row = only_row(await here.api.post(f"/v1/{name}", json=body))
    check_row(name, row)
    assert row["id"] != body["id"]
    inputs = parameters(name, "Create")
    for key, value in body.items():
        if key in inputs and key not in ("start_time", "end_time"):
            assert row[key] == value


@CREATED
async def test_create_takes_every_parameter_at_once(name: str, shared: Place) -> None:
    body = await shared.body(BY_NAME[name])
    assert set(parameters(name, "Create")) <= set(body)
    row = only_row(await shared.api.post(f"/v1/{name}", json=body))
    for key in parameters(name, "Create"):
        if key in row:
            assert row[key] == body[key]


@CREATED
async def test_create_needs_each_required_parameter_and_no_other(name: str, shared: Place) -> None:
    for parameter, required in parameters(name, "Create").items():
        body = await shared.body(BY_NAME[name])
        body.pop(parameter)
        for other, value in INSTEAD.get((name, parameter), {}).items():
            if value is ...:
                body.pop(other)
            else:
                body[other] = value
        answer = await shared.api.post(f"/v1/{name}", json=body)
        if required:
            refused(answer, f".{parameter}")
            body[parameter] = None
            refused(await shared.api.post(f"/v1/{name}", json=body), f".{parameter}")
        else:
            only_row(answer)


@CREATED
async def test_create_needs_nothing_beside_the_required_parameters(
    name: str, shared: Place
) -> None:
    required = {parameter for parameter, needed in parameters(name, "Create").items() if needed}
    # What is optional for itself, while one of several has to be given.
    either = {"assessment_responses": {"spec_id"}, "calendar_events": {"day"}}.get(name, set())
    body = await shared.body(BY_NAME[name], **({"day": "2018-09-10"} if "day" in either else {}))
    row = only_row(
        await shared.api.post(
            f"/v1/{name}", json={k: v for k, v in body.items() if k in required | either}
        )
    )
    check_row(name, row)


@CREATED
async def test_an_empty_create_reports_every_required_parameter(name: str, shared: Place) -> None:
    answer = await shared.api.post(f"/v1/{name}", json={})
    missing = {path for _, path in errors(answer, 400)}
    # An inbound message has no worker, whatever the table says (clarification 17).
    required = {
        f".{p}"
        for p, needed in parameters(name, "Create").items()
        if needed and (name, p) != ("messages", "worker_id")
    }
    assert required <= missing


@UPDATED
async def test_update_takes_each_parameter_alone(name: str, shared: Place) -> None:
    for parameter in parameters(name, "Update"):
        before = await shared.make(name)
        change = NEW_VALUES[name].get(parameter) or await referring(name, parameter, shared)
        after = only_row(await shared.api.put(f"/v1/{name}/{before['id']}", json=change))
        follows = {"updated_at", "is_all_day"}
        assert after == {**before, **change, **{key: after[key] for key in follows & after.keys()}}
        if "updated_at" in after:
            assert after["updated_at"] > before["updated_at"]
        assert only_row(await shared.api.get(f"/v1/{name}/{before['id']}")) == after


async def referring(name: str, parameter: str, place: Place) -> Row:
    """A value for a parameter of Update that refers to another row."""
    if parameter == "coach_id":
        return {"coach_id": (await place.make("workers"))["id"]}
    if parameter == "welkin_id":
        return {"welkin_id": (await place.make("patients"))["id"]}
    assert (name, parameter) == ("external_ids", "resource")
    return {"resource": "workers", "welkin_id": (await place.make("workers"))["id"]}


@UPDATED
async def test_update_needs_its_required_parameters_and_no_other(name: str, shared: Place) -> None:
    row = await shared.make(name)
    answer = await shared.api.put(f"/v1/{name}/{row['id']}", json={})
    required = [
        f".{parameter}" for parameter, needed in parameters(name, "Update").items() if needed
    ]
    if required:
        refused(answer, *required)
    else:
        assert only_row(answer) == row


@EVERY_COLLECTION
async def test_find_takes_every_parameter_and_needs_none(name: str, shared: Place) -> None:
    row = await shared.make(name)
    wide = {
        "page[from]": "2018-09-12T01:27:32.031245+00:00",
        "page[to]": "2099-01-01T00:00:00+00:00",
        "page[size]": "7",
    }
    values = wide | {key: value for key, value in row.items() if type(value) is str}
    values |= {"ref_id": row["ref_ids"][0]} if "ref_ids" in row else {}
    rows(await shared.api.get(f"/v1/{name}"))
    documented = (
        parameters(name, "Find")
        if "Find" in CONTRACT[name]["verbs"]
        else dict.fromkeys(wide, False)
    )
    assert not any(documented.values())
    for parameter in documented:
        rows(await shared.api.get(f"/v1/{name}", params={parameter: values[parameter]}))
    # From the row on: there may be more rows before it than a page has.
    together = {parameter: values[parameter] for parameter in documented}
    since = {"page[from]": row.get("updated_at", wide["page[from]"]), "page[size]": "1000"}
    assert row in rows(await shared.api.get(f"/v1/{name}", params=together | since))


@EVERY_COLLECTION
async def test_a_trailing_slash_is_accepted(name: str, shared: Place) -> None:
    resource: Resource = BY_NAME[name]
    row = await shared.make(name)
    rows(await shared.api.get(f"/v1/{name}/"))
    assert only_row(await shared.api.get(f"/v1/{name}/{row['id']}/")) == row
    rows(await shared.api.post(f"/v1/{name}/find/", json={}))
    if Verb.CREATE in resource.verbs:
        created = only_row(await shared.api.post(f"/v1/{name}/", json=await shared.body(resource)))
        if Verb.DELETE in resource.verbs:
            only_row(await shared.api.delete(f"/v1/{name}/{created['id']}/"))
    if Verb.UPDATE in resource.verbs:
        only_row(await shared.api.put(f"/v1/{name}/{row['id']}/", json=row))
