"""Every page that there is to see, from the table of routes, with what there is in its open parts
in the demo's environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from almoner.access import clients, reset_links
from almoner.access.grants import EVERYTHING
from almoner.access.worker_events import By
from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.erasure import erasure_requests
from almoner.notifications import subscriptions
from almoner.notifications.subscription_terms import Rules
from almoner.processes.hooks import HOOKS
from almoner.processes.webhooks import set_webhook
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from almoner.workshop.program_file import parse
from tests.conftest import Callers
from tests.pages.walking import SOMETHING, addresses, filled, fired
from tests.people import Person
from tests.portal.merging import merge
from tests.portal.test_automatic import started
from tests.workshop.pages import clinic_jobs

# Pages that lie between two others: no address alone leads to them, so that a test of theirs looks
# at them.
BETWEEN = {
    "/sign-in/provider": "leads to an identity provider: access/test_oidc.py",
    "/sign-in/back": "comes back from there: access/test_oidc.py",
    "/sign-in/code": "after a password: pages/test_every_page.py, for strangers",
    "/sign-in/recovery": "after a password: pages/test_every_page.py, for strangers",
    "/sign-in/set-up": "after a password: pages/test_every_page.py, for strangers",
    "/workshop/publish/run/{run}": "while a publish runs: workshop/pages/test_life.py",
}
# Addresses that give something else than a page, and what. Those that lead on to a page need no
# mention: that one is looked at.
NO_PAGE = {
    "/calendar/feed/{token}.ics": "a file for calendars",
    "/calendar/people": "a part of a page",
    "/patients/coaches": "a part of a page",
    "/session": "a part of a page",
    "/workshop/file/download": "a file",
    "/admin/import/{import}/bad": "a file",
    "/supervisor/export": "a file",
    "/admin/personal-data/of/{patient}/download": "a file",
    "/panel/export": "a file",
}
# What some pages are asked with; the others by their address alone.
ASKED_WITH = {
    "/calendar": ("?view=day", "?view=week", "?view=month"),
    "/calendar/new": ("", "?patient={patient}"),
    "/inbox/hand-over": ("?patient={patient}",),
    "/inbox/snooze": ("?patient={patient}",),
    "/tasks/new": ("", "?patient={patient}"),
    "/patients/{id}/assessments/new": ("", "?spec=weekly_check_in"),
    "/patients/{id}/records/new": ("?type=medication",),
    "/workshop/assessments/{assessment:path}": ("", "?open=question.0.1", "?open=scoring"),
    "/workshop/restore": ("?state=1",),
    "/panel": (
        "",
        "?sort=due&way=down",
        "?columns=phase,due&filter=phase",
        "?columns=phase&all=gone:is:1",
    ),
}
OPENED = [
    page
    for page in PAGES
    if "GET" in page.methods and not page.background and page.path not in BETWEEN
]
# The path of each with what it is asked with.
VISITED = [
    (page.path, query)
    for page in OPENED
    if page.path not in NO_PAGE
    for query in ASKED_WITH.get(page.path, ("",))
]
_LISTS = (
    *("phases", "appointment_types", "assessments", "custom_data_types", "care_flows"),
    *("task_types", "message_templates", "call_outcomes", "note_types"),
    *("processes", "roles", "sidebar"),
)
_WEBHOOK = {
    "name": "EHR bridge",
    "notify_url": "https://ehr.example.org/in",
    "resources": ["patients", "messages"],
    "authentication": "token_exchange",
    "client_id": "almoner",
    "client_secret": "what they gave us",
    "token_url": "https://ehr.example.org/token",
}


@dataclass(frozen=True)
class Visited:
    """Who opens every page, and, by the beginning of a path, what there is in its open part where
    that is nobody's.
    """

    person: Person
    database: Database
    there: Mapping[str, str]

    async def address(self, path: str, query: str = "") -> str:
        """The address of a page, as it is asked for with ``query``."""
        start = next((start for start in self.there if path.startswith(start)), None)
        if start is not None:
            of_patient = path.replace("/patients/{id}", f"/patients/{self.person.patient_id}")
            here = filled(of_patient, self.there[start])
        else:
            page = next(page for page in OPENED if page.path == path)
            here = (await addresses(self.database, self.person, page, [self.person.patient_id]))[0]
        return here + query.format(patient=self.person.patient_id)


async def visited_by(person: Person, callers: Callers, store: Store) -> Visited:
    """Puts into the environment of ``inhabited`` what the open parts of pages need beside patients,
    and says what that is.
    """
    environment, patient = person.environment_id, person.patient_id
    async with callers.database.connection() as connection:
        client = await clients.create(
            connection,
            callers.box,
            environment_id=environment,
            name="Warehouse",
            scope="all",
            shape="documented",
        )
        webhook = await subscriptions.create(
            connection, callers.box, environment, _WEBHOOK, Rules(BY_NAME, False)
        )
        link = await reset_links.make(
            connection, environment, person.worker_id, By("test", "test", EVERYTHING)
        )
        other = (
            "SELECT id::text FROM {} WHERE environment_id = $1 AND id <> $2 ORDER BY id DESC"
            " LIMIT {}"
        )
        colleague = await connection.fetchval(
            other.format("workers", 1), environment, person.worker_id
        )
        double, third = [
            row[0]
            for row in await connection.fetch(other.format("patients", 2), environment, patient)
        ]
        name = await connection.fetchval("SELECT name FROM environments WHERE id = $1", environment)
    async with callers.database.transaction() as connection:
        url = "https://crm.example.org/in"
        await HOOKS.set(connection, callers.box, environment, "discharge", "hmac")
        await set_webhook(connection, callers.box, environment, "crm", url)
    assert (await person.send_form("/workshop/environments", name="trial")).status_code == 303
    merged = await merge(person, patient, double, wins="kept", sure="on")
    assert merged.status_code == 303, merged.text
    pasted = "MRN,First name,Surname,DOB\nA-1,Grace,Hopper,12/09/1906\n"
    taken = await person.send_form("/admin/import", collection="patients", pasted=pasted)
    assert taken.status_code == 303, taken.text
    await fired(person, callers.database, [patient])
    job = await clinic_jobs.begun(callers, store, environment, [patient], items=24)
    await clinic_jobs.done(callers, store, environment, job)
    signed = await person.send_form(
        f"/patients/{patient}/note", note_type="progress", text="Walks.", do="save"
    )
    assert signed.status_code == 303, signed.text
    async with callers.database.connection() as connection:
        note = await connection.fetchval(
            "SELECT id::text FROM notes WHERE environment_id = $1 AND patient_id = $2"
            " ORDER BY created_at DESC LIMIT 1",
            environment,
            patient,
        )
    bulk = {"id": SOMETHING, "channel": "phone", "contents": "We close at noon."}
    queued = await person.send_form("/panel/message/send", patient=patient, **bulk)
    assert queued.status_code == 303, queued.text
    firing = await started(store, environment, callers.database, patient)
    async with callers.database.transaction() as connection:
        erasure = await erasure_requests.ask(
            connection, environment, third, "asked for it", By("operator", "test", EVERYTHING)
        )
    there = {
        f"/workshop/{at}{group}/": item
        for group, item in _items().items()
        for at in ("", "remove/")
    }
    there |= {
        "/workshop/clients/": client.client_id,
        "/workshop/webhooks/": webhook.id,
        "/workshop/process-hooks/": "discharge",
        "/workshop/process-webhooks/": "crm",
        "/workshop/history/": "1",
        "/workshop/automation/try/": "low_mood",
        "/workshop/automation/firings/": "low_mood",
    }
    there |= dict.fromkeys(("/workshop/environments/", "/admin/environments/"), f"{name}.trial")
    there |= {
        "/patients/{id}/merge/{": third,
        "/patients/{id}/undo/{": firing,
        "/patients/{id}/errors/{": note,
        "/calendar/feed/{": SOMETHING,
        "/panel/messages/{": SOMETHING,
        "/admin/workers/": colleague,
        "/admin/import/{": taken.headers["location"].rpartition("/")[2],
        "/admin/personal-data/of/{": third,
        "/admin/personal-data/{": erasure,
        "/reset/": reset_links.path(link).rpartition("/")[2],
    }
    return Visited(person, callers.database, there)


def _items() -> dict[str, str]:
    """The first item of each list of the program."""
    design = parse(kiwi_health.source())
    firsts = {group: getattr(design, group)[0] for group in _LISTS}
    return {group: quote(getattr(item, item.identity)) for group, item in firsts.items()}
