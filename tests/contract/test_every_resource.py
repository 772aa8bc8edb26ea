"""What holds for every declaration and every operation: who sees what, who may do what, and how a
body is taken.
"""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import httpx
import pytest

from almoner.data_api.declare import Resource, Verb
from almoner.resources import BY_NAME, RESOURCES
from almoner.vocabulary.contact_kinds import Phone
from almoner.vocabulary.fields import MISSING, NOW, Field, Shape
from almoner.vocabulary.kinds import Boolean, Ref
from tests.conftest import Api, Callers
from tests.contract.rows import (
    NOBODY,
    Place,
    Row,
    another,
    end_of_feed,
    errors,
    is_of_same_patient,
    only_row,
    refused,
    rows,
)
from tests.plain_http import PlainHttp

pytestmark = pytest.mark.turns
EVERY_RESOURCE = pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.name)


def offering(verb: Verb) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "resource", [r for r in RESOURCES if verb in r.verbs], ids=lambda r: r.name
    )


def same_but_for_the_request(first: httpx.Response, other: httpx.Response) -> None:
    """The two answers tell nothing apart: status, body and every header but the request's id."""
    assert first.status_code == other.status_code
    assert first.content == other.content
    apart = {"x-request-id", "date"}
    headers = [
        {k: v for k, v in answer.headers.items() if k not in apart} for answer in (first, other)
    ]
    assert headers[0] == headers[1]


# --- Environments: what is elsewhere is answered like what does not exist at all.


@EVERY_RESOURCE
async def test_a_row_of_another_environment_is_unknown_by_its_id(
    resource: Resource, here: Place, elsewhere: Place
) -> None:
    there = await elsewhere.make(resource.name)
    path = f"/v1/{resource.name}"
    tag = (await elsewhere.api.get(f"{path}/{there['id']}")).headers["etag"]
    requests: list[tuple[str, Row]] = [("GET", {})]
    if Verb.UPDATE in resource.verbs:
        requests += [
            ("PUT", {"json": there}),
            ("PUT", {"json": {}}),
            ("PUT", {"json": there, "headers": {"If-Match": tag}}),
        ]
        requests += [
            ("PUT", {"json": there, "headers": {"If-Match": '"2018-09-12T01:27:32.031245+00:00"'}})
        ]
        requests += [("PUT", {"json": {"nonsense": 1}})]
    if Verb.DELETE in resource.verbs:
        requests += [
            ("DELETE", {}),
            ("DELETE", {"headers": {"If-Match": tag}}),
            ("DELETE", {"headers": {"If-Match": '"x"'}}),
        ]
    for method, options in requests:
        exists = await here.api.request(method, f"{path}/{there['id']}", **options)
        unknown = await here.api.request(method, f"{path}/{NOBODY}", **options)
        assert errors(exists, 404) == [("not_found", None)]
        same_but_for_the_request(exists, unknown)
    assert only_row(await elsewhere.api.get(f"{path}/{there['id']}")) == there


@EVERY_RESOURCE
async def test_a_find_shows_nothing_of_another_environment(
    resource: Resource, here: Place, elsewhere: Place
) -> None:
    there = await elsewhere.make(resource.name)
    assert there not in await here.find(resource.name, **{"page[size]": 1000})
    for field in filters(resource):
        value = there[field.name]
        for name in field.filter_names:
            asked = {name: value[0] if type(value) is list else value}
            assert await here.find(resource.name, **asked) == []
            assert rows(await here.api.post(f"/v1/{resource.name}/find", json=asked)) == []


def filters(resource: Resource) -> list[Field]:
    """The fields by which the documented shape filters."""
    # Who saw to a row, pages say.
    by_pages = Verb.CREATE in resource.verbs
    return [
        f
        for f in resource.filters
        if not f.only_enveloped and (f.create or not (by_pages and isinstance(f.kind, Ref)))
    ]


def references(resource: Resource) -> list[Field]:
    """The fields that a body sets and that hold the id of another row."""
    by_id = [f for f, _ in resource.references if f.create and not f.only_enveloped]
    return (
        by_id
        if resource.any_reference is None
        else [*by_id, resource.field(resource.any_reference[1])]
    )


@offering(Verb.CREATE)
async def test_a_create_cannot_refer_to_another_environment(
    resource: Resource, here: Place, elsewhere: Place
) -> None:
    before = [await here.find(r.name, **{"page[size]": 1000}) for r in RESOURCES]
    for field in references(resource):
        target = field.kind.to if isinstance(field.kind, Ref) else "patients"
        foreign = (await elsewhere.make(target))["id"]
        body = await here.body(resource)
        before = [await here.find(r.name, **{"page[size]": 1000}) for r in RESOURCES]
        exists = await here.api.post(f"/v1/{resource.name}", json=body | {field.name: foreign})
        unknown = await here.api.post(f"/v1/{resource.name}", json=body | {field.name: NOBODY})
        assert ("resource_not_found", f".{field.name}") in errors(exists, 404)
        same_but_for_the_request(exists, unknown)
    assert [await here.find(r.name, **{"page[size]": 1000}) for r in RESOURCES] == before


@offering(Verb.UPDATE)
async def test_an_update_cannot_refer_to_another_environment(
    resource: Resource, here: Place, elsewhere: Place
) -> None:
    row = await here.make(resource.name)
    for field in references(resource):
        if field.update:
            target = field.kind.to if isinstance(field.kind, Ref) else "patients"
            foreign = (await elsewhere.make(target))["id"]
            exists = await here.api.put(
                f"/v1/{resource.name}/{row['id']}", json={field.name: foreign}
            )
            unknown = await here.api.put(
                f"/v1/{resource.name}/{row['id']}", json={field.name: NOBODY}
            )
            assert errors(exists, 404) == [("resource_not_found", f".{field.name}")]
            same_but_for_the_request(exists, unknown)
    assert only_row(await here.api.get(f"/v1/{resource.name}/{row['id']}")) == row


async def test_what_is_unique_elsewhere_is_free_here(here: Place, elsewhere: Place) -> None:
    there = await elsewhere.make("external_ids", namespace=f"n-{uuid4()}")
    mine = await here.make(
        "external_ids", namespace=there["namespace"], external_id=there["external_id"]
    )
    assert mine["id"] != there["id"]
    worker = await elsewhere.make("workers")
    assert (await here.make("workers", email=worker["email"]))["email"] == worker["email"]
    nested = [{"namespace": there["namespace"], "external_id": "nested"}]
    await elsewhere.make("patients", external_ids=nested)
    await here.make("patients", external_ids=nested)


async def test_the_program_of_another_environment_is_not_offered(
    callers: Callers, environment: int, shared: Place
) -> None:
    """An environment without a program takes no phase, and does not say which ones others have."""
    patient = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
    }
    async with await callers(environment) as bare:
        answer = await bare.post("/v1/patients", json=patient)
        refused(answer, ".phase")
        assert "onboarding" not in answer.text
    only_row(await shared.api.post("/v1/patients", json=patient))


async def test_an_id_is_unique_across_collections(shared: Place) -> None:
    ids = [(await shared.make(resource.name))["id"] for resource in RESOURCES]
    assert len(set(ids)) == len(RESOURCES)
    for resource, other in itertools.pairwise([*RESOURCES, RESOURCES[0]]):
        row_id = ids[RESOURCES.index(resource)]
        assert errors(await shared.api.get(f"/v1/{other.name}/{row_id}"), 404) == [
            ("not_found", None)
        ]


# --- Access


async def operations(resource: Resource, place: Place) -> list[tuple[bool, str, str, Row]]:
    """A request that succeeds for each operation: whether it writes, method, path and body."""
    row = await place.make(resource.name)
    path = f"/v1/{resource.name}"
    requests: list[tuple[bool, str, str, Row]] = [
        (False, "GET", path, {}),
        (False, "POST", f"{path}/find", {"json": {}}),
        (False, "GET", f"{path}/{row['id']}", {}),
    ]
    if Verb.UPDATE in resource.verbs:
        requests.append((True, "PUT", f"{path}/{row['id']}", {"json": row}))
    if Verb.DELETE in resource.verbs:
        requests.append((True, "DELETE", f"{path}/{row['id']}", {}))
    if Verb.CREATE in resource.verbs:
        requests.append((True, "POST", path, {"json": await place.body(resource)}))
    return requests


@EVERY_RESOURCE
async def test_nothing_is_answered_without_a_token(
    resource: Resource, shared: Place, server: Any
) -> None:
    async with PlainHttp(base_url=server.url) as stranger:
        for _, method, path, options in await operations(resource, shared):
            for header in (
                {},
                {"Authorization": "Bearer nonsense"},
                {"Authorization": "Basic eDp5"},
                {"Authorization": "Bearer"},
            ):
                answer = await stranger.request(method, path, headers=header, **options)
                assert errors(answer, 401) == [("unauthorized", None)]
                assert answer.headers["www-authenticate"].startswith("Bearer")


@EVERY_RESOURCE
async def test_a_scope_covers_its_collection_and_its_right_alone(
    resource: Resource, shared: Place, callers: Callers
) -> None:
    other = next(r for r in RESOURCES if r is not resource)
    place = shared.api.environment_id
    reader = await callers(place, f"{resource.name}.read")
    writer = await callers(place, f"{resource.name}.write")
    neighbour = await callers(place, f"{other.name}.read {other.name}.write")
    async with reader, writer, neighbour:
        for writes, method, path, options in await operations(resource, shared):
            for caller, allowed in ((reader, not writes), (writer, writes), (neighbour, False)):
                if allowed and method == "DELETE":
                    continue
                answer = await caller.request(method, path, **options)
                if allowed:
                    assert answer.status_code == 200, answer.text
                else:
                    assert errors(answer, 403) == [("forbidden", None)]
                    assert resource.name in answer.json()["errors"][0]["extra"]["scope"]


@EVERY_RESOURCE
async def test_a_write_only_scope_gets_nothing_but_the_id(
    resource: Resource, shared: Place, callers: Callers
) -> None:
    plain = await callers(shared.api.environment_id, f"{resource.name}.write")
    enveloped = await callers(shared.api.environment_id, f"{resource.name}.write", "enveloped")
    async with plain, enveloped:
        for writes, method, path, options in await operations(resource, shared):
            if writes and method != "DELETE":
                answer = only_row(await plain.request(method, path, **options))
                assert list(answer) == ["id"]
                if method == "POST":
                    options = {"json": await shared.body(resource)}
                options = options | {"json": enveloped_part(resource, options["json"])}
                wrapped = only_row(await enveloped.request(method, path, **options))
                assert list(wrapped["data"]) == ["id"]


# --- Shapes


def enveloped_part(resource: Resource, body: Row) -> Row:
    """What of a body in the documented shape the enveloped one has as well."""
    elsewhere = {f.name for f in resource.fields if f.not_enveloped}
    return {name: value for name, value in body.items() if name not in elsewhere}


# Clarification 7: what the documented shape does not have.
LATER: dict[str, Row] = {
    "assessment_responses": {
        "spec_name": "Intake assessment",
        "spec_version": "1",
        "worker_id": None,
    },
    "conversations": {"conversation_type": "sms", "title": None},
    "patients": {
        "is_active": True,
        **dict.fromkeys(
            ("primary_language", "gender", "height", "weight", "smokes", "provider_id_number")
        ),
        "phone_numbers": [],
        "email_addresses": [],
    },
}


@EVERY_RESOURCE
async def test_the_enveloped_shape_wraps_every_answer_and_names_references_both_ways(
    resource: Resource, here: Place, callers: Callers
) -> None:
    async with await callers(here.api.environment_id, shape="enveloped") as enveloped:
        row = await here.make(resource.name)
        path = f"/v1/{resource.name}"
        renamed = {f.name: f.enveloped_name for f in resource.fields if f.enveloped_name}
        expected_names = {
            name: new
            for name, new in (("user_id", "patient_id"), ("coach_id", "primary_worker_id"))
            if name in row
        }
        assert renamed == expected_names, (
            f"{resource.name}: patient_reference(...) makes the field that tells whom a row is about"
        )
        expected = (
            row | {new: row[name] for name, new in renamed.items()} | LATER.get(resource.name, {})
        )
        for field in resource.fields:
            if field.not_enveloped:
                del expected[field.name]
            elif type(field.kind) is Phone and row.get(field.name):
                expected[field.name] = "+1" + row[field.name].replace("-", "")
        answer = only_row(await enveloped.get(f"{path}/{row['id']}"))
        assert answer == {"data": expected}
        assert [key for key in answer["data"] if key in row] == [
            key for key in row if key in expected
        ]
        for name, new in renamed.items():
            keys = list(answer["data"])
            assert keys.index(new) == keys.index(name) + 1
        for page in (
            only_row(await enveloped.get(path)),
            only_row(await enveloped.post(f"{path}/find", json={})),
        ):
            assert list(page) == ["data", "links"]
            assert page["data"] == [expected]
            assert set(page["links"]) == {"href", "current", "meta"}
            assert page["links"]["href"]["current"] == page["links"]["current"]["href"]
            assert page["links"]["meta"]["current"] == page["links"]["current"]["meta"]
            assert page["links"]["href"]["current"].startswith(f"{enveloped.base_url}{path}?")
        if Verb.UPDATE in resource.verbs:
            changed = only_row(await enveloped.put(f"{path}/{row['id']}", json=expected))
            assert list(changed) == ["data"]
            assert changed["data"].keys() == expected.keys()
        if Verb.CREATE in resource.verbs:
            await create_under_either_name(resource, here, enveloped, renamed)


async def create_under_either_name(
    resource: Resource, here: Place, enveloped: Api, renamed: dict[str, str]
) -> None:
    path = f"/v1/{resource.name}"
    body = enveloped_part(resource, await here.body(resource))
    created = only_row(
        await enveloped.post(
            path, json={renamed.get(key, key): value for key, value in body.items()}
        )
    )
    assert list(created) == ["data"]
    for name, new in renamed.items():
        assert created["data"][name] == created["data"][new] == body[name]
        assert (
            created["data"] in only_row(await enveloped.get(path, params={new: body[name]}))["data"]
        )
        refused(await here.api.get(path, params={new: body[name]}), f".{new}")
        refused(await here.api.post(path, json=body | {new: body[name]}), f".{new}")
        both = await here.body(resource)
        only_row(await enveloped.post(path, json=both | {new: both[name].upper()}))
        twice = await enveloped.post(path, json=await here.body(resource) | {new: NOBODY})
        assert errors(twice, 400)[0][0] == "bad_request"


@EVERY_RESOURCE
async def test_errors_have_one_form_in_both_shapes(
    resource: Resource, shared: Place, callers: Callers
) -> None:
    async with await callers(shared.api.environment_id, shape="enveloped") as enveloped:
        for path in (
            f"/v1/{resource.name}?page[size]=0",
            f"/v1/{resource.name}/{NOBODY}",
            f"/v1/{resource.name}/x",
            "/v1/nonsense",
        ):
            same_but_for_the_request(await shared.api.get(path), await enveloped.get(path))


async def test_the_enveloped_next_page_is_announced_in_every_place(
    here: Place, callers: Callers
) -> None:
    workers = [await here.make("workers") for _ in range(3)]
    async with await callers(here.api.environment_id, shape="enveloped") as enveloped:
        first = await enveloped.get("/v1/workers", params={"page[size]": 2})
        links = first.json()["links"]
        assert set(links) == {"href", "current", "next", "meta"}
        assert links["href"]["next"] == links["next"]["href"]
        assert links["meta"]["next"] == links["next"]["meta"]
        assert first.headers["link"] == f'<{links["href"]["next"]}>; rel="next"'
        second = only_row(await enveloped.get(links["href"]["next"]))
        assert "next" not in second["links"]
        assert "next" not in second["links"]["href"]
        assert "next" not in second["links"]["meta"]
        assert [row["id"] for row in first.json()["data"] + second["data"]] == [
            row["id"] for row in workers
        ]


# --- Bodies and queries


@offering(Verb.CREATE)
async def test_a_create_refuses_a_field_that_it_does_not_know_by_name(
    resource: Resource, shared: Place
) -> None:
    body = await shared.body(resource)
    refused(
        await shared.api.post(f"/v1/{resource.name}", json=body | {"nickname": "x"}), ".nickname"
    )
    answer = await shared.api.post(
        f"/v1/{resource.name}", json={**body, "nickname": None, "naïve\x07": {"a": 1}}
    )
    assert [code for code, _ in errors(answer, 400)] == ["parse_exception"] * 2
    only_row(await shared.api.post(f"/v1/{resource.name}", json=body))


@offering(Verb.UPDATE)
async def test_an_update_refuses_a_field_that_it_does_not_know_and_changes_nothing(
    resource: Resource, shared: Place
) -> None:
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    refused(await shared.api.put(path, json=row | {"nickname": "x"}), ".nickname")
    assert only_row(await shared.api.get(path)) == row


@EVERY_RESOURCE
async def test_an_unknown_query_parameter_is_refused_by_name(
    resource: Resource, shared: Place
) -> None:
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}"
    refused(
        await shared.api.get(path, params={"user": "x", "page[form]": "2018-09-12T01:27:32Z"}),
        ".user",
        ".page[form]",
    )
    refused(await shared.api.post(f"{path}/find", json={"nickname": "x"}), ".nickname")
    refused(
        await shared.api.post(f"{path}/find", json={"nickname": None, "": None}), ".nickname", "."
    )
    assert (await shared.api.post(f"{path}/find?user=x", json={})).status_code == 400
    known = resource.spelled[Shape.DOCUMENTED].filters
    for field in resource.returned:
        if field.name not in known:
            refused(await shared.api.get(path, params={field.name: "x"}), f".{field.name}")
    assert (
        await shared.api.get(f"{path}/{row['id']}", params={"nonsense": "1"})
    ).status_code == 400


@offering(Verb.CREATE)
async def test_a_create_ignores_what_only_the_server_sets(
    resource: Resource, shared: Place
) -> None:
    body = await shared.body(resource)
    model = {f.name for f in resource.returned}
    read_only: Row = {"id": NOBODY, "created_at": "1999-01-01T00:00:00+00:00", "updated_at": None}
    read_only = {name: value for name, value in read_only.items() if name in model}
    read_only |= {
        f.name: True for f in resource.returned if not f.create and isinstance(f.kind, Boolean)
    }
    read_only |= {
        f.name: "x" for f in resource.returned if not f.create and f.name not in read_only
    }
    answer = await shared.api.post(f"/v1/{resource.name}", json=read_only | body)
    row = only_row(answer)
    assert row["id"] != NOBODY
    # Who brings ids or times learns of it before the load is over.
    brought = [key for key in ("id", "created_at") if key in read_only]
    assert answer.headers["x-ignored-fields"].split(", ")[: len(brought)] == brought
    assert "created_at" not in row or row["created_at"] > "2000"
    for field in resource.returned:
        if not field.create and field.name not in ("id", "created_at", "updated_at"):
            assert row[field.name] in (None, False)
    without = await shared.body(resource) | {"id": None}
    answer = await shared.api.post(f"/v1/{resource.name}", json=without)
    assert only_row(answer)
    assert "id" not in answer.headers.get("x-ignored-fields", "").split(", ")


@offering(Verb.UPDATE)
async def test_the_whole_object_can_be_sent_back(resource: Resource, shared: Place) -> None:
    """Programs do so; what Update does not set is accepted and ignored (clarification 9)."""
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    other = await shared.make(resource.name)
    ignored = {
        f.name: other[f.name] for f in resource.returned if not f.update and f.name != "updated_at"
    }
    after = only_row(await shared.api.put(path, json=row | ignored | {"id": None}))
    follows = {"updated_at"} & after.keys()
    assert after == row | {name: after[name] for name in follows}


@offering(Verb.UPDATE)
async def test_an_update_of_what_is_so_already_changes_nothing_and_tells_nobody(
    resource: Resource, shared: Place, callers: Callers
) -> None:
    """Two systems that write to each other what they hear come to rest (clarification 13:
    ``updated_at`` grows with every change).
    """
    row, noise = await shared.make(resource.name), await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    first = await shared.api.get(path)
    before_all = await end_of_feed(shared.api)
    async with await callers(shared.api.environment_id, shape="enveloped") as enveloped:
        whole = only_row(await enveloped.get(path))["data"]
        assert only_row(await enveloped.put(path, json=whole))["data"] == whole
    for _ in range(2):
        for headers in ({"If-Match": first.headers["etag"]}, {"Idempotency-Key": f'"{row["id"]}"'}):
            answer = await shared.api.put(path, json=row, headers=headers)
            assert only_row(answer) == row
            assert answer.headers["etag"] == first.headers["etag"]
    answer = await shared.api.post(f"/v1/{resource.name}/batch", json={"update": [row]})
    (entry,) = only_row(answer)["data"]
    assert (entry["outcome"], entry["row"]) == ("unchanged", row)
    changed = another(resource, noise)
    only_row(await shared.api.put(f"/v1/{resource.name}/{noise['id']}", json=noise | changed))
    now = await shared.api.get(path)
    assert (only_row(now), now.headers["etag"]) == (row, first.headers["etag"])
    (feed_entry,) = only_row(
        await shared.api.get(
            "/v1/changes",
            params={"after": before_all, "resource": resource.name, "wait": 30},
        )
    )["data"]
    # What differs is named, whatever else was sent.
    assert (feed_entry["id"], feed_entry["kind"], feed_entry["fields"]) == (
        noise["id"],
        "update",
        [*changed],
    )


@offering(Verb.CREATE)
async def test_null_on_create_clears_what_may_be_empty_and_is_refused_where_it_is_required(
    resource: Resource, shared: Place
) -> None:
    for field in resource.spelled[Shape.DOCUMENTED].fields:
        if not field.create or (resource.name, field.name) in CONDITIONAL:
            continue
        body = await shared.body(resource) | {field.name: None}
        answer = await shared.api.post(f"/v1/{resource.name}", json=body)
        if field.required:
            refused(answer, f".{field.name}")
        else:
            row = only_row(answer)
            left_out = only_row(
                await shared.api.post(
                    f"/v1/{resource.name}",
                    json={
                        k: v for k, v in (await shared.body(resource)).items() if k != field.name
                    },
                )
            )
            if field.returned and field.default is not NOW:
                assert row[field.name] == left_out[field.name]


# What may be null only when something else is not: tests/contract/test_rules.py has their
# combinations.
CONDITIONAL = {
    ("calendar_events", "start_time"),
    ("calendar_events", "end_time"),
    ("messages", "worker_id"),
    ("assessment_responses", "spec_id"),
}


@offering(Verb.UPDATE)
async def test_null_on_update_clears_a_nullable_field_and_is_refused_for_a_required_one(
    resource: Resource, shared: Place
) -> None:
    for field in resource.spelled[Shape.DOCUMENTED].fields:
        if (
            not field.update
            or not field.returned
            or field.generated
            or (resource.name, field.name) in CONDITIONAL
        ):
            continue
        row = await shared.make(resource.name)
        path = f"/v1/{resource.name}/{row['id']}"
        answer = await shared.api.put(path, json={field.name: None})
        if field.required or field.default is not MISSING:
            refused(answer, f".{field.name}")
            assert only_row(await shared.api.get(path)) == row
        else:
            assert only_row(answer)[field.name] is None


@EVERY_RESOURCE
async def test_ids_are_guids_in_any_letter_case(resource: Resource, shared: Place) -> None:
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}"
    assert only_row(await shared.api.get(f"{path}/{row['id'].upper()}")) == row
    for malformed in (
        "x",
        "1",
        row["id"][:-1],
        row["id"] + "0",
        row["id"].replace("-", ""),
        "{" + row["id"] + "}",
        "%00",
        "é",
    ):
        for method, verb in (("GET", Verb.GET), ("PUT", Verb.UPDATE), ("DELETE", Verb.DELETE)):
            if verb in resource.verbs:
                answer = await shared.api.request(
                    method, f"{path}/{malformed}", content=b"{}" if method == "PUT" else None
                )
                refused(answer, ".id")
    for field in (f for f in filters(resource) if isinstance(f.kind, Ref)):
        assert row in await shared.find(resource.name, **{field.name: row[field.name].upper()})
        refused(await shared.api.get(path, params={field.name: "x"}), f".{field.name}")
    if Verb.UPDATE in resource.verbs:
        assert (
            only_row(await shared.api.put(f"{path}/{row['id'].upper()}", json=row))["id"]
            == row["id"]
        )
    if Verb.CREATE in resource.verbs:
        body = await shared.body(resource)
        for field in references(resource):
            bad = await shared.api.post(path, json=body | {field.name: "x"})
            assert ("parse_exception", f".{field.name}") in errors(bad, 400)
        created = only_row(
            await shared.api.post(
                path, json=body | {f.name: body[f.name].upper() for f in references(resource)}
            )
        )
        assert all(created[f.name] == body[f.name] for f in references(resource))


@EVERY_RESOURCE
async def test_every_answer_carries_the_id_of_its_request(
    resource: Resource, shared: Place
) -> None:
    for _, method, path, options in await operations(resource, shared):
        answer = await shared.api.request(method, path, **options)
        assert answer.headers["x-request-id"]
    named = await shared.api.get(
        f"/v1/{resource.name}", headers={"X-Request-Id": "from-the-caller-1"}
    )
    assert named.headers["x-client-request-id"] == "from-the-caller-1"
    assert named.headers["x-request-id"] != "from-the-caller-1"
    request_ids = {
        (await shared.api.get(f"/v1/{resource.name}/{NOBODY}")).headers["x-request-id"]
        for _ in range(3)
    }
    assert len(request_ids) == 3


# --- Conditional requests


@EVERY_RESOURCE
async def test_a_get_answers_with_a_tag_that_changes_with_the_row(
    resource: Resource, shared: Place
) -> None:
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    first = await shared.api.get(path)
    assert first.headers["etag"] == (await shared.api.get(path)).headers["etag"]
    if Verb.UPDATE in resource.verbs:
        changed = await shared.api.put(path, json=another(resource, row))
        assert changed.headers["etag"] != first.headers["etag"]
        assert (await shared.api.get(path)).headers["etag"] == changed.headers["etag"]


@offering(Verb.UPDATE)
async def test_an_update_holds_only_for_the_row_that_was_read(
    resource: Resource, shared: Place
) -> None:
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    read = (await shared.api.get(path)).headers["etag"]
    changed = row | another(resource, row)
    only_row(await shared.api.put(path, json=changed, headers={"If-Match": read}))
    after = await shared.api.get(path)
    beyond = '"0001-01-01T00:00:00+14:00"'  # a moment before the first that a calendar can say
    for tag in (read, '"nonsense"', '"2018-09-12T01:27:32.031245+00:00"', "nonsense", '""', beyond):
        for body in (row, {f.name: row[f.name] for f in resource.fields if f.update_required}):
            answer = await shared.api.put(path, json=body, headers={"If-Match": tag})
            assert errors(answer, 412) == [("precondition_failed", None)]
            # What is no tag of ours says so, and not that somebody has changed the row.
            is_none = answer.json()["errors"][0]["detail"].startswith("If-Match holds no ETag")
            assert is_none == ("0" not in tag), tag
    assert only_row(await shared.api.get(path)) == only_row(after)
    only_row(await shared.api.put(path, json=row, headers={"If-Match": "*"}))


@offering(Verb.UPDATE)
async def test_one_tag_of_several_is_enough(resource: Resource, shared: Place) -> None:
    """RFC 9110, section 13.1.1: If-Match is a list of tags."""
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    tag = (await shared.api.get(path)).headers["etag"]
    only_row(await shared.api.put(path, json=row, headers={"If-Match": f'"x", {tag}'}))


@offering(Verb.UPDATE)
async def test_a_tag_that_a_proxy_weakened_still_names_the_row(
    resource: Resource, shared: Place
) -> None:
    """Compressing proxies mark tags as weak, or add the coding; the row that they name is the
    same.
    """
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    tag = (await shared.api.get(path)).headers["etag"]
    for weakened in ("W/{}", '"x", W/{} ', 'W/"x",{}', "{}-gzip", "W/{};br"):
        before, _, coding = weakened.partition("{}")
        changed = f'{before}{tag[:-1]}{coding.strip()}"'
        row |= another(resource, row)
        answer = await shared.api.put(path, json=row, headers={"If-Match": changed})
        assert answer.status_code == 200, changed
        assert errors(await shared.api.put(path, json=row, headers={"If-Match": changed}), 412) == [
            ("precondition_failed", None)
        ]
        tag = answer.headers["etag"]


async def test_a_tag_of_signs_alone_keeps_nobody_waiting(shared: Place) -> None:
    """It is looked through once; a second look at each of its signs would take minutes."""
    row = await shared.make("patients")
    path = f"/v1/patients/{row['id']}"
    signs = '"' + "-" * 60_000
    assert (await shared.api.get(path, headers={"If-None-Match": signs})).status_code == 200
    assert (
        await shared.api.put(path, json=row, headers={"If-Match": f'{signs}"'})
    ).status_code == 412


@offering(Verb.GET)
async def test_a_get_of_what_is_known_is_304(resource: Resource, shared: Place) -> None:
    """RFC 9110, section 13.1.2: If-None-Match compares weakly; it is a list, or a star for whatever
    there is.
    """
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    tag = (await shared.api.get(path)).headers["etag"]
    wrong = []
    for if_none_match, status in (
        *(
            (known, 304)
            for known in (
                tag,
                f"W/{tag}",
                f'"x", {tag}',
                f'W/"x",W/{tag},"y"',
                "*",
                f'{tag[:-1]}-gzip"',
            )
        ),
        *((other, 200) for other in ('"x"', 'W/"x"', '""', tag.strip('"'), f'"x{tag[1:]}', "")),
    ):
        answer = await shared.api.get(path, headers={"If-None-Match": if_none_match})
        if answer.status_code != status or (
            status == 304 and (answer.content or answer.headers["etag"] != tag)
        ):
            wrong.append((if_none_match, answer.status_code))
    assert not wrong


@offering(Verb.DELETE)
async def test_a_delete_holds_only_for_the_row_that_was_read(
    resource: Resource, shared: Place
) -> None:
    row = await shared.make(resource.name)
    path = f"/v1/{resource.name}/{row['id']}"
    read = (await shared.api.get(path)).headers["etag"]
    for tag in ('"nonsense"', '"2018-09-12T01:27:32.031245+00:00"'):
        assert errors(await shared.api.delete(path, headers={"If-Match": tag}), 412) == [
            ("precondition_failed", None)
        ]
    assert only_row(await shared.api.delete(path, headers={"If-Match": read})) == row
    assert errors(await shared.api.delete(path), 404) == [("not_found", None)]


# --- Filters: each finds exactly its rows among others, alone and two at a time.

OTHER_VALUES: Row = {
    "type_name": {"type_name": "insurance", "body": {"payer": "Acme", "member_id": "1"}},
    "namespace": {"namespace": "another"},
    "external_id": {"external_id": "A-100"},
    "ref_ids": {"ref_ids": ["abc", "abc1234"]},
    "job_id": {"job_id": "8bf1e295"},
    "task_name": {"task_name": "kiwihealth_pull.process_items"},
    "email": {"email": "somebody.else@example.org"},
    "phone_number": {"phone_number": "415-555-2671"},
    "phase": {"phase": "onboarding"},
}


async def noise(resource: Resource, place: Place) -> list[Row]:
    """Rows that differ from the first in one filtered field each, and one that differs in all of
    them.
    """
    base = await place.make(resource.name)
    set_by_create = (
        {f.name for f in resource.fields if f.create}
        if Verb.CREATE in resource.verbs
        else set(base)
    )
    own = ("id", "updated_at", "created_at", "is_all_day")
    set_once = {
        key: value for key, value in base.items() if key in set_by_create and key not in own
    }
    rows = [base]
    for field in filters(resource):
        change = dict(OTHER_VALUES.get(field.name, {}))
        if isinstance(field.kind, Ref) or field.name in ("resource", "welkin_id"):
            # Made anew, with whatever else hangs on it: another patient's conversation is another
            # conversation.
            bound = {f.name for f, ref in resource.references if ref.within == field.name} | {
                field.name
            }
            if field.name == resource.patient:
                bound |= {
                    f.name for f, ref in resource.references if is_of_same_patient(resource, ref)
                }
            bound |= {"resource", "welkin_id"} if field.name == "resource" else set()
            change = (
                {"resource": "workers", "welkin_id": (await place.make("workers"))["id"]}
                if field.name == "resource"
                else {}
            )
            same = {k: v for k, v in set_once.items() if k not in bound} | change
        else:
            same = set_once | change
        if resource.name == "external_ids" and field.name != "external_id":
            same["external_id"] = f"{base['external_id']}-{field.name}"
        if resource.name == "external_ids" and field.name == "external_id":
            same.pop("welkin_id")
        if resource.name == "workers" and field.name != "email":
            same.pop("email")
        rows.append(await place.make(resource.name, **same))
    return [*rows, await place.make(resource.name)]


def matches(row: Row, field: Field, value: Any) -> bool:
    stored = row[field.name]
    return value in stored if type(stored) is list else bool(stored == value)


@EVERY_RESOURCE
async def test_every_filter_finds_exactly_its_rows_and_several_are_joined_by_and(
    resource: Resource, here: Place
) -> None:
    noise_rows = await noise(resource, here)
    everything = await here.find(resource.name, **{"page[size]": 1000})
    assert all(row in everything for row in noise_rows)
    singles = [(f,) for f in filters(resource)]
    narrowed = 0
    for fields in [*singles, *itertools.combinations(filters(resource), 2)]:
        for picked in itertools.product(noise_rows[:4], repeat=len(fields)):
            values = [
                row[f.name][0] if type(row[f.name]) is list else row[f.name]
                for f, row in zip(fields, picked, strict=True)
            ]
            conditions = list(zip(fields, values, strict=True))
            # Of a worker's e-mail address and number, one is enough.
            holds = any if all(f.filter_either for f in fields) else all
            expected = [
                row
                for row in everything
                if holds(matches(row, f, value) for f, value in conditions)
            ]
            asked = {f.filter_names[-1]: value for f, value in conditions}
            assert await here.find(resource.name, **asked) == expected
            narrowed += len(expected) < len(everything)
    assert narrowed


async def test_a_workers_calendar_is_found_under_both_names_and_by_address(here: Place) -> None:
    worker = await here.make("workers")
    mine = await here.make("calendars", worker_id=worker["id"])
    await here.make("calendars")
    assert await here.find("calendars", worker=mine["worker_id"]) == [mine]
    assert await here.find("calendars", worker_id=mine["worker_id"]) == [mine]
    assert await here.find("calendars", email=worker["email"]) == [mine]
    assert await here.find("calendars", email=f"x{worker['email']}") == []
    twice = await here.api.get(
        "/v1/calendars", params={"worker": mine["worker_id"], "worker_id": mine["worker_id"]}
    )
    assert errors(twice, 400)


async def test_one_of_several_reference_ids_is_found_and_no_part_of_one(here: Place) -> None:
    task = await here.make("integration_tasks", ref_ids=["abc123", "cdf 456", "é%&"])
    await here.make("integration_tasks", ref_ids=["abc", "abc1234"])
    await here.make("integration_tasks", ref_ids=[])
    for ref_id in task["ref_ids"]:
        assert await here.find("integration_tasks", ref_id=ref_id) == [task]
    assert await here.find("integration_tasks", ref_id="bc12") == []
    assert BY_NAME["integration_tasks"].field("ref_ids").filter_names == ("ref_id",)
