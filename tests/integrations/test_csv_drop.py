"""A folder of CSV or NDJSON files is taken into a collection: each file once, each row once, and what is wrong is
told row by row in a file that can be mended and fed again."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.cli import app
from almoner.errors import ApiError
from almoner.integrations import again, drop_files, installed
from almoner.integrations.csv_drop import csv_drop
from almoner.integrations.handler import IntegrationHandler
from almoner.resources import BY_NAME
from almoner.settings import Settings
from almoner.work.pace import RunnerPace
from almoner.worker import working
from tests.integrations.conftest import Place
from tests.integrations.test_jobs import GRACE
from tests.work.doing import running

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "drop-files.md"
HEADER = "MRN,first_name,Family name,birthday,phase,timezone"
MAPPING = {"MRN": "external_id", "Family name": "last_name"}
PEOPLE = "SELECT id::text, first_name, last_name FROM patients WHERE environment_id = $1 ORDER BY last_name"

NOISE = "Somebody else"


def line(number: int, name: str = "", birthday: str = "1906-12-09") -> str:
    return f"MRN-{number},Grace,{name or f'Number {number}'},{birthday},intake,US/Pacific"


def put(folder: Path, name: str, content: str | bytes, age: float = 100_000) -> None:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))


def bad_files(folder: Path, name: str = "*") -> list[Path]:
    return list(folder.glob(f"{name}.bad.*"))


def bad_file(folder: Path, name: str = "*") -> str:
    (path,) = bad_files(folder, name)
    return path.read_text(encoding="utf-8")


async def configured(place: Place, folder: Path, **settings: Any) -> None:
    await place.create("patients", GRACE | {"last_name": NOISE})
    values = {"folder": str(folder), "collection": "patients", "mapping": json.dumps(MAPPING)}
    await place.configure(csv_drop, **(values | settings))


async def take(place: Place) -> tuple[str, dict[str, int], list[str]]:
    """The status of a job, how many of its tasks ended how, and what its errors say."""
    job = await place.run(csv_drop)
    errors = [error["message"] for task in job["tasks"] for error in task["errors"]]
    return job["status"], job["counts"], errors


async def names(place: Place) -> list[str]:
    people = [row["last_name"] for row in await place.rows(PEOPLE)]
    return [name for name in people if name != NOISE]


async def test_a_file_is_taken_once_and_one_that_is_fed_again_changes_its_rows(
    place: Place, tmp_path: Path
) -> None:
    await configured(place, tmp_path)
    put(
        tmp_path,
        "people.csv",
        "\ufeff" + "\r\n".join([HEADER, line(1), line(2, '"Hopper, ""G"""'), ""]),
    )
    put(tmp_path, "same.csv", (tmp_path / "people.csv").read_bytes())
    put(tmp_path, "written-now.csv", "\n".join([HEADER, line(9)]), age=0)
    put(tmp_path, "letter.txt", "MRN")
    assert await take(place) == ("succeeded", {"succeeded": 5}, [])
    assert await names(place) == ['Hopper, "G"', "Number 1"]
    before = await place.rows(PEOPLE)
    assert await take(place) == ("succeeded", {"succeeded": 2}, [])

    header = HEADER.replace(",", ";") + ";email"
    put(
        tmp_path,
        "people.csv",
        "\n".join([header, line(1, "Renamed").replace(",", ";") + ";", "MRN-2;;Other;;;;"]),
    )
    assert (await take(place))[0] == "succeeded"
    after = await place.rows(PEOPLE)
    assert await names(place) == ["Other", "Renamed"]
    # Nobody was created again, and an empty cell left what was there.
    assert {row["id"] for row in after} == {row["id"] for row in before}
    assert {row["first_name"] for row in after} == {"Grace"}


async def test_a_job_that_is_run_again_from_where_files_are_looked_for_takes_them_once_more(
    place: Place, tmp_path: Path
) -> None:
    await configured(place, tmp_path)
    put(tmp_path, "people.csv", "\n".join([HEADER, line(1), line(2, birthday="last spring")]))
    job = await place.run(csv_drop)
    (looked,) = [task for task in job["tasks"] if task["task_name"] == "csv_drop.find_files"]
    for bad in bad_files(tmp_path):
        bad.unlink()
    async with place.database.connection() as connection:
        await connection.execute(
            "UPDATE patients SET city = 'Oakland' WHERE environment_id = $1", place.environment
        )
    async with place.database.transaction() as connection:
        values = (place.store, BY_NAME["integration_tasks"], place.environment)
        await again.run_again_within(connection, *values, looked["id"], by=AT_THE_TERMINAL)
    await place.work(csv_drop, job["job_id"])
    # Nobody is there twice; the row that is bad is told of again, and the next job takes nothing.
    assert await names(place) == ["Number 1"]
    assert "MRN-2" in bad_file(tmp_path)
    now = await place.show(job["job_id"])
    assert now["counts"] == job["counts"]
    assert await take(place) == ("succeeded", {"succeeded": 2}, [])


async def test_bad_rows_are_in_a_file_beside_it_that_is_mended_and_fed_again(
    place: Place, tmp_path: Path
) -> None:
    await configured(place, tmp_path)
    lines = [
        HEADER,
        line(1),
        line(2, birthday="last spring"),
        line(3) + ",one more",
        line(4, '"broken"quotes'),
        ",Grace,Nameless,1906-12-09,intake,US/Pacific",
        line(6, '"two\nlines"'),
        line(7, birthday="9 December"),
    ]
    put(tmp_path, "people.csv", "\n".join(lines) + "\n")
    status, counts, (message,) = await take(place)
    assert (status, counts) == ("failed", {"succeeded": 3, "failed": 2})
    assert message.startswith("5 of 7 rows were not taken.")
    assert await names(place) == ["Number 1", "two\nlines"]
    rejected = bad_file(tmp_path).splitlines()
    assert rejected[0] == HEADER + ",_reason"
    for row, expected in zip(
        rejected[1:],
        (
            "line 3, birthday: ",
            "line 4, it has 7 cells where the header has 6",
            "line 5, the row cannot be read",
            "line 6, MRN: the other system's id is missing",
            "line 9, birthday: ",
        ),
        strict=True,
    ):
        assert expected in row

    # Only some are mended: those are taken, the others are told of again.
    mended = [rejected[0], rejected[1].replace("last spring", "1907-01-01"), rejected[5]]
    put(tmp_path, "mended.csv", "\n".join(mended))
    status, _, (message,) = await take(place)
    assert (status, message[:8]) == ("failed", "1 of 2 r")
    assert await names(place) == ["Number 1", "Number 2", "two\nlines"]
    again = bad_file(tmp_path, "mended.*").splitlines()
    assert again[0] == rejected[0]
    assert again[1].startswith("MRN-7,Grace,Number 7,9 December,intake,US/Pacific,")
    assert again[1].count("line ") == 1


async def test_ndjson_says_values_as_they_are_and_rows_name_others_by_their_ids_there(
    place: Place, tmp_path: Path
) -> None:
    grace = await place.create("patients", GRACE)
    await place.create(
        "external_ids",
        {"resource": "patients", "namespace": "ehr", "external_id": "MRN-1", "welkin_id": grace},
    )
    await configured(
        place,
        tmp_path,
        collection="custom_data_type_records",
        mapping={"id": "external_id", "patient": "user_id"},
        constants={"type_name": "lab_result"},
        namespace="lab",
        references="ehr",
    )
    body = {"test": "hba1c", "value": 5.4, "unit": "%", "collected_at": "2026-11-02T08:00:00Z"}
    rows: list[Any] = [
        {"id": 1, "patient": "MRN-1", "body": body},
        {"id": 2, "patient": "MRN-2", "body": body},
        {"id": 3, "patient": "MRN-1", "body": body | {"value": "much"}},
        {"id": 4, "patient": "MRN-1", "body": body, "colour": "red"},
        [1],
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows) + "{no JSON\n"
    put(tmp_path, "results.ndjson", content)
    status, _, (message,) = await take(place)
    assert (status, message[:7]) == ("failed", "5 of 6 ")
    records = (
        "SELECT user_id::text, body::text FROM custom_data_type_records WHERE environment_id = $1"
    )
    (record,) = await place.rows(records)
    assert (record["user_id"], json.loads(record["body"])["value"]) == (grace, 5.4)
    rejected = [json.loads(text) for text in bad_file(tmp_path).splitlines()]
    assert [row["_reason"].partition(":")[0] for row in rejected] == [
        "line 2, patient",
        "line 3, body.value",
        "line 4, colour",
        "line 5, the line is no JSON object",
        "line 6, the line is no JSON",
    ]
    rejected[0]["patient"], rejected[1]["body"]["value"] = "MRN-1", 6
    put(tmp_path, "mended.ndjson", "".join(json.dumps(row) + "\n" for row in rejected[:2]))
    assert (await take(place))[0] == "succeeded"
    assert len(await place.rows(records)) == 3


@pytest.mark.slow
async def test_one_job_takes_several_folders_each_into_its_own_collection(
    place: Place, tmp_path: Path
) -> None:
    for name in ("people", "labs", "leads"):
        (tmp_path / name).mkdir()
    labs = {
        "collection": "custom_data_type_records",
        "mapping": {"id": "external_id", "patient": "user_id"},
        "constants": {"type_name": "lab_result"},
        "namespace": "lab",
        "references": "csv_drop",
    }
    leads = {"collection": "patients", "mapping": MAPPING, "namespace": "leads"}
    more = {
        "labs": labs | {"folder": str(tmp_path / "labs")},
        "leads": leads | {"folder": str(tmp_path / "leads")},
    }
    await configured(place, tmp_path / "people", more=json.dumps(more))
    content = "\n".join([HEADER, line(1)])
    put(tmp_path / "people", "people.csv", content)
    # The same content, for another system's ids.
    put(tmp_path / "leads", "people.csv", content)
    body = {"test": "hba1c", "value": 5.4, "unit": "%", "collected_at": "2026-11-02T08:00:00Z"}
    rows = [{"id": n, "patient": f"MRN-{n}", "body": body} for n in (1, 2)]
    put(tmp_path / "labs", "results.ndjson", "".join(json.dumps(row) + "\n" for row in rows))
    status, _, (message,) = await take(place)
    assert (status, message[:7]) == ("failed", "1 of 2 ")
    assert "line 2, patient" in bad_file(tmp_path / "labs")
    assert await names(place) == ["Number 1", "Number 1"]
    ids = await place.rows(
        "SELECT resource, namespace, external_id FROM external_ids WHERE environment_id = $1 ORDER BY namespace"
    )
    assert [tuple(row.values()) for row in ids] == [
        ("patients", "csv_drop", "MRN-1"),
        ("custom_data_type_records", "lab", "1"),
        ("patients", "leads", "MRN-1"),
    ]
    (granted,) = await place.rows("SELECT scopes FROM integrations WHERE environment_id = $1")
    assert {"custom_data_type_records.write", "patients.write"} <= set(granted["scopes"])
    assert (await take(place))[0] == "succeeded"


@pytest.mark.slow
async def test_a_file_that_cannot_be_taken_says_why_and_nothing_of_it_is_in(
    place: Place, tmp_path: Path
) -> None:
    await configured(place, tmp_path)
    whole = "\n".join([HEADER, line(1), line(2, "Müller"), ""])
    cases: tuple[tuple[str | bytes, str, str], ...] = (
        (
            whole.encode("cp1252"),
            "not_utf8",
            "line 3 is not in UTF-8: perhaps it is in Windows-1252",
        ),
        (whole.encode("utf-16"), "not_utf8", "it is in UTF-16"),
        (
            whole + '"MRN-3,Grace',
            "half_written",
            "the quote that is opened in line 4 is never closed",
        ),
        (HEADER + ",phase\n", "bad_header", "each by another name"),
        ("", "bad_header", "must name every column"),
        (
            "MRN,shoe size\n1,7\n",
            "unknown_column",
            "Column shoe size: there is no field shoe size",
        ),
        ("first_name\nGrace\n", "no_external_id", "Map one to external_id"),
        (HEADER + '\n"' + "x" * drop_files.LONGEST_ROW, "row_too_long", "longer than 1 MiB"),
    )
    for number, (content, code, words) in enumerate(cases):
        put(tmp_path, f"bad-{number}.csv", content)
        job = await place.run(csv_drop)
        (error,) = [error for task in job["tasks"] for error in task["errors"]]
        assert (error["code"], words in error["message"]) == (code, True), error
    assert await names(place) == []
    for collection, words in (("nothing", "There is no collection"), ("external_ids", "cannot be")):
        try:
            await place.configure(csv_drop, collection=collection)
            _, _, (message,) = await take(place)
        except ApiError as refused:
            message = refused.problems[0].detail
        assert words in message or "There is no scope" in message
    await place.configure(csv_drop, collection="patients", folder=str(tmp_path / "nowhere"))
    _, _, (message,) = await take(place)
    assert "No such file" in message
    with pytest.raises(ApiError):
        await place.configure(csv_drop, mapping="{")


def test_a_file_of_any_size_is_cut_into_parts_of_a_few_rows(tmp_path: Path) -> None:
    put(
        tmp_path,
        "many.csv",
        "\n".join([HEADER, *(line(number, '"a\nb"') for number in range(1000))]),
    )
    (dropped,) = drop_files.ready(str(tmp_path), (tmp_path / "many.csv").stat().st_mtime, 0)
    parts = drop_files.cut(str(tmp_path), dropped)
    assert [part.rows for part in parts] == [drop_files.PART_ROWS] * 5
    rows = [row for part in parts for row in drop_files.rows(str(tmp_path), part)]
    assert [row.cells[0] for row in rows if isinstance(row.cells, list)] == [
        f"MRN-{number}" for number in range(1000)
    ]
    assert [row.line for row in rows] == list(range(2, 2002, 2))


def killed_work(database_url: str, home: str) -> None:
    """What a worker does until it is killed; its parts are small, so that there are several."""
    drop_files.PART_ROWS = 3  # type: ignore[misc]
    asyncio.run(_killed_work(Settings(home=Path(home), database_url=database_url)))


async def _killed_work(settings: Settings) -> None:
    pace = RunnerPace(lease=1.0, sweep=0.1)
    async with working(settings, pace=pace, integrations={csv_drop.name: csv_drop}):
        await asyncio.Event().wait()


@pytest.mark.slow
async def test_every_row_is_in_exactly_once_when_whoever_takes_it_is_killed(
    place: Place, own_dsn: str, tmp_path: Path
) -> None:
    await configured(place, tmp_path)
    rows = [line(n, birthday="never" if n % 5 == 0 else "1906-12-09") for n in range(20)]
    put(tmp_path, "people.csv", "\n".join([HEADER, *rows]))
    job_id = await place.begin(csv_drop)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    for _ in range(3):
        before = await names(place)
        worker = processes.Process(
            target=killed_work, args=(own_dsn, str(tmp_path / "home")), daemon=True
        )
        worker.start()
        async with asyncio.timeout(60):
            while await names(place) == before:
                await asyncio.sleep(0.01)
        worker.kill()
        worker.join()
    await place.work(csv_drop, job_id)
    assert await names(place) == sorted(f"Number {n}" for n in range(20) if n % 5)
    lines = bad_file(tmp_path).splitlines()[1:]
    assert [text.split(",")[0] for text in lines] == ["MRN-0", "MRN-5", "MRN-10", "MRN-15"]


async def test_the_commands_of_the_howto_set_it_up_and_take_what_is_in_the_folder(
    place: Place, own_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "installed", lambda: {csv_drop.name: csv_drop})
    (row,) = await place.rows("SELECT name FROM environments WHERE id = $1")
    environ = {"ALMONER_DATABASE_URL": own_dsn, "ALMONER_HOME": str(tmp_path / "home")}
    (tmp_path / "drop").mkdir()
    remarks = "\n".join([HEADER + ",Remarks", line(1) + ",asked to be called at home"])
    put(tmp_path / "drop", "people.csv", remarks)
    page = HOWTO.read_text(encoding="utf-8").replace("\\\n", "")
    commands = re.findall("^    almoner (integration .*)$", page, re.MULTILINE)[:3]
    async with running(place.database, IntegrationHandler(csv_drop, place.parts)):
        for command in commands:
            words = shlex.split(command.replace("/srv/drop", str(tmp_path / "drop")))
            words += ["-e", row["name"], "--json"]
            done = await asyncio.to_thread(CliRunner(env=environ).invoke, app, words)
            assert done.exit_code == 0, done.output
            if "run" in words:
                job = json.loads(done.stdout)
                assert (job["status"], job["counts"]) == ("succeeded", {"succeeded": 5})
            if "--schedule" not in words and "run" not in words:
                assert json.loads(done.stdout)["scopes"][:2] == ["patients.read", "patients.write"]
    assert await names(place) == ["Number 1"]
    known = "SELECT namespace, external_id FROM external_ids WHERE environment_id = $1"
    assert await place.rows(known) == [{"namespace": "clinic", "external_id": "MRN-1"}]
