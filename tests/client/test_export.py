"""Collections as files, by the command: whole, as of a position, and gone on with where it ended."""

from __future__ import annotations

import asyncio
import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from almoner_client import Client
from almoner_client.exporting.export import Export
from tests.client.copies import command, grown_old
from tests.conftest import Api, Callers

PATIENT: dict[str, Any] = {
    "phase": "intake",
    "timezone": "US/Eastern",
    "birthday": "1990-01-31",
    "first_name": "Grace",
    "last_name": "Hopper",
}
FORMULA = '=HYPERLINK("http://example.org")'


class EndedError(Exception):
    """Whoever exported was ended."""


async def batch(api: Api, rows: list[dict[str, Any]], collection: str = "patients") -> list[str]:
    answer = await api.post(f"/v1/{collection}/batch", json={"create": rows})
    assert answer.status_code == 200, answer.text
    return [item["row"]["id"] for item in answer.json()["data"]]


async def ids(api: Api, **filters: str) -> set[str]:
    asked: Any = {"page[size]": 1000, **filters}
    there: set[str] = set()
    while asked:
        page = (await api.get("/v1/patients", params=asked)).json()[0]
        there |= {row["id"] for row in page["data"]}
        asked = page["meta"].get("next")
    return there


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def of(api: Api) -> Client:
    return Client(str(api.base_url), api.client_id, api.client_secret)


async def test_a_collection_is_a_table_that_is_safe_to_open_or_a_line_for_each_row(
    api: Api, tmp_path: Path
) -> None:
    rows = [
        PATIENT | {"street": FORMULA, "zip_code": "02139"},
        PATIENT | {"first_name": "two\nlines", "phase": "graduated"},
    ]
    created = await batch(api, rows)
    report = (
        await command(api, "export", "patients", "--to", str(tmp_path / "all.csv"), "--json")
    ).json
    assert (report["rows"], report["collection"]) == (2, "patients")
    cells = {row["id"]: row for row in table(tmp_path / "all.csv")}
    assert cells[created[0]]["street"] == f"'{FORMULA}"
    assert (cells[created[0]]["zip_code"], cells[created[0]]["birthday"]) == (
        "'02139",
        "1990-01-31",
    )
    assert cells[created[1]]["first_name"] == "two\nlines"
    narrowed = ("--where", "phase=intake", "--where", "last_name=Hopper")
    lines = tmp_path / "intake.ndjson"
    out = (await command(api, "export", "patients", "--to", str(lines), *narrowed)).out
    assert "1 row of patients" in out
    (line,) = lines.read_text().splitlines()
    assert json.loads(line) == (await api.get(f"/v1/patients/{created[0]}")).json()
    assert set(os.listdir(tmp_path)) == {"all.csv", "intake.ndjson"}
    # Taken in again, as another system's, the texts are what they were.
    text = (tmp_path / "all.csv").read_text(encoding="utf-8")
    for number, row_id in enumerate(created):
        text = text.replace(row_id, f"A-{number}")
    (tmp_path / "all.csv").write_text(text, encoding="utf-8")
    await command(api, "import", str(tmp_path / "all.csv"), "--collection", "patients", "--json")
    loaded = (await api.get("/v1/patients", params={"phase": "intake"})).json()[0]["data"]
    assert [(row["street"], row["zip_code"]) for row in loaded] == [(FORMULA, "02139")] * 2


async def test_who_follows_from_the_position_of_an_export_misses_nothing(
    api: Api, tmp_path: Path
) -> None:
    created = await batch(api, [PATIENT] * 3)
    report = (
        await command(api, "export", "patients", "--to", str(tmp_path / "a.csv"), "--json")
    ).json
    await api.put(f"/v1/patients/{created[0]}", json={"first_name": "Ada"})

    def changed() -> list[str | None]:
        with of(api) as client:
            return [change.id for change in client.changes(report["after"], ["patients"])]

    while (later := await asyncio.to_thread(changed)) == []:
        pass
    assert later == [created[0]]


async def test_an_export_whose_place_the_feed_has_forgotten_reads_every_row_again(
    api: Api, connection: Any, program: int, tmp_path: Path
) -> None:
    created = await batch(api, [PATIENT | {"first_name": f"P{n}"} for n in range(3)])
    path = tmp_path / "people.ndjson"
    lines: list[str] = []

    def export(ends: bool) -> None:
        with of(api) as client:
            run = Export(client, "patients", path, {}, lines.append)
            if ends:
                run._catch_up = _ended  # type: ignore[method-assign]
            run.run()

    with pytest.raises(EndedError):
        await asyncio.to_thread(export, True)
    await api.put(f"/v1/patients/{created[1]}", json={"first_name": "Changed"})
    await grown_old(connection, program)
    await asyncio.to_thread(export, False)
    assert any("Reading every row again" in line for line in lines)
    names = [json.loads(line)["first_name"] for line in path.read_text().splitlines()]
    assert sorted(names) == ["Changed", "P0", "P2"]


def _ended(place: Any) -> None:
    raise EndedError


@pytest.mark.slow
async def test_an_export_that_is_ended_anywhere_goes_on_and_holds_each_row_once_as_it_is_now(
    api: Api, tmp_path: Path
) -> None:
    created = await batch(api, [PATIENT | {"first_name": f"P{n}"} for n in range(900)])
    created += await batch(api, [PATIENT | {"phase": "graduated"} for _ in range(400)])
    created += await batch(api, [PATIENT | {"first_name": f"P{n}"} for n in range(900, 1500)])

    def export(path: Path, ends_after: int | None) -> int:
        """Exports, and is ended after so many pages; how many there were."""
        pages = 0
        with of(api) as client:
            run = Export(client, "patients", path, {"phase": "intake"})
            keep = run._keep

            def ending(place: Any) -> None:
                nonlocal pages
                if pages == ends_after:
                    # What was written is not noted yet, and is cut off in the middle of a line.
                    raise EndedError
                keep(place)
                pages += 1

            run._keep = ending  # type: ignore[method-assign]
            run.run()
        return pages

    for path in (tmp_path / "people.csv", tmp_path / "people.ndjson"):
        for ends_after in (0, 1, 2, 3):
            try:
                await asyncio.to_thread(export, path, ends_after)
            except EndedError:
                await api.put(f"/v1/patients/{created[ends_after]}", json={"first_name": "Changed"})
                await api.put(
                    f"/v1/patients/{created[-1 - ends_after]}", json={"phase": "graduated"}
                )
                continue
        await command(
            api, "export", "patients", "--to", str(path), "--where", "phase=intake", "--json"
        )
        rows = (
            table(path)
            if path.suffix == ".csv"
            else [json.loads(line) for line in path.read_text().splitlines()]
        )
        assert len(rows) == len({row["id"] for row in rows})
        assert {row["id"] for row in rows} == await ids(api, phase="intake")
        names = {row["id"]: row["first_name"] for row in rows}
        assert [names[created[n]] for n in range(3)] == ["Changed"] * 3


async def test_a_client_that_was_granted_less_than_all_learns_which_option_asks_for_less(
    callers: Callers, program: int, tmp_path: Path
) -> None:
    file = str(tmp_path / "people.csv")
    async with await callers(program, scope="patients.read changes.read") as narrow:
        refused = await command(narrow, "export", "patients", "--to", file, status=2)
        assert "invalid_scope" in refused.errors
        assert "--scope" in refused.errors
        scope = ("--scope", "patients.read changes.read")
        await command(narrow, "export", "patients", "--to", file, *scope)


async def test_what_cannot_be_exported_says_what_to_do(api: Api, tmp_path: Path) -> None:
    await batch(api, [PATIENT])
    cases = [
        (("nothing", "--to", "a.csv"), "There is no collection nothing. They are"),
        (("patients", "--to", "a.xlsx"), "Name it .csv or .ndjson"),
        (("patients", "--to", "a.csv", "--where", "intake"), "--where takes NAME=VALUE"),
        (("patients", "--to", str(tmp_path / "a.csv"), "--where", "age=7"), "Unknown parameter"),
    ]
    for arguments, words in cases:
        ended = await command(api, "export", *arguments, status=2)
        assert words in ended.errors, (arguments, ended.errors)
    assert os.listdir(tmp_path) == []
