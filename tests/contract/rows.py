"""Rows of every collection, made from the declarations alone, so that one suite runs over all of
them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from almoner.data_api.declare import Resource, Verb
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from almoner.vocabulary.contact_kinds import Name
from almoner.vocabulary.fields import Field, Shape
from almoner.vocabulary.kinds import Ref, Text
from tests.conftest import Api

CONTRACT: dict[str, Any] = json.loads(
    (Path(__file__).parent / "contract.json").read_text(encoding="utf-8")
)
# What is offered beside the contract: of a collection the names of fields, or "*" where all of it
# is a site's own.
ADDITIONS: dict[str, list[str] | str] = json.loads(
    (Path(__file__).parent / "additions.json").read_text(encoding="utf-8")
)
# Clarification 7: marked as to be removed, and not returned.
REMOVED = {"provider_id", "args", "result"}
MISPRINTS = {"opted_on_to_phone": "opted_in_to_phone"}
NOBODY = "00000000-0000-4000-8000-000000000000"
SOMEBODY = {
    "first_name": "Grace",
    "last_name": "Hopper",
    "phase": "intake",
    "timezone": "US/Pacific",
}
Row = dict[str, Any]
_count = itertools.count(1)


def documented_keys(name: str) -> list[str]:
    """The keys of a row in the documented shape, in the order of the contract's example."""
    return [MISPRINTS.get(key, key) for key in CONTRACT[name]["example"] if key not in REMOVED]


def added_keys(resource: Resource) -> list[str]:
    """The keys that a row has beside those."""
    known = documented_keys(resource.name) if resource.name in CONTRACT else []
    return [key for key, _ in resource.spelled[Shape.DOCUMENTED].answered if key not in known]


def of_contract(name: str, row: Iterable[str]) -> list[str]:
    """Those keys of a row that the contract speaks of, in their order."""
    return [key for key in row if key not in added_keys(BY_NAME[name])]


def settable(resource: Resource) -> list[Field]:
    """The fields that a Create names; where the API has no Create, those that a writer inside the
    house names.
    """
    by_api = Verb.CREATE in resource.verbs
    own = ("id", "updated_at", "created_at")
    if by_api:
        return [f for f in resource.spelled[Shape.DOCUMENTED].fields if f.create]
    return [f for f in resource.fields if f.stored and f.generated is None and f.name not in own]


@dataclass
class Place:
    """One environment with the demo's program: a caller who may do everything in it, and a writer
    inside the house.
    """

    api: Api
    inside: Actor
    store: Store

    async def body(self, resource: Resource, /, **values: Any) -> Row:
        """A body that Create accepts, every parameter named; what it refers to is made, what must
        be unique is new.
        """
        body: Row = {}
        for field in settable(resource):
            if field.name in values:
                body[field.name] = values[field.name]
            elif not isinstance(field.kind, Ref):
                body[field.name] = field.example()
        body |= fresh(resource, values)
        if resource.patient == "patient_id" and "patient_id" not in body:
            body["patient_id"] = (await self.make("patients"))["id"]
        for field, ref in resource.references:
            if field.name not in body and not field.only_enveloped:
                # What must belong to the same row of a third collection is made for that row.
                shared = {ref.within: body[ref.within]} if ref.within else {}
                if is_of_same_patient(resource, ref):
                    shared = {"user_id": body["patient_id"]}
                body[field.name] = (await self.make(ref.to, **shared))["id"]
        if resource.any_reference is not None and "welkin_id" not in values:
            body["welkin_id"] = (await self.make(body["resource"]))["id"]
        return body

    async def make(self, name: str, /, **values: Any) -> Row:
        """A new row, as Get returns it."""
        resource = BY_NAME[name]
        if name == "calendars":
            worker = values.get("worker_id") or (await self.make("workers"))["id"]
            return (await self.find("calendars", worker_id=worker))[0]
        body = await self.body(resource, **values)
        if resource.on_create is not None:
            # Rows that would come with it are left out: a test that wants them names them.
            body = {
                key: value
                for key, value in body.items()
                if key in values or resource.field(key).stored
            }
        if Verb.CREATE in resource.verbs:
            return only_row(await self.api.post(f"/v1/{name}", json=body))
        written = await self.store.create(self.inside, resource, body)
        return only_row(await self.api.get(f"/v1/{name}/{written.id}"))

    async def find(self, name: str, /, **parameters: Any) -> list[Row]:
        """The rows of the first page that these parameters find."""
        return rows(await self.api.get(f"/v1/{name}", params=parameters))


def is_of_same_patient(resource: Resource, ref: Ref) -> bool:
    """Whether a row refers to what must be about its own patient, as a visit to its appointment."""
    return resource.patient == "patient_id" and BY_NAME[ref.to].patient == "user_id"


def fresh(resource: Resource, fields: Row) -> Row:
    """New values for what occurs once in an environment."""
    number = next(_count)
    values: Row = {}
    if resource.name == "external_ids":
        values = {"namespace": "kiwihealth", "external_id": f"MRN-{number}"}
    elif resource.name == "workers":
        values = {"email": f"worker.{number}@example.org"}
    elif resource.name == "patients":
        values = {"external_ids": [{"namespace": "clinic", "external_id": f"MRN-{number}"}]}
    return {name: value for name, value in values.items() if name not in fields}


def another(resource: Resource, row: Row) -> Row:
    """What an Update of the row changes in it."""
    if resource.name == "calendar_events":
        return {"outcome": "cancelled" if row["outcome"] != "cancelled" else "completed"}
    if resource.name == "custom_data_type_records":
        name, value = next(pair for pair in row["body"].items() if type(pair[1]) is str)
        return {"body": row["body"] | {name: f"{value} again"}}
    for field in resource.spelled[Shape.DOCUMENTED].fields:
        value = row.get(field.name) if field.update and field.stored else None
        if type(value) is bool:
            return {field.name: not value}
        if type(value) is str and type(field.kind) in (Text, Name):
            return {field.name: f"{value} again"}
    raise AssertionError(f"nothing of {resource.name} is changed by an Update")


def only_row(answer: httpx.Response) -> Row:
    """The object of a successful answer in the documented shape."""
    assert answer.status_code == 200, answer.text
    row: Row = answer.json()
    return row


def rows(answer: httpx.Response) -> list[Row]:
    """The rows of a page in the documented shape."""
    assert answer.status_code == 200, answer.text
    (page,) = answer.json()
    entries: list[Row] = page["data"]
    return entries


async def written_since(api: Api, after: str) -> tuple[list[Row], str]:
    """What the feed tells behind a cursor, with rows, up to now; and the cursor there.

    What is committed is settled once no older transaction of the whole PostgreSQL is open, which
    other tests may have: so a patient is written whose turn has to come, and is left out.
    """
    answer = await api.post("/v1/patients", json=SOMEBODY | {"birthday": "1906-12-09"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    marker = body.get("data", body)["id"]
    entries: list[Row] = []
    while not any(entry["id"] == marker for entry in entries):
        asked: Row = {"after": after, "include": "rows", "wait": 30}
        page = only_row(await api.get("/v1/changes", params=asked))
        entries += page["data"]
        after = page["meta"]["after"]
    return [entry for entry in entries if entry["id"] != marker], after


async def end_of_feed(api: Api) -> str:
    """The cursor behind all that was written before."""
    latest = only_row(await api.get("/v1/changes", params={"after": "latest"}))
    _, after = await written_since(api, latest["meta"]["after"])
    return after


def errors(answer: httpx.Response, status: int) -> list[tuple[str, str | None]]:
    """Code and path of every error of a refused request, in their order."""
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"]
    errors_ = answer.json()["errors"]
    for error in errors_:
        assert list(error) == ["status", "code", "title", "detail", "extra"]
        assert error["detail"]
    return [(error["code"], error["extra"].get("path")) for error in errors_]


def refused(
    answer: httpx.Response, *paths: str, code: str = "parse_exception", status: int = 400
) -> None:
    """Asserts that the request was refused at exactly these paths."""
    assert errors(answer, status) == [(code, path) for path in paths]


def values(*fields: Any) -> tuple[Any, ...]:
    """Values of every type, to be tried one after the other."""
    return fields
