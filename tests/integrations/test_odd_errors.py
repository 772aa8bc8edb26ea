"""What an author or a partner puts into an error, an id or a result is stored as far as it can be, and nothing is done again for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from almoner.integrations import Integration, IntegrationError, Task
from almoner.integrations.error_rows import LONGEST_TEXT, error_row
from tests.integrations.conftest import Place


async def test_an_error_that_no_row_can_hold_is_told_as_far_as_it_can_be_and_tried_once(
    place: Place,
) -> None:
    described, tries = Integration(name="odd", title="Odd"), []

    def about(task: Task, user_id: Any) -> None:
        task.about(user_id)

    ends: list[Callable[[Task], Any]] = [
        lambda task: IntegrationError("b\0d", "nul \0 here", user_id="a\0b"),
        lambda task: IntegrationError("bad", "half \ud800", **{"k\0": ["\udfff"]}),
        lambda task: about(task, "not-a-guid"),
        lambda task: about(task, 7),
    ]

    @described.task()
    async def run_odd(task: Task) -> None:
        await task.each(end, list(range(len(ends))))

    @described.task()
    async def end(task: Task, number: int) -> None:
        tries.append(number)
        raise ends[number](task)

    job = await place.run(described)
    assert sorted(tries) == [0, 1, 2, 3]
    rows = [task["errors"][0] for task in job["tasks"] if task["task_name"] == "odd.end"]
    by_message = {row["message"]: row for row in rows}
    assert by_message["nul \ufffd here"]["code"] == "b\ufffdd"
    assert by_message["nul \ufffd here"]["extra"]["user_id"] == "a\ufffdb"
    assert by_message["half \ufffd"]["extra"]["k\ufffd"] == ["\ufffd"]
    codes = sorted(row["code"] for row in rows)
    assert codes == ["bad", "b\ufffdd", "malformed_id", "malformed_id"]


async def test_a_result_that_no_row_can_hold_is_a_fault_of_its_task_alone(place: Place) -> None:
    described = Integration(name="result", title="Result")

    @described.task(attempts=1)
    async def run_result(task: Task) -> str:
        return "half \ud800"

    (task,) = (await place.run(described))["tasks"]
    assert [error["code"] for error in task["errors"]] == ["fault"]


async def test_an_id_over_there_may_be_a_number_or_none_and_keeps_no_item_from_being_done(
    place: Place,
) -> None:
    described, done = Integration(name="ids", title="Ids"), []

    @described.task()
    async def run_ids(task: Task) -> None:
        await task.each(item, [1, None, "c", "a\0", ""], lambda each: [each, "x"])

    @described.task()
    async def item(task: Task, value: Any) -> None:
        done.append(value)

    job = await place.run(described)
    assert (job["status"], len(done)) == ("succeeded", 5)
    ref_ids = [task["ref_ids"] for task in job["tasks"] if task["task_name"] == "ids.item"]
    assert sorted(ref_ids) == [["", "x"], ["1", "x"], ["c", "x"], ["x"], ["x"]]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (float("nan"), "nan"),
        (2**80, str(2**80)),
        (date(2026, 12, 1), "2026-12-01"),
        ((1, 2.5, True, None), [1, 2.5, True, None]),
    ],
)
def test_details_are_json_or_their_text(value: Any, stored: Any) -> None:
    extra = error_row(IntegrationError("c", "m", value=value), 2)["extra"]
    assert extra == {"value": stored, "attempt_number": 2}


def test_an_error_has_a_bound_and_a_text_and_is_cut_with_a_mark() -> None:
    row = error_row(IntegrationError("c" * 9_000, "m" * 3_000_000, detail=["d" * 900] * 900), 1)
    assert (len(row["message"]), row["message"][-1]) == (LONGEST_TEXT, "…")
    assert len(row["code"]) == 200
    assert len(row["extra"]["cut"]) == LONGEST_TEXT
    blank = error_row(IntegrationError("", ""), 1)
    assert blank["code"]
    assert blank["message"]
