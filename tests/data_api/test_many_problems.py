"""However much is wrong with a body: what is told of it is bounded, and so is the work."""

from __future__ import annotations

import difflib
import json
from typing import Any
from unittest.mock import Mock

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.errors import MOST_PROBLEMS, ApiError
from almoner.resources import BY_NAME
from almoner.vocabulary import fields
from almoner.vocabulary.kinds import Json, Text
from tests.conftest import Api

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
MANY = {f"k{n}": n for n in range(48_000)}
SECRET = {"client_id": "c", "client_secret": "0123456789012345678901234567890123456789"}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Counts the comparisons of an unknown name with the known ones, which are what takes time."""
    counting = Mock(wraps=difflib.get_close_matches)
    monkeypatch.setattr(fields, "get_close_matches", counting)
    return counting


async def test_what_is_wrong_is_told_a_hundred_times_and_then_counted(
    api: Api, compared: Mock
) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    coded = {"spec_name": "Intake assessment", "user_id": row_id}
    requests: dict[str, tuple[str, str, dict[str, Any]]] = {
        "create": ("POST", "/v1/patients", {"json": {**PATIENT, **MANY}}),
        "update": ("PUT", f"/v1/patients/{row_id}", {"json": MANY}),
        "find by POST": ("POST", "/v1/patients/find", {"json": MANY}),
        "find by GET": ("GET", "/v1/patients?" + "&".join(f"k{n}" for n in range(2000)), {}),
        "changes": ("GET", "/v1/changes?" + "&".join(f"k{n}" for n in range(2000)), {}),
        "program": ("GET", "/v1/program?" + "&".join(f"k{n}" for n in range(2000)), {}),
        "subscription": ("POST", "/v1/subscriptions", {"json": {**SECRET, **MANY}}),
        "model": ("POST", "/v1/assessment_responses", {"json": {**coded, "model": MANY}}),
        "filters": ("POST", "/v1/patients/find", {"json": {name: [] for name in MANY}}),
    }
    wrong = {}
    for name, (method, path, more) in requests.items():
        before = compared.call_count
        answer = await api.request(method, path, **more)
        errors = answer.json()["errors"]
        measures = (
            answer.status_code,
            len(errors) <= MOST_PROBLEMS + 1,
            compared.call_count - before <= MOST_PROBLEMS,
        )
        last = errors[-1]
        if (
            measures != (400, True, True)
            or "more problems" not in last["detail"]
            or last["extra"]["more"] < 1
        ):
            wrong[name] = (*measures, len(errors), last)
    assert wrong == {}


def test_a_list_of_what_does_not_fit_is_looked_at_until_enough_is_wrong() -> None:
    problems: list[Any] = []
    fields.ListOf(Text()).keep([1] * 40_000, ".notes", problems)
    assert len(problems) == MOST_PROBLEMS + 1


async def test_one_very_long_unknown_name_is_compared_by_its_beginning(
    api: Api, compared: Mock
) -> None:
    answer = await api.post("/v1/patients", json={**PATIENT, "first_nam" * 50_000: 1})
    assert answer.status_code == 400
    assert all(len(call.args[0]) < 100 for call in compared.call_args_list)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('"city": 1e400', [".city"]),
        ('"city": [1, {"a": -1e999}], "state": 1E309', [".city[1].a", ".state"]),
    ],
)
async def test_a_number_beyond_all_numbers_is_told_by_its_path(
    api: Api, text: str, paths: list[str]
) -> None:
    answer = await api.post("/v1/patients", content=f"{json.dumps(PATIENT)[:-1]}, {text}}}")
    assert answer.status_code == 400
    assert [e["extra"]["path"] for e in answer.json()["errors"]] == paths
    assert all("1.8e308" in e["detail"] for e in answer.json()["errors"])


async def test_nul_inside_of_a_model_is_told_by_its_path_and_once(api: Api) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    model = {"insurance_provider": "Acme\x00", "no_such\x00": 1}
    answer = await api.post(
        "/v1/assessment_responses",
        json={"spec_id": "intake_assessment", "user_id": row_id, "model": model},
    )
    paths = [e["extra"]["path"] for e in answer.json()["errors"]]
    assert answer.status_code == 400
    assert paths.count(".model.insurance_provider") == 1
    assert ".model.no_such?" in paths
    assert ".model" not in paths


def test_nul_anywhere_in_free_json_is_told_by_its_path() -> None:
    problems: list[Any] = []
    Json().keep({"a": ["x", "\x00"], "b\x00": 1, "c": {"d": "\x00"}}, ".extra", problems)
    assert [p.extra["path"] for p in problems] == [".extra.a[1]", ".extra", ".extra.c.d"]


async def test_rows_that_are_loaded_are_refused_for_what_comes_with_them(
    store: Store, inside: Actor
) -> None:
    wrong = {
        **PATIENT,
        "email": "grace@example.org",
        "email_addresses": [{"friendly_name": "work"}],
    }
    with pytest.raises(ApiError) as refused:
        await store.load(inside, BY_NAME["patients"], [dict(PATIENT), wrong])
    assert [problem.extra["path"] for problem in refused.value.problems] == [
        "[1].email_addresses[0].email"
    ]
