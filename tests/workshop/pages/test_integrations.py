"""Integrations in the Workshop: their jobs as trees, run, followed, repaired and called off by
people."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from almoner.workshop.pages.integrations import task_lines
from almoner.workshop.pages.integrations.task_lines import lasted
from tests.conftest import Callers, new_environment
from tests.people import People, Person
from tests.web.document import Document
from tests.workshop.pages import clinic_jobs

PATH = "/workshop/integrations"
JOB = re.compile(rf"{PATH}/jobs/([0-9a-f-]{{36}})")
FIELDS = {"birthday": "1906-12-09", "phase": "intake", "timezone": "US/Pacific"}


@dataclass
class Clinic:
    """An environment in which jobs are run, and two of its patients; the first is the coach's."""

    callers: Callers
    store: Store
    environment: int
    patients: list[str]

    async def job(self, items: int = 3) -> str:
        begun = await clinic_jobs.begun(
            self.callers, self.store, self.environment, self.patients, items
        )
        await self.does(begun)
        return begun

    async def does(self, job_id: str) -> None:
        await clinic_jobs.done(self.callers, self.store, self.environment, job_id)


@pytest.fixture
async def integrator(people: People, program: int) -> AsyncIterator[Person]:
    """Who runs integrations and gives care too."""
    async with await people(program, "admin", "coach") as person:
        yield person


@pytest.fixture
async def clinic(callers: Callers, store: Store, program: int) -> Clinic:
    by, patients = Actor(program, "test", "cli", "test", whole=True), []
    for first_name, last_name in (("Grace", "Hopper"), ("Ada", "Lovelace")):
        row = FIELDS | {"first_name": first_name, "last_name": last_name}
        patients.append((await store.create(by, BY_NAME["patients"], row)).id)
    return Clinic(callers, store, program, patients)


def text(html: str) -> str:
    """What is read of a page, words only."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def tasks(html: str) -> dict[str, str]:
    """The address of each task in a page, by what stands beside it."""
    rows = re.findall(rf'<a class="cover" href="({PATH}/tasks/[^"]+)">(.*?)</form>|$', html, re.S)
    return {text(row): address for address, row in rows if address}


async def test_the_list_says_what_is_on_when_it_runs_and_how_the_last_job_ended(
    integrator: Person, clinic: Clinic, callers: Callers
) -> None:
    await clinic.job()
    async with callers.database.connection() as connection:
        await connection.execute(
            "UPDATE integrations SET schedule = '0 6 * * 1-5', zone = 'US/Eastern',"
            " next_at = clock_timestamp() + interval '1 day', hook_way = 'hmac'"
            " WHERE environment_id = $1",
            clinic.environment,
        )
    page = Document(await integrator.get(PATH))
    assert page.row("Kiwi Health kiwihealth_pull Takes lab results in")
    assert "not set up never run" in page.row("kiwihealth_pull")
    row = page.row("clinic_pull clinic_pull")
    assert "on the schedule 0 6 * * 1-5, US/Eastern, and begun by its hook, signed" in row
    assert "next " in row
    assert "not installed last job failed today" in row


async def test_what_is_missing_is_told_before_a_job_is_begun(integrator: Person) -> None:
    answer = await integrator.send_form(f"{PATH}/kiwihealth_pull/run")
    assert answer.status_code == 400
    assert Document(answer).alert("Nothing was changed.")
    assert Document(answer).alert("almoner integration set kiwihealth_pull")
    assert "No jobs here" in Document(await integrator.get(f"{PATH}/kiwihealth_pull")).region(
        "Jobs"
    )


async def test_a_job_is_run_now_followed_and_called_off(
    integrator: Person, callers: Callers, program: int
) -> None:
    settings = '{"base_url": "https://kiwi.example.org", "client_id": "a", "client_secret": "b"}'
    async with callers.database.connection() as connection:
        await connection.execute(
            "INSERT INTO integrations (environment_id, name, settings, scopes, enabled)"
            " VALUES ($1, 'kiwihealth_pull', $2, '{}', true)",
            *(program, settings),
        )
    answer = await integrator.send_form(f"{PATH}/kiwihealth_pull/run")
    assert answer.status_code == 303
    async with callers.database.connection() as connection:
        begun = await connection.fetchrow(
            "SELECT actor, object, detail FROM worker_events"
            " WHERE environment_id = $1 AND event = 'job begun'",
            program,
        )
    (job_id,) = JOB.findall(answer.headers["location"])
    by = f"worker:{integrator.worker_id}"
    assert tuple(begun) == (by, "integration:kiwihealth_pull", f"job {job_id}")
    page = await integrator.get(answer.headers["location"])
    assert Document(page).status("The job is begun.")
    assert Document(page).link("kiwihealth_pull.run_kiwihealth_pull")
    assert "no worker runs" in Document(page).region("State")
    following = re.search(r'hx-get="([^"]+)" hx-trigger="every 2s"', page.text)
    assert following is not None
    path = unescape(following[1])
    assert (await integrator.fragment(path)).status_code == 204
    job = page.url.path if hasattr(page, "url") else answer.headers["location"].partition("?")[0]
    assert (await integrator.send_form(f"{job}/cancel")).status_code == 303
    part = await integrator.fragment(path)
    assert not Document(part).testid("job").has("hx-trigger")
    assert Document(part).row("Somebody called the job off.")
    assert Document(part).button("Take up again")
    assert (await integrator.get(path)).status_code == 303
    assert JOB.findall((await integrator.get(f"{PATH}/kiwihealth_pull")).text)
    assert (await integrator.send_form(f"{job}/resume")).status_code == 303
    assert Document(await integrator.get(job)).testid("job").has("hx-trigger")


async def test_a_job_is_a_tree_with_errors_in_words_and_links_to_what_was_written(
    integrator: Person, clinic: Clinic
) -> None:
    job = await clinic.job()
    html = (await integrator.get(f"{PATH}/jobs/{job}")).text
    page = Document(html)
    assert page.status("Ended: 6 of 6 tasks have ended, 2 failed, 4 succeeded.")
    order = ["run_clinic_pull", "fetch", "process", *["process_item"] * 3]
    names = re.findall(r'class="cover" href="[^"]+">clinic_pull\.(\w+)<', html)
    assert names == order
    first, second, third = (text(row) for row in html.split('class="cover"')[4:7])
    assert "unknown_code There is no such code. line: 3" in first
    assert "id item-3" in first
    assert "Try again" in first
    assert "custom data type record" not in first
    for row in (second, third):
        assert "custom data type record created" in row
    links = re.findall(r'href="(/patients/[^"]+/records/[^"]+)"', html)
    assert len(links) == len(set(links)) == 2
    for link in links:
        assert (await integrator.get(link)).status_code == 200
    assert Document(html).links(to=f"/patients/{clinic.patients[0]}")


async def test_one_task_or_all_that_failed_is_done_again(
    integrator: Person, clinic: Clinic
) -> None:
    job = await clinic.job(items=7)
    here = f"{PATH}/jobs/{job}"
    (bad,) = [
        address
        for row, address in tasks((await integrator.get(here)).text).items()
        if "id item-6" in row
    ]
    assert not Document(await integrator.get(bad)).mentions("item-3")
    assert (await integrator.send_form(f"{bad}/retry")).status_code == 303
    page = Document(await integrator.get(here))
    assert page.status("Under way: 7 of 10 tasks have ended")
    assert page.status("1 unattempted")
    await clinic.does(job)
    assert (await integrator.send_form(f"{here}/retry")).status_code == 303
    assert Document(await integrator.get(here)).status("2 unattempted")
    await clinic.does(job)
    assert Document(await integrator.get(here)).status("3 failed, 7 succeeded")


async def test_a_task_that_succeeded_is_run_again_once_it_was_told_what_that_repeats(
    integrator: Person, clinic: Clinic, callers: Callers
) -> None:
    job = await clinic.job()
    here = f"{PATH}/jobs/{job}"
    page = Document(await integrator.get(here))
    (link,) = [
        link.attribute("href")
        for link in page.all("link")
        if link.name.startswith("Run again from clinic_pull.fetch")
    ]
    asked = Document(await integrator.get(link.partition("#")[0]))
    about = asked.region("What can be done")
    assert "It is done anew, with 4 tasks called after it." in about
    assert "What was written stays: 2 custom data type records created." in about
    assert "is sent again, under the same idempotency key" in about
    task = link.partition("?")[0]
    assert Document(await integrator.get(task)).link("Run again from here")
    answer = await integrator.send_form(f"{task}/again")
    assert Document(await integrator.get(answer.headers["location"])).status("It is run again")
    refused = await integrator.send_form(f"{task}/again")
    assert Document(refused).alert("The job is under way.")
    assert Document(await integrator.get(here)).status("Under way: 0 of 2 tasks have ended")
    await clinic.does(job)
    page = Document(await integrator.get(here))
    assert page.status("Ended: 6 of 6 tasks have ended, 2 failed, 4 succeeded.")
    assert "run 2; 1 earlier run" in page.row("clinic_pull.fetch")
    assert "run again today" in page.region("State")
    page = Document(await integrator.get(task))
    earlier = page.region("Earlier runs").link("clinic_pull.fetch").attribute("href")
    page = Document(await integrator.get(earlier))
    assert "It is of an earlier run" in page.region("State")
    assert page.link("Run since", to=task)
    assert page.lacks("link", "Run again from here")
    # The whole job may be run again from its top task, whose earlier run has what it had called.
    top = next(a for row, a in tasks((await integrator.get(here)).text).items() if "run_" in row)
    again = Document(await integrator.get(f"{top}?again=1")).region("What can be done")
    assert "with 5 tasks below it" in again
    async with callers.database.connection() as connection:
        events = await connection.fetch(
            "SELECT actor, detail FROM worker_events"
            " WHERE environment_id = $1 AND event = 'job run again'",
            clinic.environment,
        )
    assert [(row["actor"], row["detail"]) for row in events] == [
        (
            f"worker:{integrator.worker_id}",
            f"job {job}, from clinic_pull.fetch {task.rpartition('/')[2]}",
        )
    ]


@pytest.mark.slow
async def test_a_job_of_many_items_is_paged_and_shows_the_failed_ones_first(
    integrator: Person, clinic: Clinic
) -> None:
    job = await clinic.job(items=120)
    html = (await integrator.get(f"{PATH}/jobs/{job}")).text
    assert html.count("clinic_pull.process_item</a>") == html.count("unknown_code") == 20
    more = Document(html).link("All 120 tasks of clinic_pull.process")
    assert Document(html).row("40 of them went wrong")
    refs: list[str] = []
    address = more.attribute("href")
    while address:
        page = (await integrator.get(address)).text
        references = re.findall(r"<code>(item-\d+)</code>", page)
        assert len(references) <= 50
        refs += references
        after = re.search(r'href="([^"]+)">After<', page)
        address = after[1] if after else ""
    assert len(refs) == len(set(refs)) == 120
    assert all(int(ref.removeprefix("item-")) % 3 == 0 for ref in refs[:40])


async def test_a_patient_is_named_only_to_whom_the_role_shows_them_and_that_is_in_the_trail(
    people: People, clinic: Clinic, callers: Callers, integrator: Person
) -> None:
    job = f"{PATH}/jobs/{await clinic.job()}"
    async with await people(clinic.environment, "admin") as other:
        page = (await other.get(job)).text
    assert "about a patient whom your role does not show" in Document(page).region("Tasks")
    assert not Document(page).mentions("Hopper")
    assert not [
        link for link in Document(page).all("link") if "/patients/" in link.attribute("href")
    ]
    answer = await integrator.get(job)
    assert Document(answer).link("Hopper")
    async with callers.database.connection() as connection:
        while not (
            read := await connection.fetch(
                "SELECT resource, almoner_ids(patients)::text[] AS of FROM audit_reads"
                " WHERE environment_id = $1 AND request_id = $2",
                *(clinic.environment, answer.headers["x-request-id"]),
            )
        ):
            await connection.execute("SELECT pg_sleep(0.05)")
    assert [(row["resource"], sorted(row["of"])) for row in read] == [
        ("integration_tasks", sorted(clinic.patients))
    ]


async def test_jobs_of_another_environment_are_nowhere(
    people: People, clinic: Clinic, callers: Callers
) -> None:
    job = await clinic.job()
    async with await people(await new_environment(callers.database), "admin") as stranger:
        for path in (f"{PATH}/jobs/{job}", f"{PATH}/jobs/no-id", f"{PATH}/clinic_pull"):
            assert (await stranger.get(path)).status_code == 404
        for action in ("retry", "resume", "cancel"):
            answer = await stranger.send_form(f"{PATH}/jobs/{job}/{action}")
            assert answer.status_code == 404


def test_how_long_a_task_took_is_said_in_units_that_fit() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    spans = {0.44: "440 ms", 42.0: "42 s", 185.0: "3 min 5 s", 7800.0: "2 h 10 min"}
    phrases = {span: lasted(now, now + timedelta(seconds=span)) for span in spans}
    assert phrases == spans
    assert lasted(now, None) == lasted(None, now) == ""


async def test_what_a_task_wrote_is_linked_though_it_says_not_whom_it_was_about(
    integrator: Person, clinic: Clinic
) -> None:
    job = await clinic.job(items=0)
    html = (await integrator.get(f"{PATH}/jobs/{job}")).text
    assert Document(html).link("patient changed", to=f"/patients/{clinic.patients[0]}")
    # Of many rows the first ones.
    assert len(re.findall(r'href="/patients/[^"]+/records/', html)) == 19
    assert Document(html).row("and more")


def test_a_worker_that_a_task_wrote_is_linked_for_whoever_administers() -> None:
    row = {"resource": "workers", "row_id": "w1", "kind": "create", "patient_id": None}
    cases = {
        "who administers": (row, ("integrate", "administer"), "/admin/workers/w1"),
        "who does not": (row, ("integrate",), ""),
        "one that is gone": (row | {"kind": "delete"}, ("administer",), ""),
        "a row without a page": (row | {"resource": "calendars"}, ("administer",), ""),
    }
    paths = {of: task_lines._written(row, {}, may).path for of, (row, may, _) in cases.items()}
    assert paths == {of: path for of, (_, _, path) in cases.items()}
