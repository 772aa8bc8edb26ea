"""Checks of tokens, routes and refusals."""

from __future__ import annotations

from uuid import uuid4

from almoner_client.conform.checks import check
from almoner_client.conform.server import Server, holds

COLLECTIONS = (
    "assessment_responses",
    "calendar_events",
    "calendars",
    "care_flows",
    "conversations",
    "custom_data_type_records",
    "email_addresses",
    "external_ids",
    "integration_tasks",
    "messages",
    "patient_tasks",
    "patients",
    "phone_numbers",
    "workers",
)


@check("Authentication; clarification 22")
def token_by_form(server: Server) -> None:
    """An assertion sent as a form is exchanged for a bearer token."""
    answer = server.http.post(f"{server.url}/v1/token", data=server.grant())
    holds(answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}")
    values = answer.json()
    missing = {"access_token", "token_type", "expires_in", "scope"} - set(values)
    holds(not missing, f"the answer lacks {', '.join(sorted(missing))}")
    holds(values["token_type"].lower() == "bearer", f"token_type is {values['token_type']!r}")


@check("clarification 22")
def token_by_json(server: Server) -> None:
    """An assertion sent as JSON is exchanged as well."""
    answer = server.http.post(f"{server.url}/v1/token", json=server.grant())
    holds(answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}")


@check("clarification 22; RFC 6749, 5.2")
def token_with_another_secret(server: Server) -> None:
    """An assertion that another secret has signed is refused with 400 and an error of OAuth."""
    answer = server.http.post(f"{server.url}/v1/token", data=server.grant(f"no {uuid4()}"))
    holds(answer.status_code == 400, f"it answered {answer.status_code} where 400 is right")
    values = answer.json()
    holds("error" in values and "error_description" in values, "error and error_description lack")


@check("clarification 22")
def token_that_is_past(server: Server) -> None:
    """An assertion whose time is past is refused with 400."""
    answer = server.http.post(f"{server.url}/v1/token", data=server.grant(exp=1_500_000_000))
    holds(answer.status_code == 400, f"it answered {answer.status_code} where 400 is right")


@check("clarification 6; RFC 6750")
def without_a_token(server: Server) -> None:
    """Without a token the answer is 401, with WWW-Authenticate: Bearer."""
    answer = server.http.get(f"{server.url}/v1/patients")
    server.problems(answer, 401, "unauthorized")
    challenge = answer.headers.get("www-authenticate", "")
    holds(challenge.lower().startswith("bearer"), f"WWW-Authenticate is {challenge!r}")


@check("clarification 1")
def every_collection_answers(server: Server) -> None:
    """Each of the 14 collections answers Find with a page."""
    for name in COLLECTIONS:
        server.page(server.call("GET", f"/v1/{name}", params={"page[size]": 1}))


@check("clarification 1")
def verbs_that_are_not_offered(server: Server) -> None:
    """A verb that a collection does not document is answered with 405 and Allow."""
    for method, path in (
        ("DELETE", f"/v1/patients/{uuid4()}"),
        ("POST", "/v1/workers"),
        ("PUT", f"/v1/messages/{uuid4()}"),
    ):
        answer = server.call(method, path, {} if method != "DELETE" else None)
        server.problems(answer, 405, "method_not_allowed")
        holds(answer.headers.get("allow"), f"{method} {path} was refused without Allow")


@check("clarification 2")
def trailing_slash(server: Server) -> None:
    """A slash at the end of a path makes no difference."""
    server.page(server.call("GET", "/v1/patients/", params={"page[size]": 1}))


@check("clarification 6")
def unknown_route(server: Server) -> None:
    """A route that there is not is answered with 404 and a list of errors."""
    server.problems(server.call("GET", "/v1/no_such_collection"), 404, "not_found")


@check("clarification 6")
def request_ids(server: Server) -> None:
    """Every answer has X-Request-Id, refusals too."""
    for path in ("/v1/patients?page[size]=1", "/v1/no_such_collection", f"/v1/patients/{uuid4()}"):
        answer = server.call("GET", path)
        holds(answer.headers.get("x-request-id"), f"GET {path} was answered without it")


@check("clarification 14")
def ids_in_paths(server: Server) -> None:
    """A malformed id is a parse_exception, an unknown one is not_found; letters may be of any
    case.
    """
    server.problems(server.call("GET", "/v1/patients/none"), 400, "parse_exception")
    server.problems(server.call("GET", f"/v1/patients/{uuid4()}"), 404, "not_found")
    row = server.patient()
    again = server.row(server.call("GET", f"/v1/patients/{row['id'].upper()}"))
    holds(again["id"] == row["id"], "an id in capital letters finds another row")


CHECKS = (
    token_by_form,
    token_by_json,
    token_with_another_secret,
    token_that_is_past,
    without_a_token,
    every_collection_answers,
    verbs_that_are_not_offered,
    trailing_slash,
    unknown_route,
    request_ids,
    ids_in_paths,
)
