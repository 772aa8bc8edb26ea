"""Workers in the administration: made, given roles, invited, disabled; an environment never loses
its last administrator.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import asyncpg
import httpx
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.portal import editing
from almoner.resources.patients import patients
from tests.conftest import new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

PATH = "/admin/workers"
SHARED = {"timezone": "US/Eastern", "phone_number": "", "gender": ""}


@pytest.fixture
async def admin(people: People, program: int, database: Database) -> AsyncIterator[Person]:
    """An administrator with a password, among other workers, and with one of the same names in
    another environment.
    """
    other = await new_environment(database)
    async with (
        await people(program, "coach", first_name="Noise", last_name="Here"),
        await people(other, "admin"),
        await people(program, "admin", first_name="Ada", last_name="Admin") as person,
    ):
        await give_password(database, person)
        yield person


async def give_password(database: Database, person: Person) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_accounts SET password_hash = 'set' WHERE environment_id = $1 AND"
            " worker_id = $2",
            person.environment_id,
            person.worker_id,
        )


async def roles_of(database: Database, person: Person) -> list[str]:
    async with database.connection() as connection:
        roles: list[str] = await connection.fetchval(
            "SELECT roles FROM worker_accounts WHERE environment_id = $1 AND worker_id = $2",
            *(person.environment_id, person.worker_id),
        )
    return roles


def link_in(page: httpx.Response) -> str:
    [value] = re.findall(r'id="link" value="([^"]*)"', page.text)
    return unescape(value)


async def test_a_worker_of_any_script_is_made_and_gets_in_with_a_link_that_is_shown_once(
    admin: Person,
) -> None:
    fields = SHARED | {
        "first_name": "Nguyễn",
        "last_name": "O’Brien-李",
        "email": "nguyen@example.org",
    }
    page = await admin.send_form(
        PATH, ("roles", "coach"), ("roles", "designer"), invite="on", **fields
    )
    assert page.status_code == 200, page.text
    assert Document(page).heading("Nguyễn O’Brien-李")
    link = link_in(page)
    async with PlainHttp() as anybody:
        welcome = await anybody.get(link)
    assert welcome.status_code == 200
    assert "nguyen@example.org" in Document(welcome).field("email").value
    [worker_id] = set(re.findall(rf"{PATH}/([0-9a-f-]{{36}})/roles", page.text))
    again = await admin.get(f"{PATH}/{worker_id}")
    assert link.rsplit("/", 1)[1] not in again.text
    assert "Coach, Designer" in Document(again).definition("Roles")
    assert Document(again).row("A link was made; unused, it ends")


async def test_each_error_stands_at_its_field_and_what_was_typed_stays(admin: Person) -> None:
    fields = {
        "first_name": "Grace",
        "last_name": "",
        "email": admin.email,
        "timezone": "Mars",
        "phone_number": "12",
        "gender": "",
    }
    page = await admin.send_form(PATH, ("roles", "coach"), **fields)
    assert page.status_code == 400
    assert Document(page).field("last_name").error
    assert Document(page).field("first_name").value == "Grace"
    page = await admin.send_form(PATH, ("roles", "coach"), **fields | {"last_name": "Hopper"})
    assert page.status_code == 400
    assert Document(page).field("timezone").error
    assert Document(page).field("phone_number").error
    assert re.search(r'value="coach" checked', page.text)
    taken = {"last_name": "Hopper", "timezone": "US/Eastern", "phone_number": ""}
    page = await admin.send_form(PATH, ("roles", "coach"), **fields | taken)
    assert page.status_code == 400
    assert Document(page).field("email").error


async def test_a_role_that_the_program_does_not_have_is_refused(
    admin: Person, people: People
) -> None:
    async with await people(admin.environment_id, "coach") as coach:
        page = await admin.send_form(f"{PATH}/{coach.worker_id}/roles", ("roles", "emperor"))
    assert page.status_code == 400
    assert "There is no role emperor" in Document(page).field("roles").error


async def test_the_last_administrator_who_can_sign_in_keeps_the_role_and_the_account(
    admin: Person, people: People, database: Database
) -> None:
    async with await people(admin.environment_id, "admin") as invited:
        own = f"{PATH}/{admin.worker_id}"
        # Somebody who was invited and has set no password yet does not count.
        refused = await admin.send_form(f"{own}/roles", ("roles", "coach"))
        assert refused.status_code == 400
        assert "last administrator" in Document(refused).field("roles").error
        assert re.search(r'value="coach" checked', refused.text)
        assert (await admin.send_form(f"{own}/disable")).status_code == 400
        assert await roles_of(database, admin) == ["admin"]
        await give_password(database, invited)
        assert (await admin.send_form(f"{own}/roles", ("roles", "coach"))).status_code == 303
        assert (await admin.get(PATH)).status_code == 403
        assert (await invited.send_form(f"{PATH}/{invited.worker_id}/disable")).status_code == 400


async def test_of_two_administrators_who_disable_each_other_at_once_one_stays(
    admin: Person, people: People, database: Database
) -> None:
    async with await people(admin.environment_id, "admin") as other:
        await give_password(database, other)
        await asyncio.gather(
            admin.send_form(f"{PATH}/{other.worker_id}/disable"),
            other.send_form(f"{PATH}/{admin.worker_id}/disable"),
        )
        async with database.connection() as connection:
            left = await connection.fetchval(
                "SELECT count(*) FROM worker_accounts WHERE environment_id = $1 AND 'admin' = ANY"
                " (roles) AND disabled_at IS NULL",
                admin.environment_id,
            )
    assert left == 1


async def test_disabling_says_what_it_costs_ends_the_sessions_and_can_be_undone(
    admin: Person, people: People, store: Store
) -> None:
    async with await people(
        admin.environment_id, "coach", first_name="Carl", last_name="Coach"
    ) as coach:
        for coach_id in (coach.worker_id, coach.worker_id, admin.worker_id, None):
            values = {
                "phase": "intake",
                "timezone": "US/Eastern",
                "birthday": "1990-01-01",
                "coach_id": coach_id,
            }
            names = {"first_name": "Grace", "last_name": "Hopper"}
            await store.create(
                Actor(admin.environment_id, "test", "cli", "test", whole=True),
                patients,
                values | names,
            )
        path = f"{PATH}/{coach.worker_id}"
        page = Document(await admin.get(path))
        assert page.row("2 patients keep Carl as coach")
        assert page.row("1 open session")
        assert (await admin.send_form(f"{path}/disable")).status_code == 303
        assert (await coach.get("/account")).headers["location"].startswith("/sign-in")
        assert (await admin.send_form(f"{path}/link")).status_code == 404
        assert (await admin.send_form(f"{path}/enable")).status_code == 303
        answer = await admin.get(path)
        assert re.search(r"Disabled .{0,40}· by Ada Admin", Document(answer).main().words)
        assert Document(answer).row("Enabled")


async def test_signing_out_everywhere_and_a_lost_phone(
    admin: Person, people: People, database: Database
) -> None:
    async with await people(admin.environment_id, "coach") as coach:
        path = f"{PATH}/{coach.worker_id}"
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE worker_accounts SET totp_sealed = 'x', totp_confirmed_at = now() "
                "WHERE environment_id = $1 AND worker_id = $2",
                *(coach.environment_id, coach.worker_id),
            )
        assert Document(await admin.get(path)).form(to=f"{path}/second-factor")
        assert (await admin.send_form(f"{path}/second-factor")).status_code == 303
        assert Document(await admin.get(path)).lacks("form", f"{path}/second-factor")
        assert (await admin.send_form(f"{path}/sign-out")).status_code == 303
        assert (await coach.get("/account")).status_code == 303
        events = Document(await admin.get(path))
    assert events.row("Second factor removed")
    assert events.row("Signed out everywhere")


async def test_two_who_change_one_worker_both_keep_their_work(
    admin: Person, people: People
) -> None:
    async with await people(
        admin.environment_id, "coach", first_name="Carla", last_name="Coach"
    ) as coach:
        path = f"{PATH}/{coach.worker_id}/edit"
        form = (await admin.get(path)).text
        hidden_fields = [
            (unescape(a), unescape(b))
            for a, b in re.findall(r'name="(updated_at|was\.[^"]*)" value="([^"]*)"', form)
        ]
        fields = SHARED | {"first_name": "Carla", "last_name": "Coach", "email": coach.email}
        assert (
            await admin.send_form(path, *hidden_fields, **fields | {"last_name": "Married"})
        ).status_code == 303
        assert (
            await admin.send_form(path, *hidden_fields, **fields | {"timezone": "US/Pacific"})
        ).status_code == 303
        page = Document(await admin.get(f"{PATH}/{coach.worker_id}"))
        assert page.heading("Carla Married")
        assert "US/Pacific" in page.definition("Time zone")
        clash = await admin.send_form(path, *hidden_fields, **fields | {"last_name": "Divorced"})
    assert clash.status_code == 409
    assert Document(clash).get("radio", "Married")
    assert Document(clash).get("radio", "Divorced")


async def test_another_address_is_written_in_one_transaction_with_the_look_at_what_it_opens(
    admin: Person, people: People, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await people(
        admin.environment_id, "coach", first_name="Carla", last_name="Coach"
    ) as coach:
        path = f"{PATH}/{coach.worker_id}/edit"
        form = (await admin.get(path)).text
        hidden_fields = [
            (unescape(a), unescape(b))
            for a, b in re.findall(r'name="(updated_at|was\.[^"]*)" value="([^"]*)"', form)
        ]
        update, tried = editing.update, []

        async def meanwhile(*values: Any, **named: Any) -> Any:
            connection = await asyncpg.connect(dsn)
            try:
                await connection.execute(
                    "SELECT FROM worker_accounts WHERE worker_id = $1 FOR UPDATE NOWAIT",
                    coach.worker_id,
                )
                tried.append("roles could be given")
            except asyncpg.LockNotAvailableError:
                tried.append("waits")
            finally:
                await connection.close()
            return await update(*values, **named)

        monkeypatch.setattr(editing, "update", meanwhile)
        fields = SHARED | {
            "first_name": "Carla",
            "last_name": "Coach",
            "email": "other@example.org",
        }
        assert (await admin.send_form(path, *hidden_fields, **fields)).status_code == 303
    assert tried == ["waits"]


async def test_the_list_tells_how_each_stands_and_narrows(admin: Person, people: People) -> None:
    async with await people(admin.environment_id, first_name="No", last_name="Role"):
        page = Document(await admin.get(PATH))
        assert page.link("No Role")
        assert page.link("Noise Here")
        assert "Administrator" in page.row("Ada Admin")
        waiting = Document(await admin.get(f"{PATH}?show=waiting"))
        # Who cannot sign in yet is not active.
        active = Document(await admin.get(f"{PATH}?show=active"))
        assert not active.mentions("Noise Here")
        assert Document(await admin.get(f"{PATH}?show=roleless")).link("No Role")
    assert waiting.link("Noise Here")
    assert not waiting.mentions("Ada Admin</a>")


async def test_the_list_says_of_each_the_caseload_and_the_absence_and_is_searched(
    admin: Person, people: People, database: Database, store: Store
) -> None:
    environment = admin.environment_id
    by = Actor(environment, "test", "cli", "test", whole=True)
    fields = {"birthday": "1950-12-09", "timezone": "US/Eastern", "phase": "intake"}
    async with await people(environment, "coach", first_name="Zoë", last_name="Ångström") as coach:
        for number in range(3):
            name = {"first_name": f"P{number}", "last_name": "Q", "coach_id": coach.worker_id}
            await store.create(by, patients, fields | name)
        page = Document(await admin.get(PATH))
        assert page.row("Zoë Ångström").all("cell")[3].words == "3"
        assert page.row("Noise Here").all("cell")[3].words == ""
        assert page.row("Zoë Ångström").all("cell")[4].words == ""
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO absences (environment_id, id, worker_id, from_time, to_time, reason)"
                " SELECT $1, gen_random_uuid(), $2::uuid, now() + n * interval '1 day',"
                " now() + (n + 2) * interval '1 day', '' FROM unnest(ARRAY[-1, 7]) n",
                *(environment, coach.worker_id),
            )
        row = Document(await admin.get(PATH)).row("Zoë Ångström")
        assert "until" in row.all("cell")[4].words
        assert row.link("Hand over the caseload of Zoë Ångström")
        for text, there in (("zoe ang", True), ("COACH zoe", True), ("administrator", False)):
            page = Document(await admin.get(PATH, params={"q": text}))
            assert bool(page.all("link", "Zoë Ångström")) == there, text
            assert page.lacks("link", "Noise Here")
        assert Document(await admin.get(f"{PATH}?q=nobody-at-all")).testid("empty")
        # From its row, as from its page.
        path = f"{PATH}/{coach.worker_id}"
        disable = Document(await admin.get(PATH)).form(to=f"{path}/disable")
        assert disable.attribute("data-confirm")


async def test_older_events_are_fetched_a_page_at_a_time(
    admin: Person, people: People, database: Database
) -> None:
    async with (
        await people(admin.environment_id, "coach") as coach,
        database.connection() as connection,
    ):
        await connection.execute(
            "INSERT INTO worker_events (environment_id, worker_id, event, actor, detail,"
            " request_id) SELECT $1, $2::uuid, 'sign-in failed', 'worker:' || $2::uuid, 'number '"
            " || n, 'r' FROM generate_series(1, 65) n",
            *(coach.environment_id, coach.worker_id),
        )
        page = (await admin.get(f"{PATH}/{coach.worker_id}")).text
        numbers = re.findall(r"number (\d+)", page)
        while link := re.search(r'hx-get="([^"]*events\?before=\d+)"', page):
            page = (await admin.fragment(link[1])).text
            numbers += re.findall(r"number (\d+)", page)
    assert numbers == [str(n) for n in range(65, 0, -1)]


async def test_another_environments_workers_are_not_there(
    admin: Person, people: People, database: Database
) -> None:
    async with await people(
        await new_environment(database), "coach", first_name="Secret"
    ) as stranger:
        path = f"{PATH}/{stranger.worker_id}"
        assert not Document(await admin.get(PATH)).mentions("Secret")
        for rest in ("", "/edit", "/events", "/roles"):
            assert (await admin.get(path + rest)).status_code == 404
        for action in ("roles", "link", "second-factor", "disable", "enable", "sign-out", "edit"):
            answer = await admin.send_form(
                f"{path}/{action}",
                ("roles", "admin"),
                **SHARED,
                first_name="X",
                last_name="Y",
                email="z",
            )
            assert answer.status_code == 404, action
        assert await roles_of(database, stranger) == ["coach"]
        assert (await stranger.get("/account")).status_code == 200


async def test_the_start_says_what_needs_a_look(admin: Person) -> None:
    page = Document(await admin.get("/admin"))
    assert page.link("1 worker has a role and no way to sign in yet")
    assert page.link("1 worker signs in with a password alone")
