"""Checks of Create and Update: bodies, null, what is refused."""

from __future__ import annotations

import json
from uuid import uuid4

from almoner_client.conform.checks import check
from almoner_client.conform.finding import some_patients
from almoner_client.conform.server import Server, holds


@check("clarification 3")
def success_is_200(server: Server) -> None:
    """Create and Update succeed with 200, and answer with the row as Get gives it."""
    answer = server.call("POST", "/v1/patients", server.sample())
    holds(answer.status_code == 200, f"Create answered {answer.status_code}")
    row = server.row(answer)
    again = server.row(server.call("GET", f"/v1/patients/{row['id']}"))
    holds(again == row, "Get gives another row than Create")


@check("clarification 9")
def update_changes_what_it_names(server: Server) -> None:
    """An Update changes the fields that it names and no other, and updated_at grows."""
    row = server.patient(city="Arlington")
    changed = server.row(server.call("PUT", f"/v1/patients/{row['id']}", {"county": "Arlington"}))
    holds(changed["county"] == "Arlington", "the field was not changed")
    others = {k: v for k, v in row.items() if k not in ("county", "updated_at")}
    lost = [name for name, value in others.items() if changed.get(name) != value]
    holds(not lost, f"{', '.join(lost)} changed too")
    holds(changed["updated_at"] > row["updated_at"], "updated_at did not grow")


@check("clarification 9")
def null_clears(server: Server) -> None:
    """An explicit null clears a field that may be empty, and is refused for one that may not."""
    row = server.patient(city="Arlington")
    cleared = server.row(server.call("PUT", f"/v1/patients/{row['id']}", {"city": None}))
    holds(cleared["city"] is None, "null did not clear the field")
    answer = server.call("PUT", f"/v1/patients/{row['id']}", {"last_name": None})
    holds(answer.status_code == 400, f"null for a required field answered {answer.status_code}")


@check("clarification 9")
def unknown_fields(server: Server) -> None:
    """A field that the model does not know is refused by name: a typo must never be lost."""
    answer = server.call("POST", "/v1/patients", server.sample() | {"fist_name": "Grace"})
    problems = server.problems(answer, 400, "parse_exception")
    holds("fist_name" in json.dumps(problems), "the refusal does not name the field")


@check("clarification 9")
def whole_objects_are_sent_back(server: Server) -> None:
    """What a program got it may send back: fields that are only read are passed over."""
    row = server.patient()
    answer = server.call("PUT", f"/v1/patients/{row['id']}", row)
    holds(answer.status_code == 200, f"it answered {answer.status_code}: {answer.text[:200]}")
    created = server.call("POST", "/v1/patients", server.sample() | {"id": None})
    holds(created.status_code == 200, f'"id": null on Create answered {created.status_code}')


@check("clarification 8")
def bodies_of_curl(server: Server) -> None:
    """A body is JSON whatever its Content-Type says, as curl -d sends it."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    raw = json.dumps(server.sample()).encode()
    server.row(server.call("POST", "/v1/patients", raw=raw, headers=headers))


@check("clarification 8")
def bodies_that_are_none(server: Server) -> None:
    """A body that is empty, cut short or no object is refused with 400."""
    for raw in (b"", b'{"first_name": "Gr', b"[]", b"7", b'{"first_name": "\xff"}'):
        answer = server.call("POST", "/v1/patients", raw=raw)
        holds(answer.status_code == 400, f"{raw!r} answered {answer.status_code}")


@check("clarification 6")
def all_problems_at_once(server: Server) -> None:
    """Every problem of a body is reported at once, each with its path."""
    body = server.sample() | {"timezone": "Mars/Olympus", "birthday": "soon", "state": "ZZ"}
    answer = server.call("POST", "/v1/patients", body)
    paths = server.paths(server.problems(answer, 400, "parse_exception"))
    missing = {".timezone", ".birthday", ".state"} - paths
    holds(not missing, f"nothing is said of {', '.join(sorted(missing))}")


@check("clarification 6 and 15")
def required_fields(server: Server) -> None:
    """What Create needs is named where it is missing."""
    answer = server.call("POST", "/v1/patients", {})
    paths = server.paths(server.problems(answer, 400, "parse_exception"))
    missing = {".first_name", ".last_name", ".timezone"} - paths
    holds(not missing, f"nothing is said of {', '.join(sorted(missing))}")


@check("clarification 14")
def references_to_nobody(server: Server) -> None:
    """A reference to a row that there is not is a resource_not_found, with its path."""
    body = {"email": "conform@example.org", "user_id": str(uuid4())}
    answer = server.call("POST", "/v1/email_addresses", body)
    paths = server.paths(server.problems(answer, 404, "resource_not_found"))
    holds(".user_id" in paths, f"the path is {paths or 'not told'}")


@check("clarification 15")
def contact_is_created_along(server: Server) -> None:
    """Create of a patient makes the e-mail address, number and external ids that come along."""
    mapping = {"namespace": f"conform-{uuid4().hex[:8]}", "external_id": "MRN-1"}
    along = {"email": "grace@example.org", "phone": "555-555-1234", "external_ids": [mapping]}
    row = server.patient(**along)
    for name, by in (("email_addresses", "user_id"), ("phone_numbers", "user_id")):
        holds(server.rows(f"/v1/{name}", {by: row["id"]}), f"there is none in {name}")
    mapped = server.rows("/v1/external_ids", mapping)
    holds([m["welkin_id"] for m in mapped] == [row["id"]], "the external id is not mapped")


@check("Patients; clarification 13")
def a_find_sees_what_was_answered(server: Server) -> None:
    """A row that was answered is found by its time at once."""
    row = some_patients(server)[-1]
    changed = server.row(server.call("PUT", f"/v1/patients/{row['id']}", {"county": "Yolo"}))
    server.noted.pop("patients")
    since = server.rows("/v1/patients", {"page[from]": changed["updated_at"]})
    holds(row["id"] in {r["id"] for r in since}, "it is not found")


CHECKS = (
    success_is_200,
    update_changes_what_it_names,
    null_clears,
    unknown_fields,
    whole_objects_are_sent_back,
    bodies_of_curl,
    bodies_that_are_none,
    all_problems_at_once,
    required_fields,
    references_to_nobody,
    contact_is_created_along,
    a_find_sees_what_was_answered,
)
