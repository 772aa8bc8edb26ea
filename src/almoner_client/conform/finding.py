"""Checks of Find: pages, spans of time, filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from almoner_client.conform.checks import check
from almoner_client.conform.server import JSON, Server, holds

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_DOCUMENTED: Final = [
    *("id", "phase", "coach_id", "timezone", "first_name", "last_name", "birthday"),
    *("updated_at", "created_at", "street", "street_line_two", "city", "county"),
    *("zip_code", "state", "country"),
]


def some_patients(server: Server) -> list[JSON]:
    """Five new patients, made once, in the order of their last change."""
    if "patients" not in server.noted:
        server.noted["patients"] = [server.patient() for _ in range(5)]
    patients: list[JSON] = server.noted["patients"]
    return patients


def span(rows: list[JSON]) -> dict[str, str]:
    """The span of time that has exactly these rows, where nobody else writes."""
    return {"page[from]": rows[0]["updated_at"], "page[to]": rows[-1]["updated_at"]}


@check("clarification 4 and 5")
def shape_of_a_page(server: Server) -> None:
    """A page has its data first, and says which span and size were used."""
    answer = server.call("GET", "/v1/patients", params={"page[size]": 3})
    page = server.page(answer)
    holds(next(iter(page)) == "data", f"the first key is {next(iter(page))!r}")
    missing = {"page[from]", "page[to]", "page[size]"} - set(server.current(page))
    holds(not missing, f"meta.current lacks {', '.join(sorted(missing))}")


@check("Patients; clarification 4")
def keys_in_the_order_of_the_document(server: Server) -> None:
    """A patient has the keys of the document's example, in its order."""
    row = server.row(server.call("GET", f"/v1/patients/{some_patients(server)[0]['id']}"))
    keys = [key for key in row if key in _DOCUMENTED]
    holds(keys == _DOCUMENTED, f"the keys are {', '.join(row)}")


@check("clarification 5")
def second_names(server: Server) -> None:
    """In the enveloped shape, patient_id and primary_worker_id are returned beside user_id and
    coach_id; in the documented shape they are not.
    """
    row = some_patients(server)[0]
    holds(("primary_worker_id" in row) == server.enveloped, f"a patient has {', '.join(row)}")


@check("clarification 12")
def pages_leave_out_nobody(server: Server) -> None:
    """Following next from page to page gives every row of a span once, in the order of its last
    change, and ends without a next.
    """
    rows = some_patients(server)
    walked = server.rows("/v1/patients", {**span(rows), "page[size]": "2"})
    ids = [row["id"] for row in walked]
    ours = {row["id"] for row in rows}
    holds(len(set(ids)) == len(ids), "a row stands on two pages")
    holds(ours <= set(ids), f"{len(ours - set(ids))} of 5 rows stand on no page")
    times = [row["updated_at"] for row in walked]
    holds(times == sorted(times), "the rows are not in the order of their last change")


@check("clarification 12")
def spans_are_inclusive(server: Server) -> None:
    """page[from] and page[to] bound updated_at, and both belong to the span."""
    row = some_patients(server)[0]
    moment = row["updated_at"]
    here = server.rows("/v1/patients", {"page[from]": moment, "page[to]": moment})
    holds(row["id"] in {r["id"] for r in here}, "a row at the bounds of a span is not in it")
    later = datetime.fromisoformat(moment) + timedelta(microseconds=1)
    behind = server.rows("/v1/patients", {"page[from]": later.isoformat(), "page[size]": "1000"})
    holds(row["id"] not in {r["id"] for r in behind}, "a row before page[from] is found")


@check("clarification 11")
def times_as_they_are_answered(server: Server) -> None:
    """Times have six digits of a second and the offset +00:00."""
    row = some_patients(server)[0]
    for name in ("updated_at", "created_at"):
        holds(_TIME.fullmatch(str(row[name])), f"{name} is {row[name]!r}")


@check("clarification 11")
def times_as_programs_send_them(server: Server) -> None:
    """ISO 8601 is taken with any number of digits, with Z, an offset or none, in the basic format,
    and as a bare date.
    """
    for text in (
        "2018-09-12T01:27:32.0312450+00:00",
        "2018-09-12T01:27:32Z",
        "2018-09-12T01:27:32.5",
        "2018-09-12T01:27:32.031245 00:00",
        "20180912T012732Z",
        "2018-09-12",
    ):
        answer = server.call("GET", "/v1/patients", params={"page[from]": text, "page[size]": "1"})
        holds(answer.status_code == 200, f"{text} was refused: {answer.text[:200]}")
    answer = server.call("GET", "/v1/patients", params={"page[from]": "yesterday"})
    server.problems(answer, 400, "parse_exception")


@check("clarification 12")
def sizes_of_pages(server: Server) -> None:
    """A page has 50 rows unless it is told otherwise; above 1000 it is 1000, and below 1 is
    refused.
    """
    for asked, used in ((None, 50), ("7", 7), ("5000", 1000)):
        params = {"page[from]": datetime.now(UTC).isoformat()} | (
            {"page[size]": asked} if asked else {}
        )
        size = server.current(server.page(server.call("GET", "/v1/patients", params=params)))
        holds(int(size["page[size]"]) == used, f"{asked or 'the default'} is {size['page[size]']}")
    answer = server.call("GET", "/v1/patients", params={"page[size]": "0"})
    server.problems(answer, 400, "parse_exception")


@check("clarification 10")
def unknown_parameters(server: Server) -> None:
    """A parameter that is not known is refused: a misspelt filter must not return everybody."""
    answer = server.call("GET", "/v1/patients", params={"last_nmae": "Hopper"})
    server.problems(answer, 400, "parse_exception")


@check("clarification 10")
def filters_by_references(server: Server) -> None:
    """user_id and ids narrow a Find."""
    first, second = some_patients(server)[:2]
    for row in (first, second):
        body = {"email": "conform@example.org", "user_id": row["id"]}
        server.row(server.call("POST", "/v1/email_addresses", body))
    mails = server.rows("/v1/email_addresses", {"user_id": first["id"]})
    holds(mails and {m["user_id"] for m in mails} == {first["id"]}, "user_id does not narrow")
    ids = f"{first['id']},{second['id']}"
    patients = server.rows("/v1/patients", {"ids": ids})
    holds({p["id"] for p in patients} == {first["id"], second["id"]}, "ids does not narrow")


CHECKS = (
    shape_of_a_page,
    keys_in_the_order_of_the_document,
    second_names,
    pages_leave_out_nobody,
    spans_are_inclusive,
    times_as_they_are_answered,
    times_as_programs_send_them,
    sizes_of_pages,
    unknown_parameters,
    filters_by_references,
)
