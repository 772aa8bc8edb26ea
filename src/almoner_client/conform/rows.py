"""Checks of single collections."""

from __future__ import annotations

from uuid import uuid4

from almoner_client.conform.checks import check
from almoner_client.conform.server import JSON, Server, holds


@check("Phone Numbers; clarification 7 and 21")
def phone_numbers(server: Server) -> None:
    """Numbers are taken in common notations, answered in the shape's one, and refused where they
    are none of +1.
    """
    row = server.patient()
    spelled = "+15555551234" if server.enveloped else "555-555-1234"
    for text in ("555-555-1234", "(555) 555-1234", "+1 555 555 1234"):
        body = {"user_id": row["id"], "phone_number": text, "phone_number_type": "other"}
        number = server.row(server.call("POST", "/v1/phone_numbers", body))["phone_number"]
        holds(number == spelled, f"{text} is answered as {number!r}")
    body = {"user_id": row["id"], "phone_number": "+49 30 1234567", "phone_number_type": "other"}
    answer = server.call("POST", "/v1/phone_numbers", body)
    holds(answer.status_code == 400, f"a number of another country answered {answer.status_code}")


@check("External Ids; clarification 16")
def external_ids_are_unique(server: Server) -> None:
    """An external id stands once in its namespace."""
    row, other = server.patient(), server.patient()
    body = {
        "resource": "patients",
        "namespace": f"conform-{uuid4().hex[:8]}",
        "external_id": "MRN-1",
        "welkin_id": row["id"],
    }
    server.row(server.call("POST", "/v1/external_ids", body))
    answer = server.call("POST", "/v1/external_ids", body | {"welkin_id": other["id"]})
    server.problems(answer, 400, "uniqueness_exception")


@check("Patient Tasks")
def tasks_are_deleted(server: Server) -> None:
    """Delete answers with 200, and the task is gone."""
    row = server.patient()
    body = {"user_id": row["id"], "task_type": "conform"}
    task = server.row(server.call("POST", "/v1/patient_tasks", body))
    answer = server.call("DELETE", f"/v1/patient_tasks/{task['id']}")
    holds(answer.status_code == 200, f"Delete answered {answer.status_code}")
    server.problems(server.call("GET", f"/v1/patient_tasks/{task['id']}"), 404, "not_found")


@check("Calendar Events; clarification 18")
def calendar_events(server: Server) -> None:
    """An event is at a time or on a day; is_all_day follows, and the end is after the start."""
    calendar = server.some("calendars")
    row = server.patient()
    event = {
        "calendar_id": calendar["id"],
        "user_id": row["id"],
        "modality": "call",
        "appointment_type": server.some("calendar_events")["appointment_type"],
    }
    times = {"start_time": "2030-05-06T10:00:00Z", "end_time": "2030-05-06T10:30:00Z"}
    at_a_time = server.row(server.call("POST", "/v1/calendar_events", event | times))
    holds((at_a_time["is_all_day"], at_a_time["day"]) == (False, None), "it is not at a time")
    on_a_day = server.row(server.call("POST", "/v1/calendar_events", event | {"day": "2030-05-06"}))
    holds((on_a_day["is_all_day"], on_a_day["start_time"]) == (True, None), "it is not on a day")
    turned = {"start_time": times["end_time"], "end_time": times["start_time"]}
    answer = server.call("POST", "/v1/calendar_events", event | turned)
    holds(answer.status_code == 400, f"an end before its start answered {answer.status_code}")


@check("Messages; clarification 17")
def messages(server: Server) -> None:
    """A message inbound has no worker; one outbound needs one."""
    row = server.patient()
    conversation = server.row(server.call("POST", "/v1/conversations", {"user_id": row["id"]}))
    message: JSON = {
        "user_id": row["id"],
        "conversation_id": conversation["id"],
        "contents": "Hello",
        "automatically_sent": False,
    }
    inbound = server.row(server.call("POST", "/v1/messages", message | {"direction": "inbound"}))
    holds(inbound["worker_id"] is None, "an inbound message has a worker")
    answer = server.call("POST", "/v1/messages", message | {"direction": "outbound"})
    holds(answer.status_code == 400, f"outbound without a worker answered {answer.status_code}")


CHECKS = (phone_numbers, external_ids_are_unique, tasks_are_deleted, calendar_events, messages)
