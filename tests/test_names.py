"""Names as they are written out: in their own order, whole, and without turning what stands around
them.
"""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.database import Database
from almoner.pages.filters import initials
from almoner.vocabulary.names import (
    full_name,
    full_name_sql,
    isolated,
    name_order_sql,
    name_search_sql,
    unisolated,
)
from tests.conftest import Api
from tests.people import People
from tests.test_repository import SERVER

WRITTEN = [
    ("Grace", "Hopper", "Grace Hopper"),
    ("花子", "山田", "山田花子"),
    ("エミ", "山田", "山田エミ"),
    ("マイケル", "スミス", "マイケル スミス"),
    ("길동", "홍", "홍길동"),
    ("Mei", "王", "Mei 王"),
    ("小明", "Wang", "小明 Wang"),
    ("Ítalo", "Ñandú", "Ítalo Ñandú"),
]
TURNING = "Eve\u202ednuor"


@pytest.mark.parametrize(("first", "last", "written"), WRITTEN)
def test_the_family_name_comes_first_where_it_is_written_so(
    first: str, last: str, written: str
) -> None:
    assert full_name(first, last) == written


async def test_people_are_sorted_and_looked_for_by_the_name_whatever_its_case_and_accents(
    database: Database,
) -> None:
    people = [("Amina", "al-Masri"), ("Óscar", "Ortiz"), ("Bo", "Örtiz"), ("Al", "Williams")]
    query = (
        f"SELECT first_name FROM unnest($1::text[], $2::text[]) AS p(first_name, last_name) WHERE"
        f" position(almoner_plain($3) IN {name_search_sql('p')}) > 0 ORDER BY {name_order_sql('p')}"
    )
    arrays = [list(column) for column in zip(*people[::-1], strict=True)]
    async with database.connection() as connection:
        for part, sought in (
            ("", ["Amina", "Bo", "Óscar", "Al"]),
            ("ortiz", ["Bo", "Óscar"]),
            ("Ortiz osc", ["Óscar"]),
            ("oscar O", ["Óscar"]),
        ):
            rows = await connection.fetch(query, *arrays, part)
            assert [row["first_name"] for row in rows] == sought


async def test_sql_writes_names_as_python_does(database: Database) -> None:
    async with database.connection() as connection:
        for first, last, written in WRITTEN:
            query = (
                f"SELECT {full_name_sql('p')} FROM (SELECT $1::text AS first_name, $2::text AS"
                " last_name) p"
            )
            assert await connection.fetchval(query, first, last) == written


@pytest.mark.house
def test_no_statement_and_no_page_puts_a_name_together_by_itself() -> None:
    together = re.compile(
        r"first_name \|\| ' ' \|\||concat_ws\(' ', \S*first_name|first(_name)?\W{0,4}\} \{\S*last"
        r"|first_name \}\} \{\{ \S*last_name|ORDER BY \S*last_name"
    )
    wrong = [
        f"{path.relative_to(SERVER)}:{number}"
        for path in sorted([*SERVER.rglob("*.py"), *SERVER.rglob("*.html")])
        if path.name != "names.py" and path.parent.name not in ("demo", "versions")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if together.search(line) and "almoner_plain" not in line
    ]
    assert not wrong


@given(st.text(st.sampled_from("aב\u202a\u202b\u202c\u202e\u2066\u2067\u2068\u2069 "), max_size=12))
def test_what_is_isolated_begins_and_ends_nothing_outside_and_comes_back_as_it_was(
    text: str,
) -> None:
    written = isolated(text)
    depth = 0
    for at, char in enumerate(written):
        depth += (char in "\u2066\u2067\u2068") - (char == "\u2069")
        # Only the last character closes the outermost one.
        assert depth >= 0
        assert depth > 0 or written == text or at == len(written) - 1
    assert depth == 0 or written == text
    assert unisolated(written) in (text, unisolated(text))


def test_initials_are_whole_characters() -> None:
    family, flag = "👨\u200d👩\u200d👧", "🇨🇦"
    assert initials(family + "x", flag) == family + flag
    assert initials("e\u0301mile", "👍🏽") == "E\u0301👍🏽"
    assert initials(TURNING[3:], "Hopper") == "DH"
    assert initials("", "Cher") == "C"


async def test_a_name_that_turns_the_direction_is_isolated_on_each_page_and_stays_as_it_is(
    people: People, api: Api, program: int
) -> None:
    async with await people(program, "coach") as coach:
        body = {
            "first_name": "Eve",
            "last_name": TURNING,
            "phase": "intake",
            "timezone": "US/Pacific",
            "birthday": "1990-01-02",
        }
        patient = (
            await api.post("/v1/patients", json=body | {"coach_id": coach.worker_id})
        ).json()["id"]
        for path in (
            "/patients",
            f"/patients/{patient}",
            "/inbox",
            f"/patients/{patient}/contact",
            f"/patients/{patient}/tasks",
        ):
            page = (await coach.get(path)).text
            alone = re.sub(r"\u2068[^\u2069]*\u2069", "", page)
            assert not re.search("\u202e", alone), path
        # The form sends back what it was given, and changes nothing.
        form = (await coach.get(f"/patients/{patient}/contact")).text
        [box] = re.findall(r'<input [^>]*name="last_name"[^>]*>', form)
        match = re.search(r'value="([^"]+)"', box)
        assert match is not None
        hidden = dict(
            re.findall(r'<input type="hidden" name="(updated_at|was\.\w+)" value="([^"]*)"', form)
        )
        fields = body | {"last_name": match[1]}
        fields.pop("phase")
        sent = {name: html.unescape(value) for name, value in hidden.items()}
        done = await coach.send_form(f"/patients/{patient}/contact/details", **fields, **sent)
        assert done.status_code == 303
        assert (await api.get(f"/v1/patients/{patient}")).json()["last_name"] == TURNING
