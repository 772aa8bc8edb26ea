"""Files of other systems, with ids of their tables and times of their clocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.client.copies import command
from tests.conftest import Api

PEOPLE = (
    "id,first name,surname,DOB,time zone,phase",
    "1,Grace,Hopper,1906-12-09,US/Pacific,intake",
    "2,Ada,King,1815-12-10,US/Eastern,intake",
)
PHONES = ("id,patient,phone number,phone number type", "1,2,+14155550100,cell")


def written(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def text_of(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


async def imported(
    api: Api, file: Path, collection: str, *further: str, status: int = 0
) -> tuple[Any, str]:
    """The report of an import, and what it said beside it."""
    asked = ("import", str(file), "--collection", collection, "--json", *further)
    ended = await command(api, *asked, status=status)
    return ended.json if ended.out else None, ended.errors


async def rows(api: Api, collection: str) -> list[dict[str, Any]]:
    page = await api.get(f"/v1/{collection}", params={"page[size]": 1000})
    data: list[dict[str, Any]] = page.json()[0]["data"]
    return data


async def test_tables_may_have_the_same_ids_and_name_each_others_rows_by_them(
    api: Api, tmp_path: Path
) -> None:
    for name, namespace in (("a", ()), ("b", ("--namespace", "ehr_{collection}"))):
        people = written(tmp_path / name, "people.csv", *PEOPLE)
        phones = written(tmp_path / name, "phones.csv", *PHONES)
        report, notes = await imported(api, people, "patients", *namespace)
        assert report["outcomes"] == {"created": 2}
        system = "ehr" if namespace else "import"
        assert f"The rows' own ids are in the namespace {system}_patients." in notes
        report, notes = await imported(api, phones, "phone_numbers", *namespace)
        assert report["outcomes"] == {"created": 1}
        assert f"patient -> user_id, by its id in {system}_patients" in notes
        report, _ = await imported(api, phones, "phone_numbers", *namespace)
        assert report["outcomes"] == {"unchanged": 1}
    ids = {row["id"]: row["first_name"] for row in await rows(api, "patients")}
    assert [ids[row["user_id"]] for row in await rows(api, "phone_numbers")] == ["Ada", "Ada"]
    refused, notes = await imported(api, phones, "phone_numbers", "--namespace", "ehr", status=2)
    assert refused is None
    assert "has the namespace ehr_{collection}, and --namespace is ehr." in notes


async def test_a_mapping_from_before_is_used_as_it_is(api: Api, tmp_path: Path) -> None:
    people = written(tmp_path, "people.csv", *PEOPLE)
    await imported(api, people, "patients", "--namespace", "import")
    tasks = written(tmp_path, "tasks.csv", "who,title,due time", "2,Call,2026-12-03 09:00")
    written(
        tmp_path,
        "tasks.csv.mapping.yaml",
        "collection: worker_tasks",
        "namespace: import",
        "dates: '%Y-%m-%d'",
        "columns: {who: {field: patient_id, namespace: import}, title: title, due time: due_time}",
        "constants: {}",
    )
    report, notes = await imported(api, tasks, "worker_tasks")
    assert report["outcomes"] == {"created": 1}
    assert "Times without an offset are read as of UTC" in notes
    (task,) = await rows(api, "worker_tasks")
    assert task["due_time"] == "2026-12-03T09:00:00.000000+00:00"
    ids = {row["id"]: row["first_name"] for row in await rows(api, "patients")}
    assert ids[task["patient_id"]] == "Ada"


async def test_times_without_an_offset_are_of_the_zone_that_is_named(
    api: Api, tmp_path: Path
) -> None:
    header = "id,title,due time"
    lines = [
        "1,Call,12/03/2026 9:00 AM",
        "2,Write,2026-12-03T09:00:00Z",
        "3,Skipped,03/08/2026 2:30 AM",
        "4,Twice,11/01/2026 1:30 AM",
    ]
    tasks = written(tmp_path, "tasks.csv", header, *lines)
    where = ("--timezone", "US/Eastern")
    dry, notes = await imported(api, tasks, "worker_tasks", *where, "--dry-run", status=1)
    assert "Times without an offset are read as of US/Eastern" in notes
    assert "This is a guess: 12/03/2026 may be %d/%m/%Y as well." in notes
    assert [(e["line"], e["column"]) for e in dry["errors"]] == [(4, "due time"), (5, "due time")]
    assert "skip this time" in dry["errors"][0]["reason"]
    assert "2026-11-01T01:30:00-04:00" in dry["errors"][1]["reason"]
    report, _ = await imported(api, tasks, "worker_tasks", status=1)
    assert report["outcomes"] == {"created": 2, "refused": 2}
    due = {row["title"]: row["due_time"] for row in await rows(api, "worker_tasks")}
    assert due == {
        "Call": "2026-12-03T14:00:00.000000+00:00",
        "Write": "2026-12-03T09:00:00.000000+00:00",
    }
    # What is mended is read as the file was.
    text = text_of(report["bad_rows"]).replace("03/08/2026 2:30", "03/08/2026 3:30")
    text = text.replace("11/01/2026 1:30 AM", "2026-11-01T01:30:00-05:00")
    mended = written(tmp_path, Path(report["bad_rows"]).name, *text.splitlines())
    report, _ = await imported(api, mended, "worker_tasks")
    assert report["outcomes"] == {"created": 2}
    due = {row["title"]: row["due_time"] for row in await rows(api, "worker_tasks")}
    assert due["Skipped"] == "2026-03-08T07:30:00.000000+00:00"
    assert due["Twice"] == "2026-11-01T06:30:00.000000+00:00"
    for zone, words in (
        ("US/Pacific", "has the timezone US/Eastern"),
        ("Mars", "There is no time"),
    ):
        _, notes = await imported(api, tasks, "worker_tasks", "--timezone", zone, status=2)
        assert words in notes
    zoned = written(
        tmp_path, "zoned.ndjson", json.dumps({"title": "A", "due_time": "2026-12-03T09:00:00Z"})
    )
    _, notes = await imported(api, zoned, "worker_tasks", "--dry-run")
    assert "Times without" not in notes
