"""An integration is set up in the Workshop: settings, secrets, schedule and hook, by who may hand on what it asks for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.access import hook_proof, worker_events
from almoner.access.grants import Authority
from almoner.access.worker_events import By
from almoner.errors import ApiError
from almoner.integrations import Secret, hooks, installed
from almoner.integrations.csv_drop import csv_drop
from almoner.integrations.kiwihealth_pull import KiwiHealthSettings, kiwihealth_pull
from almoner.vocabulary.definitions import NO_RIGHTS
from almoner.workshop.pages.integrations import setup
from tests.conftest import Callers, Server
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

PATH = "/workshop/integrations/kiwihealth_pull"
FILLED = {
    "setting_base_url": "https://kiwi.example.org",
    "setting_client_id": "almoner",
    "setting_client_secret": "seed-7f3a",
    "setting_namespace": "",
    "setting_page_size": "50",
    "schedule": "0 6 * * 1-5",
    "zone": "US/Eastern",
}
# What the page says of it.
SCHEDULED = "on the schedule 0 6 * * 1-5, US/Eastern"


@pytest.fixture
async def integrator(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin", "coach") as person:
        yield person


def issued(page: Document) -> str:
    """The secret that a page shows once."""
    once = page.region("The hook is open")
    assert "shown only now" in once
    return once.field("Secret").value


async def configured(callers: Callers, program: int) -> Any:
    async with callers.database.connection() as connection:
        return (
            await installed.configured(connection, callers.box, program, kiwihealth_pull)
        ).settings


async def test_it_is_set_up_by_a_form_made_of_its_settings_and_a_secret_is_never_shown(
    integrator: Person, callers: Callers, program: int
) -> None:
    form = Document(await integrator.get(f"{PATH}/edit"))
    for name in FILLED:
        assert form.field(name)
    assert "Where the partner's API begins" in form.field("setting_base_url").help
    answer = await integrator.send_form(f"{PATH}/edit", **FILLED)
    assert answer.status_code == 303, Document(answer).words
    assert await configured(callers, program) == KiwiHealthSettings(
        "https://kiwi.example.org", "almoner", Secret("seed-7f3a"), page_size=50
    )
    page = Document(await integrator.get(answer.headers["location"]))
    assert page.status("Saved.")
    assert page.definition("Client secret").words == "set, and not shown"
    assert page.definition("Jobs are").words == SCHEDULED
    assert page.definition("Next jobs").words.count(":00") == 3
    again = Document(await integrator.get(f"{PATH}/edit"))
    assert not page.mentions("seed-7f3a")
    assert not again.mentions("seed-7f3a")
    assert "Leave it empty to keep the one we have." in again.field("setting_client_secret").help

    changed = FILLED | {"setting_client_secret": "", "setting_page_size": "", "schedule": ""}
    assert (await integrator.send_form(f"{PATH}/edit", **changed)).status_code == 303
    settings = await configured(callers, program)
    assert (settings.client_secret, settings.page_size) == ("seed-7f3a", 100)
    assert Document(await integrator.get(PATH)).definition("Jobs are").words == "begun by hand"
    async with callers.database.connection() as connection:
        events = await worker_events.list_events(connection, program, limit=2)
    assert [event.event for event in events] == ["integration set", "integration set"]
    assert events[1].after is not None
    assert events[1].after["client_secret"] == "another one"
    assert events[0].after == {"page_size": 100}


async def test_what_does_not_fit_is_said_beside_its_field_and_nothing_is_changed(
    integrator: Person, callers: Callers
) -> None:
    wrong = {
        "setting_page_size": "many",
        "setting_base_url": "",
        "schedule": "at dawn",
        "zone": "Mars",
    }
    refusals = {
        "setting_page_size": "whole number",
        "setting_base_url": "Fill this in.",
        "schedule": "five parts as cron has them",
        "zone": "time zone",
    }
    for name, value in wrong.items():
        answer = await integrator.send_form(f"{PATH}/edit", **(FILLED | {name: value}))
        assert answer.status_code == 400
        assert refusals[name] in Document(answer).field(name).error
    assert "not set up" in Document(await integrator.get(PATH)).region("State")


async def test_a_hook_is_made_shown_once_used_made_anew_and_closed(
    integrator: Person, server: Server
) -> None:
    await integrator.send_form(f"{PATH}/edit", **FILLED)
    page = Document(await integrator.send_form(f"{PATH}/hook-bearer"))
    secret = issued(page)
    address = hooks.HOOKS.address("", "kiwihealth_pull")
    assert address in page.definition("Hook")
    assert not Document(await integrator.get(PATH)).mentions(secret)
    async with PlainHttp(base_url=server.url) as partner:

        async def called(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return (await partner.post(address, json={}, headers=headers)).status_code

        assert await called(secret) == 202
        signed = Document(await integrator.send_form(f"{PATH}/hook-hmac"))
        assert "begun by its hook, signed" in signed.definition("Jobs are")
        assert await called(secret) == 401
        again = issued(signed)
        moment = str(int(time.time()))
        proof = {
            hook_proof.TIME_HEADER: moment,
            hook_proof.SIGNATURE_HEADER: hook_proof.signature(again, moment, b"{}"),
        }
        assert (await partner.post(address, content=b"{}", headers=proof)).status_code == 202
        assert (await integrator.send_form(f"{PATH}/close-hook")).status_code == 303
        assert (await partner.post(address, content=b"{}", headers=proof)).status_code == 401
    assert Document(await integrator.get(PATH)).definition("Jobs are").words == SCHEDULED


async def test_it_is_switched_off_and_on(integrator: Person) -> None:
    await integrator.send_form(f"{PATH}/edit", **FILLED)
    off = await integrator.send_form(f"{PATH}/off")
    assert Document(await integrator.get(off.headers["location"])).status("It is switched off")
    assert (await integrator.send_form(f"{PATH}/run")).status_code == 400
    await integrator.send_form(f"{PATH}/on")
    assert (await integrator.send_form(f"{PATH}/run")).status_code == 303


async def test_nobody_hands_on_what_they_do_not_hold_and_none_but_who_may_integrate(
    people: People, callers: Callers, program: int
) -> None:
    few = By("worker:1", "test", Authority(rights=NO_RIGHTS))
    body = {"base_url": "https://kiwi.example.org", "client_id": "a", "client_secret": "b"}
    async with callers.database.transaction() as connection:
        with pytest.raises(ApiError, match="forbidden"):
            await installed.configure(
                connection, callers.box, program, kiwihealth_pull, body, by=few
            )
    async with await people(program, "coach") as coach:
        assert (await coach.get(f"{PATH}/edit")).status_code in (403, 404)
        assert (await coach.send_form(f"{PATH}/edit", **FILLED)).status_code in (403, 404)


async def test_what_is_of_the_machine_is_set_at_its_terminal_alone(
    integrator: Person, callers: Callers, program: int
) -> None:
    path = "/workshop/integrations/csv_drop"
    form = Document(await integrator.get(f"{path}/edit"))
    assert form.field("setting_collection")
    for setting in csv_drop.of_host:
        assert not form.mentions(setup.PREFIX + setting)
    sent = {"setting_collection": "patients", "setting_folder": "/etc"}
    refused = await integrator.send_form(f"{path}/edit", **sent)
    assert refused.status_code == 400
    assert "almoner integration set csv_drop" in Document(refused).alert()
    async with callers.database.transaction() as connection:
        body = {"folder": "/srv/drop", "collection": "patients"}
        await installed.configure(connection, callers.box, program, csv_drop, body)
    changed = sent | {"setting_mapping": '{"MRN": "external_id"}', "setting_quiet_seconds": "5"}
    answer = await integrator.send_form(f"{path}/edit", **changed)
    assert answer.status_code == 303, Document(answer).words
    async with callers.database.connection() as connection:
        settings: Any = (
            await installed.configured(connection, callers.box, program, csv_drop)
        ).settings
    assert (settings.folder, settings.mapping) == ("/srv/drop", {"MRN": "external_id"})
    bad = await integrator.send_form(f"{path}/edit", **(changed | {"setting_mapping": "{"}))
    assert bad.status_code == 400


def test_every_setting_in_the_box_has_a_control_or_is_of_the_machine() -> None:
    for integration in installed.installed().values():
        names = {
            control.name.removeprefix(setup.PREFIX) for control in setup.inputs(integration, ())
        }
        assert names | set(integration.of_host) == set(integration.settings.__struct_fields__)
