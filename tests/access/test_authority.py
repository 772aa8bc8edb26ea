"""Nobody hands on what they do not hold: every kind of worker sends every form of every page, and
what they gave is looked at.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from almoner.access import clients, grants
from almoner.access.grants import Authority, Grant, beyond, widened
from almoner.app import PAGES
from almoner.database import Database
from almoner.notifications import subscriptions
from almoner.notifications.subscription_terms import Rules
from almoner.pages.route import ANYONE, PageRoute
from almoner.resources import BY_NAME
from almoner.vocabulary.definitions import ANSWERS, NO_RIGHTS, NOTES, RECORDS, Program, Rights
from almoner.workshop import drafts, kiwi_health
from almoner.workshop.design import ProgramDesign, Role
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from almoner.workshop.published_programs import design_of, newest_version, rights
from tests.cases import quick
from tests.conftest import Callers, new_environment
from tests.people import People, Person
from tests.web.document import Document

# An administrator from whom something is hidden, and somebody who integrates and sees the worker's
# own patients alone.
ROLES = (
    Role(name="office", may=("administer", "integrate"), hidden_assessments=("mood_check",)),
    Role(name="liaison", may=("integrate", "give_care"), patients="own"),
)
KINDS: tuple[tuple[str, ...], ...] = (
    ("coach",),
    ("designer",),
    ("supervisor",),
    ("billing",),
    ("liaison",),
    ("admin",),
    ("office",),
    ("billing", "supervisor"),
    ("coach", "designer", "admin"),
)
FORMS = [page for page in PAGES if "POST" in page.methods and ANYONE not in page.permissions]
# Pages that give nobody anything, and forms that end what the next one needs.
GIVE_NOTHING = ("/account", "/sign-out", "/patients", "/calendar", "/inbox")
END = ("/disable", "/delete", "/sign-out", "/revoke")
# What somebody has sent who tries it: every field by which a page gives something, each as wide as
# it can be.
ALL_SCOPES = [f"{name}.{right}" for name in BY_NAME for right in ("read", "write")] + [
    "changes.read"
]
TERMS = {
    "notify_url": "https://taken.example.org/",
    "resources": list(BY_NAME),
    "client_id": "a",
    "client_secret": "a secret of the receiver",
    "token_url": "https://taken.example.org/token",
}


@dataclass
class House:
    """An environment with somebody of every kind in it, and what an attacker could want."""

    environment: int
    people: dict[tuple[str, ...], Person]
    client: str
    webhook: str
    design: ProgramDesign


@pytest.fixture(scope="module")
async def house(people: People, database: Database, callers: Callers) -> AsyncIterator[House]:
    environment = await new_environment(database)
    whole = parse(kiwi_health.source())
    # Who has no second factor yet is shown nothing but the way to one: here nobody but nurses needs
    # one.
    design = replace(
        whole,
        roles=(
            *(replace(role, second_factor=role.name == "nurse") for role in whole.roles),
            *ROLES,
        ),
    )
    async with database.connection() as connection:
        await publish(connection, environment, design, "test")
        issued = await clients.create(
            connection,
            callers.box,
            environment_id=environment,
            name="Everything",
            scope="all",
            shape="documented",
        )
        hook = await subscriptions.create(
            connection, callers.box, environment, {"name": "All", **TERMS}, Rules(BY_NAME, False)
        )
    async with AsyncExitStack() as stack:
        people_of = {
            roles: await stack.enter_async_context(await people(environment, *roles))
            for roles in KINDS
        }
        yield House(environment, people_of, issued.client_id, hook.id, design)


def asked(page: PageRoute, house: House, person: Person) -> list[str]:
    """The addresses of a page, with each thing in its open part that somebody may reach for."""
    workers = [
        person.worker_id,
        *(worker.worker_id for worker in house.people.values() if worker is not person),
    ]
    reached = {
        "/workshop/clients": [house.client],
        "/workshop/webhooks": [house.webhook],
        "/admin/workers": workers,
    }
    values = next((value for path, value in reached.items() if page.path.startswith(path)), ["1"])
    return list(dict.fromkeys(re.sub(r"\{[^}]*\}", value, page.path) for value in values))


def fields(number: int) -> list[tuple[str, str]]:
    """A form that asks for everything; names differ, since two of one name are refused for that
    alone.
    """
    submitted = {
        "grant": "all",
        "shape": "documented",
        "days": "3650",
        "invite": "on",
        "do": "make",
        "token": "",
        "lock": "0",
    }
    submitted |= {
        "name": f"taken-{number}",
        "first_name": "Eve",
        "last_name": "Taker",
        "timezone": "UTC",
    }
    submitted |= {
        "email": f"eve-{number}@example.org",
        "authentication": "token_exchange",
        "number": "0",
        "message": "x",
    }
    submitted |= {name: value for name, value in TERMS.items() if isinstance(value, str)}
    listed = [("roles", name) for name in ("admin", "designer", "coach", "billing")]
    listed += [("resources", name) for name in BY_NAME] + [
        ("scopes", scope) for scope in ALL_SCOPES
    ]
    return [
        *submitted.items(),
        *listed,
        *(("accept", word) for word in ("roles", "phases", "records", "responses")),
    ]


async def accounts(database: Database, environment: int) -> dict[str, tuple[str, ...]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT worker_id::text, roles FROM worker_accounts WHERE environment_id = $1",
            environment,
        )
    return {row[0]: tuple(row[1]) for row in rows}


def sees(holder: Rights, scope: str) -> bool:
    """Whether somebody with these rights could read what a scope opens: said here once more, by
    hand.
    """
    hides = bool(holder.hidden_assessments or holder.hidden_data)
    if scope == "all":
        return "administer" in holder.may and holder.all_patients and not hides
    about = scope.partition(".")[0]
    if about in ("workers", "calendars", "subscriptions", "program"):
        return True
    if about in ("assessment_responses", "custom_data_type_records", "changes") and hides:
        return False
    return holder.all_patients


async def widening(database: Database, house: House) -> dict[str, str]:
    """What the form of a publish says of a draft that opens more to everybody, which is saved for
    it.
    """
    wide = tuple(
        replace(
            role,
            may=("administer", "give_care", "integrate"),
            patients="all",
            second_factor=False,
            hidden_assessments=(),
        )
        for role in (*house.design.roles, Role(name="designer"))
    )
    async with database.connection() as connection:
        now = await drafts.current(connection, house.environment)
        wished = replace(house.design, roles=wide)
        saved = await drafts.save(
            connection, house.environment, now.revision, wished, "Lesley Jones"
        )
        return {
            "revision": str(saved.draft.revision),
            "live": str(await newest_version(connection, house.environment)),
        }


async def grants_of(database: Database, person: Person) -> dict[str, list[Any]]:
    """What somebody has handed on: scopes of clients and tokens, the longest token in days, and
    what webhooks tell of.
    """
    async with database.connection() as connection:
        actor = f"worker:{person.worker_id}"
        scopes = await connection.fetch(
            "SELECT c.scope FROM clients c JOIN client_secrets s ON s.environment_id = $1 AND"
            " s.client_id = c.id WHERE c.environment_id = $1 AND s.made_by = $2 UNION SELECT scope"
            " FROM access_tokens WHERE environment_id = $1 AND made_by = $2",
            *(person.environment_id, actor),
        )
        days = await connection.fetchval(
            "SELECT max(expires_at - created_at) FROM access_tokens WHERE environment_id = $1 AND"
            " made_by = $2",
            *(person.environment_id, actor),
        )
        resources = await connection.fetch(
            "SELECT DISTINCT unnest(resources) FROM subscriptions WHERE environment_id = $1 AND"
            " made_by = $2",
            *(person.environment_id, actor),
        )
    every = {scope for row in scopes for scope in row[0].split()}
    return {
        "scopes": sorted(every),
        "days": [days.days] if days else [],
        "told": sorted(row[0] for row in resources),
    }


@pytest.mark.parametrize("kind", quick(KINDS, 2), ids="-".join)
async def test_after_every_form_of_every_page_nobody_holds_more_than_its_sender_may_give(
    kind: tuple[str, ...], house: House, database: Database
) -> None:
    person, program = house.people[kind], Program(roles=rights(house.design))
    holder, before = program.rights(kind), await accounts(database, house.environment)
    async with database.connection() as connection:
        own = (house.environment, house.webhook)
        await connection.execute(
            "DELETE FROM subscriptions WHERE environment_id = $1 AND name LIKE 'taken%' AND id"
            " <> $2",
            *own,
        )
    answers = [
        (
            await person.send_form(
                "/workshop/publish", *fields(0), **await widening(database, house)
            )
        ).status_code
    ]
    for number, page in enumerate(FORMS):
        if page.path.startswith(GIVE_NOTHING) or page.path.endswith(END):
            continue
        for path in asked(page, house, person):
            answer = await person.send_form(path, *fields(number))
            answers.append(answer.status_code)
            assert answer.status_code < 500, (path, answer.text)
    assert len(answers) > 40
    assert (await person.get("/account")).status_code == 200, (
        "who tried it was signed in all the while"
    )
    async with database.connection() as connection:
        now = rights(
            await design_of(
                connection, house.environment, await newest_version(connection, house.environment)
            )
        )
    wrong = [
        f"the role {name} opens more"
        for name in program.roles
        if now.get(name, program.roles[name]) != program.roles[name]
    ]
    grants = await grants_of(database, person)
    wrong += [f"gave {scope}" for scope in grants["scopes"] if not sees(holder, scope)]
    wrong += [
        f"gave a token of {days} days"
        for days in grants["days"]
        if days > 90 and "administer" not in holder.may
    ]
    wrong += [f"is told of {name}" for name in grants["told"] if not sees(holder, f"{name}.read")]
    for worker_id, roles in (await accounts(database, house.environment)).items():
        had, has = program.rights(before.get(worker_id, ())), program.rights(roles)
        if has.may - had.may and "administer" not in holder.may:
            wrong.append(f"{worker_id} may {sorted(has.may - had.may)}")
        newly = holder.hidden_assessments - has.hidden_assessments
        if has != had and newly & (
            had.hidden_assessments if had.may & {"give_care", "integrate", "administer"} else newly
        ):
            wrong.append(f"{worker_id} sees what is hidden from who gave it")
    assert not wrong
    # As it was, for the next one.
    async with database.connection() as connection:
        for worker_id, roles in before.items():
            await connection.execute(
                "UPDATE worker_accounts SET roles = $3, disabled_at = NULL WHERE environment_id ="
                " $1 AND worker_id = $2",
                *(house.environment, worker_id, list(roles)),
            )


async def test_who_integrates_opens_what_the_roles_show_and_for_at_most_ninety_days(
    house: House,
) -> None:
    expected = {
        ("designer",): (True, False, True, True, False),
        ("billing",): (True, False, False, False, False),
        ("liaison",): (False, False, False, False, False),
        ("office",): (True, False, False, False, True),
        ("admin",): (True, True, True, True, True),
        ("billing", "supervisor"): (True, False, True, True, False),
    }
    for kind, (patients, everything, answers, changes, longer) in expected.items():
        person, answer_of = house.people[kind], {}
        for scope in ("patients.read", "all", "assessment_responses.read", "changes.read"):
            grant = {"grant": "all"} if scope == "all" else {"grant": "some", "scopes": scope}
            answer_of[scope] = await person.send_form(
                "/workshop/clients", name=scope, shape="documented", **grant
            )
        statuses = [
            answer_of[scope].status_code
            for scope in ("patients.read", "all", "assessment_responses.read", "changes.read")
        ]
        assert statuses == [
            200 if allowed else 403 for allowed in (patients, everything, answers, changes)
        ], kind
        refused = next((answer for answer in answer_of.values() if answer.status_code == 403), None)
        assert refused is None or "what you do not hold yourself" in Document(refused).main()
        if patients:
            path = f"/workshop/clients/{id_in(answer_of['patients.read'])}/token"
            assert (await person.send_form(path, days="90")).status_code == 200, kind
            assert (await person.send_form(path, days="91")).status_code == (
                200 if longer else 400
            ), kind


def id_in(page: httpx.Response) -> str:
    [value] = re.findall(r'id="issued-id" value="([^"]*)"', page.text)
    return str(value)


async def test_a_wider_client_gives_no_secret_and_no_token_to_who_may_do_less(
    house: House, database: Database
) -> None:
    billing = house.people[("billing",)]
    path = f"/workshop/clients/{house.client}"
    for action, fields in (("rotate", {}), ("token", {"days": "1"})):
        refused = await billing.send_form(f"{path}/{action}", **fields)
        assert refused.status_code == 403, action
        assert not Document(refused).mentions("alm_")
        assert Document(refused).lacks("field", "Client secret")
    narrowed = await billing.send_form(
        f"{path}/edit", name="Everything", grant="all", shape="documented"
    )
    assert narrowed.status_code == 303, "what it has already may stay"
    assert "is made by an administrator" in Document(await billing.get(path)).main()
    # Ending is nobody's to forbid.
    assert (await billing.send_form(f"{path}/end-tokens")).status_code == 303


async def test_a_program_subscribes_nobody_to_what_it_may_not_read(
    house: House, callers: Callers
) -> None:
    async with await callers(
        house.environment, "subscriptions.read subscriptions.write patients.read"
    ) as api:
        answer = await api.post(
            "/v1/subscriptions", json={"name": "Patients", **TERMS, "resources": ["patients"]}
        )
        assert answer.status_code == 200
        wide = await api.post(
            "/v1/subscriptions",
            json={"name": "More", **TERMS, "resources": ["patients", "messages"]},
        )
        taken = await api.put(
            f"/v1/subscriptions/{house.webhook}", json={"notify_url": "https://mine.example.org/"}
        )
        for refused in (wide, taken):
            assert refused.status_code == 403
            assert "messages.read" in refused.json()["errors"][0]["detail"]
        assert (await api.get(f"/v1/subscriptions/{house.webhook}")).json()["notify_url"] == TERMS[
            "notify_url"
        ]


def test_scopes_that_are_named_here_are_of_collections_that_there_are() -> None:
    named = {ANSWERS, RECORDS, NOTES, *grants.OF_NO_PATIENT} - {"program", "subscriptions"}
    assert named <= BY_NAME.keys()


def roles(**rights: Rights) -> Mapping[str, Rights]:
    return rights


def rights_of(
    *may: str, own: bool = False, hides: Collection[str] = (), factor: bool = False
) -> Rights:
    return Rights(frozenset(may), not own, frozenset(), frozenset(hides), factor)


def test_a_role_that_opens_more_is_told_and_one_that_opens_less_is_not() -> None:
    before = roles(
        nurse=rights_of("give_care", factor=True),
        own=rights_of("give_care", own=True, hides=["mood"]),
        gone=rights_of("design"),
    )
    narrower = roles(
        nurse=rights_of(factor=True, own=True),
        own=rights_of("give_care", own=True, hides=["mood", "pain"]),
    )
    assert widened(before, narrower, [("nurse",), ("own",), ("gone",)]) == ()
    wider = roles(nurse=rights_of("give_care", "administer"), own=rights_of("give_care"))
    reason = widened(before, wider, [])
    assert reason == (
        "The role nurse may also administer.",
        "The role nurse is no longer asked for a second factor.",
        "The role own sees all patients, not only those whose coach the worker is.",
        "The role own sees what was hidden: mood.",
    )


def test_a_new_role_opens_something_only_to_those_who_have_its_name_already() -> None:
    before, after = (
        roles(nurse=rights_of("give_care")),
        roles(nurse=rights_of("give_care"), king=rights_of("administer")),
    )
    assert widened(before, after, [("nurse",)]) == ()
    assert widened(before, after, [("king", "nurse"), ("nurse",)]) == (
        "Whoever has the roles king, nurse may also administer.",
    )
    # A second role that asked for a second factor and goes takes it away from whoever has both.
    both = roles(coach=rights_of("give_care"), nurse=rights_of("give_care", factor=True))
    assert widened(both, roles(coach=rights_of("give_care")), [("coach", "nurse")]) == (
        "Whoever has the roles coach, nurse is no longer asked for a second factor.",
    )


def test_whoever_administers_gives_every_permission_and_shows_nothing_that_is_hidden_from_them() -> (
    None
):
    office = Authority(rights=rights_of("administer", hides=["mood"]))
    assert beyond(office, Grant(rights=rights_of("give_care", "design", hides=["mood"]))) == ()
    assert beyond(office, Grant(rights=rights_of("give_care"))) == ("answers to mood",)
    assert (
        beyond(office, Grant(rights=rights_of("give_care", "design"), had=rights_of("give_care")))
        == ()
    )
    assert beyond(office, Grant(rights=rights_of("design"))) == (), (
        "who designs is shown no answers"
    )
    assert beyond(
        Authority(rights=rights_of("administer", own=True)), Grant(rights=rights_of("give_care"))
    ) == ("patients of others",)
    assert beyond(
        Authority(rights=rights_of("give_care")), Grant(rights=rights_of("administer"))
    ) == ("administer",)
    assert beyond(grants.NOTHING, Grant(scopes=("patients.read",), rights=NO_RIGHTS)) == (
        "patients.read",
    )
