"""Rows of files written into collections: mapped, checked, each once, every bad row reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from almoner.database import Database
from almoner.workshop import kiwi_health
from tests.changes.writing import until_true
from tests.client.copies import command, started
from tests.conftest import Api, Callers, new_environment
from tests.programs import published

HEADER = "MRN,First name,Surname,DOB,Time zone,Phase,ZIP,E-mail"
GOOD = [
    "A-1,Grace,Hopper,12/09/1906,US/Pacific,intake,94110,grace@example.org",
    "A-2,Ada,King,12/10/1815,US/Eastern,intake,,",
    'A-3,"Mary ""May""",O\'Brien,01/31/1970,US/Pacific,intake,94110,',
]


def written(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def text_of(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


async def patients(api: Api) -> dict[str, dict[str, Any]]:
    """The patients by their given names."""
    page = (await api.get("/v1/patients", params={"page[size]": 1000})).json()[0]
    return {row["first_name"]: row for row in page["data"]}


def taken(report: dict[str, Any]) -> int:
    """How many rows were there before, and are as the file has them now."""
    outcomes = report["outcomes"]
    assert set(outcomes) <= {"updated", "unchanged", "refused"}
    return sum(count for outcome, count in outcomes.items() if outcome != "refused")


def asked(path: Path, collection: str = "patients") -> tuple[str, ...]:
    return ("import", str(path), "--collection", collection, "--json")


async def test_a_file_is_mapped_by_its_header_and_each_row_is_there_once(
    api: Api, tmp_path: Path
) -> None:
    path = written(tmp_path, "people.csv", HEADER, *GOOD)
    report = (await command(api, *asked(path))).json
    assert (report["rows"], report["outcomes"], report["errors"]) == (3, {"created": 3}, [])
    rows = await patients(api)
    assert set(rows) == {"Grace", "Ada", 'Mary "May"'}
    assert (rows["Grace"]["birthday"], rows["Grace"]["zip_code"]) == ("1906-12-09", "94110")
    mails = (await api.get("/v1/email_addresses")).json()[0]["data"]
    assert [mail["user_id"] for mail in mails] == [rows["Grace"]["id"]]
    mapping = yaml.safe_load((tmp_path / "people.csv.mapping.yaml").read_text())
    assert mapping["columns"] == {
        "MRN": "external_id",
        "First name": "first_name",
        "Surname": "last_name",
        "DOB": "birthday",
        "Time zone": "timezone",
        "Phase": "phase",
        "ZIP": "zip_code",
        "E-mail": "email",
    }
    changed = written(tmp_path, "people.csv", HEADER, *GOOD[:2], GOOD[2].replace("94110", "94111"))
    report = (await command(api, *asked(changed))).json
    assert taken(report) == 3
    rows = await patients(api)
    assert (len(rows), rows['Mary "May"']["zip_code"]) == (3, "94111")


async def test_a_row_that_a_file_has_again_far_below_comes_after_the_one_above(
    api: Api, tmp_path: Path
) -> None:
    """Batches of five hundred are under way side by side, those with the same row one by one."""
    others = [f"B-{n},Noise,Row,12/09/1906,US/Pacific,intake,94110," for n in range(1100)]
    again = [GOOD[0].replace("94110", f"9411{n}") for n in range(3)]
    rows = [again[0], *others[:550], again[1], *others[550:], again[2]]
    path = written(tmp_path, "people.csv", HEADER, *rows)
    report = (await command(api, *asked(path))).json
    assert (report["outcomes"], report["errors"]) == ({"created": 1101, "updated": 2}, [])
    answer = await api.get("/v1/patients", params={"first_name": "Grace"})
    assert [row["zip_code"] for row in answer.json()[0]["data"]] == ["94112"]


# Two thousand rows, so that there is time to end it.
@pytest.mark.slow
async def test_an_import_that_is_killed_goes_on_where_it_was_and_each_row_is_there_once(
    api: Api, connection: Any, program: int, tmp_path: Path
) -> None:
    rows = [f"K-{n},Grace,N{n},1906-12-09,US/Pacific,intake" for n in range(2000)]
    path = written(tmp_path, "many.csv", "MRN,First name,Surname,DOB,Time zone,Phase", *rows)
    noted = path.with_name("many.csv.progress")
    process = started(api, *asked(path))

    async def is_under_way() -> bool:
        return noted.exists() or process.poll() is not None

    await until_true(is_under_way, "some rows are written")
    process.kill()
    process.communicate(timeout=30)
    was_ended = noted.exists()
    report = (await command(api, *asked(path))).json
    assert (report["rows"], sum(report["outcomes"].values()), report["errors"]) == (2000, 2000, [])
    # Unless it was done already.
    assert (report["outcomes"].get("done before", 0) >= 500) is was_ended
    assert not noted.exists()
    counts = "SELECT count(*), count(DISTINCT last_name) FROM patients WHERE environment_id = $1"
    assert tuple(await connection.fetchrow(counts, program)) == (2000, 2000)


async def test_what_every_row_needs_and_no_column_has_is_said_beside_the_mapping(
    api: Api, tmp_path: Path
) -> None:
    path = written(
        tmp_path, "people.csv", "MRN,First name,Surname,Phase", "A-1,Grace,Hopper,intake"
    )
    output = await command(api, *asked(path), "--dry-run", status=1)
    assert "No column goes into timezone, birthday, which every row needs." in output.errors
    whole = written(tmp_path, "all.csv", HEADER, GOOD[0])
    assert "No column" not in (await command(api, *asked(whole), "--dry-run")).errors


async def test_every_bad_row_is_reported_and_can_be_mended_and_fed_again(
    api: Api, tmp_path: Path
) -> None:
    bad = [
        "A-4,Bad,Day,12/32/1906,US/Pacific,intake,94110,",
        "A-5,Bad,Zip,12/09/1906,US/Pacific,nowhere,941,",
        "A-6,Too,Many,12/09/1906,US/Pacific,intake,94110,,x",
        # What the client finds by itself keeps nothing from being said that the server finds.
        "A-7,Bad,All,12/32/1906,Mars,nowhere,941,",
        GOOD[0],
    ]
    path = written(tmp_path, "people.csv", HEADER, GOOD[0], *bad, GOOD[1])
    dry = (await command(api, *asked(path), "--dry-run", status=1)).json
    assert await patients(api) == {}
    wet = (await command(api, *asked(path), status=1)).json
    assert dry["errors"] == wet["errors"]
    assert "create[" not in json.dumps(dry["errors"])
    places = [(error["line"], error["column"]) for error in dry["errors"]]
    columns = HEADER.split(",")
    assert sorted(places) == [
        *((3, "DOB"), (4, "Phase"), (4, "ZIP"), (5, "")),
        *((6, "DOB"), (6, "Phase"), (6, columns[4]), (6, "ZIP"), (7, "MRN")),
    ]
    assert all(error["reason"] for error in dry["errors"])
    assert dry["errors"][-1]["reason"] == "line 2 has this id"
    assert set(await patients(api)) == {"Grace", "Ada"}
    mended = text_of(wet["bad_rows"])
    rows = list(csv.DictReader(mended.splitlines()))
    # In the order of the file.
    assert [row["almoner_line"] for row in rows] == ["3", "4", "5", "6", "7"]
    text = mended.replace("12/32/1906", "12/31/1906").replace("nowhere", "intake")
    text = text.replace("Mars", "US/Pacific")
    again = written(tmp_path, "mended.csv", text.replace(",941,", ",94112,").strip())
    report = (await command(api, *asked(again))).json
    assert report["outcomes"] == {"created": 4, "unchanged": 1}
    assert not (tmp_path / "mended.bad.csv").exists()


async def test_rows_that_are_mended_are_read_as_the_file_was_that_they_came_from(
    api: Api, tmp_path: Path
) -> None:
    """03/02/1970 alone would be taken for a day in March."""
    path = written(
        tmp_path,
        "people.csv",
        HEADER,
        "D-1,Uno,One,25/12/1970,US/Eastern,intake,,",
        "D-2,Duo,Two,03/02/1970,US/Eastern,nowhere,,",
    )
    report = await command(api, *asked(path), status=1)
    assert "Days are read as %d/%m/%Y, such as 31/01/1970" in report.errors
    assert "a guess" not in report.errors
    bad = Path(report.json["bad_rows"])
    written(tmp_path, bad.name, text_of(str(bad)).replace("nowhere", "intake").strip())
    assert (await command(api, *asked(bad))).json["outcomes"] == {"created": 1}
    assert (await patients(api))["Duo"]["birthday"] == "1970-02-03"
    alone = written(tmp_path, "alone.csv", HEADER, "D-3,Tre,Three,03/02/1970,US/Eastern,intake,,")
    unclear = await command(api, *asked(alone), "--dry-run")
    assert "This is a guess: 03/02/1970 may be %d/%m/%Y as well." in unclear.errors


async def test_a_kept_mapping_is_not_used_for_a_file_with_other_columns(
    api: Api, tmp_path: Path
) -> None:
    path = written(tmp_path, "people.csv", HEADER, *GOOD[:1])
    await command(api, *asked(path), "--namespace", "ehr")
    other = HEADER.replace("MRN", "Patient MRN").replace("ZIP", "City")
    written(tmp_path, "people.csv", other, GOOD[0].replace("94110", "Oakland"))
    refused = await command(api, *asked(path), status=2)
    assert "has no column MRN, ZIP. The mapping does not name Patient MRN, City." in refused.errors
    refused = await command(api, *asked(path), "--namespace", "lab", status=2)
    assert "has the namespace ehr, and --namespace is lab." in refused.errors
    assert len(await patients(api)) == 1


async def test_rows_that_were_exported_from_here_are_not_created_again(
    api: Api, callers: Callers, database: Database, tmp_path: Path
) -> None:
    await command(api, *asked(written(tmp_path, "people.csv", HEADER, *GOOD)))
    file = tmp_path / "out.csv"
    await command(api, "export", "patients", "--to", str(file))
    refused = await command(api, *asked(file), status=2)
    assert "The ids in column id are those of rows that are here already" in refused.errors
    assert len(await patients(api)) == 3
    other = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, other, kiwi_health.source())
    async with await callers(other) as elsewhere:
        await command(elsewhere, *asked(file), status=None)
        assert len(await patients(elsewhere)) == 3


async def test_references_are_looked_up_by_the_ids_of_the_other_system(
    api: Api, tmp_path: Path
) -> None:
    people = written(tmp_path, "people.csv", HEADER, *GOOD)
    await command(api, *asked(people), "--namespace", "ehr")
    notes = written(
        tmp_path,
        "mails.ndjson",
        json.dumps({"patient": "A-2", "email": "ada@example.org", "verified": True}),
        json.dumps({"patient": "A-9", "email": "nobody@example.org"}),
        "{",
    )
    report = (
        await command(api, *asked(notes, "email_addresses"), "--namespace", "ehr", status=1)
    ).json
    assert report["outcomes"] == {"created": 1, "refused": 2}
    assert [(e["line"], e["column"]) for e in report["errors"]] == [(2, "patient"), (3, "")]
    ada = (await patients(api))["Ada"]["id"]
    mails = (await api.get("/v1/email_addresses", params={"user_id": ada})).json()[0]["data"]
    assert [(mail["email"], mail["verified"]) for mail in mails] == [("ada@example.org", True)]
    report = (
        await command(api, *asked(notes, "email_addresses"), "--namespace", "ehr", status=1)
    ).json
    assert taken(report) == 1
    mails = (await api.get("/v1/email_addresses", params={"user_id": ada})).json()[0]["data"]
    assert len(mails) == 1


async def test_answers_of_assessments_come_in_columns_of_their_own(
    api: Api, tmp_path: Path
) -> None:
    people = written(tmp_path, "people.csv", HEADER, *GOOD)
    await command(api, *asked(people))
    answers = written(
        tmp_path,
        "moods.tsv",
        "user_id\tspec_id\tmodel.low_mood\tmodel.lost_interest\tmodel.wants_to_talk",
        "A-1\tmood_check\tsome days\tnever\ttrue",
        "A-2\tmood_check\tno such answer\tnever\t",
    )
    report = (await command(api, *asked(answers, "assessment_responses"), status=1)).json
    assert report["outcomes"] == {"created": 1, "refused": 1}
    assert [(e["line"], e["column"]) for e in report["errors"]] == [(3, "model.low_mood")]
    (row,) = (await api.get("/v1/assessment_responses")).json()[0]["data"]
    assert row["model"]["wants_to_talk"] is True


@pytest.mark.slow
async def test_what_cannot_be_imported_says_what_to_do(
    api: Api, tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path, "people.doc", "x")
    cases = [
        (asked(path), "Name it .csv, .tsv"),
        (asked(tmp_path / "none.csv"), "There is no file"),
        (
            asked(written(tmp_path, "w.csv", "a", "b"), "workers"),
            "Nothing can be imported into workers",
        ),
    ]
    for arguments, words in cases:
        assert words in (await command(api, *arguments, status=2)).errors
    wrong = written(tmp_path, "wrong.csv", HEADER, *GOOD)
    mapping = written(
        tmp_path,
        "wrong.csv.mapping.yaml",
        "collection: patients",
        "namespace: x",
        "columns: {DOB: birthdate}",
    )
    refused = await command(api, *asked(wrong), status=2)
    assert f"{mapping} names birthdate, and patients has no such field." in refused.errors


@pytest.mark.parametrize("ending", ["parquet"])
async def test_files_of_other_kinds_are_read(api: Api, tmp_path: Path, ending: str) -> None:
    import pyarrow
    import pyarrow.parquet

    names = HEADER.split(",")
    table = pyarrow.table({n: [c] for n, c in zip(names, GOOD[0].split(","), strict=True)})
    pyarrow.parquet.write_table(table, tmp_path / f"people.{ending}")
    report = (await command(api, *asked(tmp_path / f"people.{ending}"))).json
    assert report["outcomes"] == {"created": 1}
