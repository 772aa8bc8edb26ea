"""Nothing of a patient is shown without a trace: every route, as every role; every form that a page
holds, sent as it is, twice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.routing import compile_path

import almoner
from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.imports import rows as imports
from almoner.imports.rows import Checked, RowProblem
from almoner.pages.route import PageRoute
from almoner.workshop import kiwi_health
from almoner.workshop.program_file import parse
from tests.conftest import Callers
from tests.pages.forms import forms_of
from tests.pages.inhabited import busiest_patient, inhabited
from tests.pages.walking import SOMETHING, addresses, fired
from tests.people import People, Person
from tests.portal.merging import digest_of
from tests.trailing import Answers
from tests.workshop.pages import clinic_jobs

pytestmark = pytest.mark.house

# What ends the session, or takes away what the walk needs.
_ENDS = re.compile(r"^/(sign-out|account|reset|sign-in|session)")
# Nothing of a patient is there: asked once, with nothing filled in.
_WITHOUT_PATIENTS = re.compile(r"^/(workshop(?!/integrations)|admin/workers|admin/environments)")
# What a surname is made of here, so that no text has it by chance.
_NAMED = """
UPDATE patients p SET last_name = 'Zq' || translate($2 || n.n::text, '0123456789', 'abcdefghij')
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM patients WHERE environment_id = $1) AS n
WHERE p.environment_id = $1 AND p.id = n.id
"""


@dataclass
class Walk:
    """Somebody walking through every page of an environment."""

    person: Person
    database: Database
    answers: Answers
    patients: list[str]
    feed: str = ""
    ways: tuple[dict[str, str], ...] = ({}, {"HX-Request": "true"})
    opened: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    forms: dict[tuple[str, ...], tuple[str, list[tuple[str, str]]]] = field(default_factory=dict)

    async def addresses(self, page: PageRoute) -> list[str]:
        """The page's addresses, with what there is in each open part."""
        return await addresses(self.database, self.person, page, self.patients, self.feed)

    async def open(self, page: PageRoute, query: str = "") -> None:
        """Opens the page's addresses, as a page and as a part of one, and keeps the forms in it."""
        for address in await self.addresses(page):
            for headers in self.ways:
                answer = await self._get(page, address + query, headers)
                if answer.status_code in (200, 303):
                    self.opened.add(page.path)
                for form in forms_of(answer.text):
                    self.keep(form.action or address, form.values, form.buttons)

    async def _get(self, page: PageRoute, address: str, headers: dict[str, str]) -> httpx.Response:
        if not page.path.endswith("/live"):
            answer = await self.person.get(address, headers=headers)
            self.answers.take(f"GET {page.path} {headers}", answer)
            return answer
        # A stream says nothing until something happens, and goes on: its beginning is looked at.
        async with self.person.stream("GET", address) as answer:
            first_part = await anext(answer.aiter_text(), "") if answer.status_code == 200 else ""
            self.answers.take(f"GET {page.path}", answer, first_part)
        return httpx.Response(answer.status_code, text=first_part)

    def keep(
        self, action: str, values: list[tuple[str, str]], buttons: list[tuple[str, str]]
    ) -> None:
        """Keeps a form, each of its buttons as one; of those that differ in their values alone the
        first.
        """
        path = urlsplit(action).path
        page = _route("POST", path)
        if page is None or _ENDS.match(path) or _WITHOUT_PATIENTS.match(path):
            return
        for button in buttons or [("", "")]:
            names = (page.path, *sorted({name for name, _ in values}), *button)
            self.forms.setdefault(names, (action, [*values, *([button] if button[0] else [])]))

    async def send(self, action: str, values: list[tuple[str, str]]) -> None:
        page = _route("POST", urlsplit(action).path)
        assert page is not None, action
        pairs = [(name, value) for name, value in values if name != "csrf"]
        for htmx in (True, False):
            answer = await self.person.send_form(action, *pairs, htmx=htmx)
            self.answers.take(f"POST {page.path} {[name for name, _ in pairs][:8]} {htmx}", answer)
        self.sent.add(page.path)


_ADDRESSES = [(page, compile_path(page.path)[0]) for page in PAGES]


def _route(method: str, path: str) -> PageRoute | None:
    return next((p for p, form in _ADDRESSES if method in p.methods and form.match(path)), None)


async def _answers(database: Database, environment: int) -> Answers:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT environment_id, last_name, id::text FROM patients WHERE last_name LIKE 'Zq%'"
        )
    own = frozenset(row["id"] for row in rows if row["environment_id"] == environment)
    return Answers(environment, own, {row["last_name"]: row["id"] for row in rows})


async def _somebody(
    people: People, database: Database, store: Store, name: str, patients: int
) -> Person:
    person = await inhabited(people, database, store, name, patients)
    async with database.connection() as connection:
        await connection.execute(_NAMED, person.environment_id, name[0] + "x")
    return person


async def _merged(walk: Walk) -> None:
    """Makes another record a part of the first patient's, every choice made, so that there is one
    to look at.
    """
    patient, other = walk.patients[0], min(walk.answers.own - set(walk.patients))
    preview = await walk.person.get(f"/patients/{patient}/merge/{other}")
    walk.answers.take("GET merge", preview)
    walk.opened.add("/patients/{id}/merge/{other}")
    choices = dict(reversed(re.findall(r'name="(take\.[^"]+)" value="([^"]*)"', preview.text)))
    values = [
        ("other", other),
        ("sure", "on"),
        ("digest", digest_of(preview.text)),
        *choices.items(),
    ]
    answer = await walk.person.send_form(f"/patients/{patient}/merge", *values)
    walk.answers.take("POST merge", answer)
    assert answer.status_code == 303, answer.text


async def _imported(person: Person, callers: Callers) -> None:
    """Uploads a file of which a row is bad, to be looked at."""
    pasted = "First name,Surname,DOB\nGrace,Hopper,12/32/1906\n"
    answer = await person.send_form("/admin/import", collection="patients", pasted=pasted)
    import_id = answer.headers["location"].rpartition("/")[2]
    checked = Checked([RowProblem(2, "DOB", "a day is expected")], [])
    place = (person.environment_id, import_id, 0)
    async with callers.database.connection() as connection:
        await imports.set_checked(connection, callers.box, *place, checked)


async def _asked_to_erase(walk: Walk) -> None:
    """Asks for an erasure, which nobody but another administrator can then do."""
    patient = max(walk.answers.own - set(walk.patients))
    wish = {"patient": patient, "wish": "erase", "reason": "asked for it"}
    answer = await walk.person.send_form("/admin/personal-data", **wish)
    walk.answers.take("POST erase", answer)
    assert answer.status_code == 303, answer.text


@asynccontextmanager
async def _walking(
    people: People, database: Database, store: Store, callers: Callers
) -> AsyncIterator[Walk]:
    """Somebody to whom every page is open, in an environment where each has something to show."""
    async with await _somebody(people, database, store, "the-clinic", 60) as person:
        environment = person.environment_id
        patients = [person.patient_id, await busiest_patient(database, person)]
        walk = Walk(person, database, await _answers(database, environment), patients)
        await _merged(walk)
        job = await clinic_jobs.begun(callers, store, environment, patients)
        await clinic_jobs.done(callers, store, environment, job)
        await _imported(person, callers)
        await _asked_to_erase(walk)
        await fired(person, database, patients)
        answer = await person.send_form("/calendar/feed", whole_names="on")
        walk.feed = re.findall(r"/calendar/feed/[\w-]{43}\.ics", answer.text)[0]
        yield walk


async def test_whoever_a_page_shows_is_in_the_trail(
    people: People, database: Database, store: Store, callers: Callers
) -> None:
    async with (
        await _somebody(people, database, store, "another-clinic", 12) as stranger,
        _walking(people, database, store, callers) as walk,
    ):
        for patient in walk.patients:
            await walk.person.send_form(
                f"/patients/{patient}/note", note_type="progress", text="Walks.", do="save"
            )
        bulk = {"id": SOMETHING, "channel": "phone", "contents": "We close at noon."}
        chosen = [("patient", patient) for patient in walk.patients]
        await walk.person.send_form("/panel/message/send", *chosen, **bulk)
        for page in (p for p in PAGES if "GET" in p.methods and not _ENDS.match(p.path)):
            await walk.open(page)
        await _asked_with_something(walk)
        await _every_form(walk, stranger)
        faults = await walk.answers.faults(database)
        assert not faults, "\n".join(faults)
        portal = [
            p for p in PAGES if not _ENDS.match(p.path) and not _WITHOUT_PATIENTS.match(p.path)
        ]
        unopened = {p.path for p in portal if "GET" in p.methods} - walk.opened
        unsent = {p.path for p in portal if "POST" in p.methods} - walk.sent
        assert (sorted(unopened), sorted(unsent)) == ([], [])


@pytest.mark.slow
async def test_whoever_a_page_shows_to_one_role_is_in_the_trail(
    people: People, database: Database, store: Store, callers: Callers
) -> None:
    rooms = ("/patients", "/inbox", "/calendar", "/admin", "/workshop/integrations")
    async with (
        await _somebody(people, database, store, "another-clinic", 12),
        _walking(people, database, store, callers) as walk,
    ):
        for role in parse(kiwi_health.source()).roles:
            async with await people(walk.person.environment_id, role.name) as person:
                narrow = replace(walk, person=person, ways=({},))
                for page in (p for p in PAGES if "GET" in p.methods and p.path.startswith(rooms)):
                    await narrow.open(page)
        faults = await walk.answers.faults(database)
        assert not faults, "\n".join(faults)
        assert walk.answers.asked > len(PAGES)


async def _asked_with_something(walk: Walk) -> None:
    """Pages that show more where they are asked for more."""
    patient = walk.patients[0]
    for path, *queries in (
        (
            "/inbox",
            "?of=all",
            "?section=messages&of=all",
            "?section=new&of=all",
            "?rows=200&of=all",
        ),
        ("/inbox/list", "?of=all"),
        ("/inbox/preview", f"?patient={patient}"),
        ("/inbox/snooze", f"?patient={patient}"),
        ("/inbox/hand-over", f"?patient={patient}"),
        ("/calendar", "?view=day", "?view=month"),
        ("/calendar/grid", "?view=day", "?view=month"),
        ("/calendar/new", f"?patient={patient}"),
        ("/patients", "?sort=name", "?coach=nobody"),
        ("/admin/audit", f"?patient={patient}", "?verb=create", f"?patient={SOMETHING}"),
        ("/admin/audit/more", f"?patient={patient}"),
        ("/patients/{id}/assessments/new", "?spec=weekly_check_in"),
        ("/patients/{id}/records/new", "?type=medication"),
    ):
        page = _route("GET", path.replace("{id}", patient))
        assert page is not None, path
        for query in queries:
            await walk.open(page, query)


async def _every_form(walk: Walk, stranger: Person) -> None:
    """Every form that was on a page, as it was drawn; the second time what it was drawn from has
    changed. Then with nothing.
    """
    patient = walk.patients[0]
    await walk.send("/patients/search", [("find", "Zq")])
    await walk.send("/inbox/wake", [("patient", patient)])
    await walk.send("/inbox/several/snooze", [("patient", patient)])
    await walk.send("/inbox/several/hand-over", [("patient", patient)])
    await walk.send("/inbox/several/undo", [("undo", "nonsense")])
    await walk.send("/inbox/hand-over/undo", [("was", f"{patient} {SOMETHING} ")])
    await walk.send("/patients", [("find", "Zq")])
    await walk.send("/admin/audit/patients", [("find", "Zq")])
    await walk.send("/calendar/new/patients", [("find", "Zq")])
    await walk.send(f"/patients/{patient}/merge/find", [("other", "Zq")])
    text = [("channel", "phone"), ("contents", "We close at noon.")]
    await walk.send("/panel/message", [*text, ("patient", patient)])
    for kind in ("csv", "ndjson"):
        await walk.send("/admin/audit/export", [("format", kind)])
        await walk.send(
            "/admin/export",
            [("format", kind), ("collections", "patients"), ("collections", "external_ids")],
        )
    await walk.send("/admin/export", [("format", "ndjson"), ("collections", "messages")])
    await walk.send(f"/patients/{stranger.patient_id}/phase", [("phase", "intake")])
    for action, values in list(walk.forms.values()):
        await walk.send(action, values)
    for page in (p for p in PAGES if "POST" in p.methods and not _ENDS.match(p.path)):
        for address in (await walk.addresses(page))[:2]:
            await walk.send(address, [])


# Where an answer is made without the visit: what these send is of no patient.
_WITHOUT_A_VISIT = {
    "portal/live.py",  # collections that changed, and by whom
    "portal/calendar/feed_page.py",  # 304
    "workshop/pages/file/page.py",  # the program
}


def test_whatever_else_pages_send_goes_through_the_visit() -> None:
    root = Path(almoner.__file__).parent
    templates = set()
    for file in (*root.glob("portal/**/*.py"), *root.glob("workshop/**/*.py")):
        calls = (
            node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
        )
        if any(
            isinstance(call.func, ast.Name) and call.func.id.endswith("Response") for call in calls
        ):
            templates.add(file.relative_to(root).as_posix())
    assert templates == _WITHOUT_A_VISIT
