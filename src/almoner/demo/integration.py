"""What the clinic's custom integration did about a patient: jobs of ``kiwihealth_pull``, their
tasks and their failures.

A job is one top-level task that tells how the whole went, and its steps in order; where a step
fails, the ones behind it are not attempted, and the error stays with the step (contract:
Integration Tasks)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from almoner.data_api.declare import Row
from almoner.demo.chart import PatientRows, guid

_JOB: Final = "kiwihealth_pull"
_STEPS: Final = ("validate_user", "fetch_results", "process_response")
_ERRORS: Final = {
    "validate_user": (
        ("user_not_found", "No patient here has this record number."),
        (
            "customer_disabled",
            "The clinic has switched this integration off for the patient's site.",
        ),
        ("consent_missing", "The patient has not agreed to the exchange of results."),
    ),
    "fetch_results": (
        ("timeout", "The clinic's server did not answer within 30 seconds."),
        ("rate_limited", "The clinic's server asks for fewer requests."),
        ("bad_credentials", "The clinic's server refused the key of this integration."),
    ),
    "process_response": (
        ("malformed_response", "The answer ended in the middle of a segment."),
        ("unknown_encoding", "The answer holds bytes that are not UTF-8."),
    ),
    "process_item": (
        ("unknown_code", "There is no lab result for this code."),
        ("value_out_of_range", "The value is not one that a person can have."),
        ("duplicate_item", "This item was taken in with an earlier job."),
    ),
}


@dataclass(frozen=True, slots=True)
class _Job:
    """``user_id`` is null where the integration could not tell whom it was about."""

    id: str
    user_id: str | None
    begun: datetime


def add_jobs(chart: PatientRows) -> None:
    """None, one or two jobs; about one in four fails somewhere, and the newest may still be
    running.
    """
    rng = chart.rng
    for begun in chart.times(rng.choice((0, 0, 1, 1, 1, 2))):
        failing = rng.choices((None, *_STEPS, "process_item"), (76, 6, 7, 4, 7))[0]
        running = failing is None and rng.random() < 0.04
        unknown = failing == "validate_user" and rng.random() < 0.5
        job = _Job(guid(rng), None if unknown else chart.client.id, begun)
        _add_job(chart, job, failing, running)


def _add_job(chart: PatientRows, job: _Job, failing: str | None, running: bool) -> None:
    rng, record = chart.rng, chart.client.record_number
    items = rng.randint(1, 4)
    bad_item = rng.randrange(items)
    overall = "failed" if failing else "running" if running else "succeeded"
    _add_task(chart, job, number=0, name=f"run_{_JOB}", status=overall, ref_ids=[record], errors=[])
    steps = [(name, [record]) for name in _STEPS]
    steps += [("process_item", [record, f"OBX-{rng.randrange(10**6):06d}"]) for _ in range(items)]
    stopped = False
    for number, (name, ref_ids) in enumerate(steps, 1):
        status, errors = "succeeded", []
        if stopped:
            status = "unattempted"
        elif name == failing and (name != "process_item" or number == len(_STEPS) + 1 + bad_item):
            status, errors = "failed", [_error(chart, name)]
            # One item that does not fit keeps no other from being taken in.
            stopped = name != "process_item"
        elif running and number == len(steps):
            status = "running"
        _add_task(
            chart, job, number=number, name=name, status=status, ref_ids=ref_ids, errors=errors
        )


def _error(chart: PatientRows, step: str) -> Row:
    rng = chart.rng
    code, message = rng.choice(_ERRORS[step])
    extra = rng.choice(
        (
            {"record_number": chart.client.record_number, "attempt_number": rng.randint(1, 7)},
            {
                "status": rng.choice((429, 500, 503)),
                "retry_after_seconds": rng.choice((5, 30, 600)),
            },
            None,
        )
    )
    error: Row = {"code": code, "message": message}
    return error if extra is None else error | {"extra": extra}


def _add_task(
    chart: PatientRows,
    job: _Job,
    number: int,
    name: str,
    status: str,
    ref_ids: list[str],
    errors: list[Row],
) -> None:
    chart.add(
        "integration_tasks",
        job.begun + timedelta(seconds=2 * number),
        status=status,
        ref_ids=ref_ids,
        job_id=job.id,
        task_name=f"{_JOB}.{name}",
        errors=errors,
    )
    chart.rows["integration_tasks"][-1]["user_id"] = job.user_id
