"""The pages of a program's life: from an empty program to versions that are compared and
restored.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.errors import UnavailableError
from almoner.resources.patients import patients
from almoner.workshop import drafts, locks
from almoner.workshop.assessment_design import AssessmentSection, FieldDesign, Question
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.pages.runs import MOST_HERE, Runs, is_cancelled
from almoner.workshop.program_file import parse
from almoner.workshop.published_programs import design_of, newest_version
from tests.conftest import new_environment
from tests.people import People, Person
from tests.web.document import Document

BROKEN = (
    "program: Kiwi\nphases:\n  - {name: intake, title: Intake, next: [nowhere]}\n  - {name:"
    " intake}\ncolour: green\n"
)


def text(answer: httpx.Response) -> str:
    """What a person reads of a page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.text)))


def hidden(answer: httpx.Response, name: str) -> str:
    """The value of a hidden field."""
    match = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert match is not None, f"there is no field {name}"
    return unescape(match[1])


@pytest.fixture
async def beginner(people: People, environment: int) -> AsyncIterator[Person]:
    """A designer in an environment without a program, beside another environment with one."""
    async with await people(environment, "designer") as person:
        yield person


async def saved(database: Database, person: Person, design: ProgramDesign) -> int:
    """Saves a draft as somebody else would, and returns its revision."""
    async with database.connection() as connection:
        now = await drafts.current(connection, person.environment_id)
        result = await drafts.save(
            connection, person.environment_id, now.revision, design, "Lesley Jones"
        )
        return result.draft.revision


async def current(database: Database, person: Person) -> drafts.Draft:
    async with database.connection() as connection:
        return await drafts.current(connection, person.environment_id)


async def published(database: Database, person: Person, version: int) -> ProgramDesign:
    async with database.connection() as connection:
        return await design_of(connection, person.environment_id, version)


async def without_phase(database: Database, store: Store, person: Person) -> str:
    """A patient in a phase that the draft no longer has; the name of the phase. Another patient is
    in one that stays.
    """
    design = (await current(database, person)).design
    gone = design.phases[0].name
    actor = Actor(person.environment_id, "test", "cli", "test", whole=True)
    values = {
        "first_name": "Ann",
        "last_name": "Lee",
        "birthday": "1980-01-02",
        "timezone": "US/Eastern",
    }
    for phase in (gone, design.phases[1].name):
        await store.create(actor, patients, values | {"phase": phase})
    rest = tuple(
        replace(p, next=None if p.next is None else tuple(n for n in p.next if n != gone))
        for p in design.phases
        if p.name != gone
    )
    await saved(database, person, replace(design, phases=rest))
    return gone


async def test_an_empty_program_offers_ways_to_begin_and_is_published_from_the_example(
    beginner: Person, database: Database
) -> None:
    first = await beginner.get("/workshop")
    assert Document(first).heading("The program is empty. Three ways to begin")
    assert "Nothing is live yet" in Document(first).definition("Live")
    begun = await beginner.send_form("/workshop/begin", base=hidden(first, "base"))
    assert begun.headers["location"] == "/workshop?done=begun"
    page = await beginner.get("/workshop/publish")
    assert Document(page).heading("as the first version")
    assert "phase" in Document(page).region("The draft, as the first version")
    answer = await beginner.send_form(
        "/workshop/publish",
        revision=hidden(page, "revision"),
        live=hidden(page, "live"),
        lock="0",
        message="The first <of> many",
    )
    assert answer.headers["location"] == "/workshop?done=published"
    after = await beginner.get(answer.headers["location"])
    assert Document(after).status("Version 1 is live. The API checks against it from now on.")
    assert "The first <of> many" in Document(after).definition("Live")
    assert (await published(database, beginner, 1)).name == "Kiwi Health"


async def test_the_name_is_changed_and_a_blank_one_is_refused_at_its_field(
    designer: Person, database: Database
) -> None:
    page = await designer.get("/workshop")
    refused = await designer.send_form("/workshop/name", base=hidden(page, "base"), name="  ")
    assert refused.status_code == 400
    assert "This must not be blank." in Document(refused).field("name").error
    await designer.send_form("/workshop/name", base=hidden(page, "base"), name="Kiwi & Co")
    assert (await current(database, designer)).design.name == "Kiwi & Co"
    assert "Differs from live in 1 place" in Document(await designer.get("/workshop")).definition(
        "Draft"
    )


async def test_two_who_rename_the_program_are_asked_which_name_stays(
    designer: Person, database: Database
) -> None:
    base = hidden(await designer.get("/workshop"), "base")
    await saved(
        database, designer, replace((await current(database, designer)).design, name="Theirs")
    )
    answer = await designer.send_form("/workshop/name", base=base, name="Mine")
    assert answer.status_code == 409
    assert Document(answer).get("radio", "Theirs")
    assert Document(answer).get("radio", "Mine")
    assert (await current(database, designer)).design.name == "Theirs"


async def test_problems_are_listed_with_the_page_that_mends_them_and_keep_it_from_being_published(
    designer: Person, database: Database
) -> None:
    design = (await current(database, designer)).design
    broken = Phase(name="up/and down", next=("nowhere",))
    await saved(database, designer, replace(design, phases=(*design.phases, broken)))
    overview = await designer.get("/workshop")
    assert Document(overview).link(to="/workshop/phases/up%2Fand%20down")
    assert Document(overview).row("There is no phase nowhere")
    for path in ("/workshop/check", "/workshop/publish", "/workshop/lock"):
        assert Document(await designer.get(path)).row("There is no phase nowhere")
    page = await designer.get("/workshop/publish")
    refused = await designer.send_form(
        "/workshop/publish", revision=hidden(page, "revision"), live=hidden(page, "live"), lock="0"
    )
    assert refused.status_code == 409
    async with database.connection() as connection:
        assert await newest_version(connection, designer.environment_id) == 1


async def test_a_check_says_what_breaks_with_counts_and_ids(
    designer: Person, database: Database, store: Store
) -> None:
    gone = await without_phase(database, store, designer)
    page = await designer.get("/workshop/check")
    answer = await designer.send_form(
        "/workshop/check/run", revision=hidden(page, "revision"), htmx=True
    )
    assert Document(answer).row(f"1 patient in the phase {gone}, which is gone.")
    assert Document(answer).button("Show its id")
    assert Document(answer).status("The check is done.")
    again = await designer.get("/workshop/check")
    assert Document(again).row(f"1 patient in the phase {gone}, which is gone.")


async def test_a_check_that_finds_nothing_says_so(designer: Person) -> None:
    begun = await designer.send_form("/workshop/check/run")
    page = await designer.get(begun.headers["location"])
    assert "Nothing that is stored is touched." in Document(page).region(
        "The draft against live version 1"
    )


async def test_a_publish_that_breaks_something_needs_the_word_for_it(
    designer: Person, database: Database, store: Store
) -> None:
    gone = await without_phase(database, store, designer)
    page = await designer.get("/workshop/publish")
    fields = {
        "revision": hidden(page, "revision"),
        "live": hidden(page, "live"),
        "lock": "0",
        "message": "Leaner",
    }
    refused = await designer.send_form("/workshop/publish", **fields)
    assert refused.status_code == 409
    assert Document(refused).row(f"1 patient in the phase {gone}, which is gone.")
    assert "Tick this to publish, or mend the draft." in Document(refused).field("accept").error
    assert "Leaner" in Document(refused).field("message").value
    wrong = await designer.send_form("/workshop/publish", ("accept", "roles"), **fields)
    assert wrong.status_code == 409
    async with database.connection() as connection:
        assert await newest_version(connection, designer.environment_id) == 1
    answer = await designer.send_form("/workshop/publish", ("accept", "phases"), **fields)
    assert answer.headers["location"] == "/workshop?done=published"
    assert gone not in {phase.name for phase in (await published(database, designer, 2)).phases}


@asynccontextmanager
async def records_locked(database: Database) -> AsyncIterator[None]:
    """As long as the block lasts, whoever reads records of custom data waits."""
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE custom_data_type_records IN ACCESS EXCLUSIVE MODE")
        yield


async def with_a_change_of_data(database: Database, person: Person) -> None:
    design = (await current(database, person)).design
    first, *rest = design.custom_data_types
    stricter = replace(
        first, fields=(*first.fields, FieldDesign(name="since_now", kind="text", required=True))
    )
    await saved(database, person, replace(design, custom_data_types=(stricter, *rest)))


async def test_a_long_check_is_followed_and_cancelled(designer: Person, database: Database) -> None:
    await with_a_change_of_data(database, designer)
    async with records_locked(database):
        begun = await designer.send_form("/workshop/check/run", htmx=True)
        assert "Counting what there is to check." in Document(begun).testid("following")
        path = re.findall(r'hx-get="([^"]*)"', begun.text)[0]
        assert Document(await designer.fragment(path)).button("Cancel the check")
        cancelled = await designer.send_form(path.replace("/run/", "/cancel/"), htmx=True)
        assert "The check was cancelled. Nothing was changed." in Document(cancelled).testid(
            "following"
        )
    again = await designer.send_form("/workshop/check/run", htmx=True)
    assert Document(again).status("Nothing that is stored is touched.")


async def test_a_long_publish_is_followed_to_its_end(designer: Person, database: Database) -> None:
    await with_a_change_of_data(database, designer)
    page = await designer.get("/workshop/publish")
    fields = {
        "revision": hidden(page, "revision"),
        "live": hidden(page, "live"),
        "lock": "0",
        "message": "Slow",
    }
    async with records_locked(database):
        begun = await designer.send_form("/workshop/publish", **fields)
        assert begun.headers["location"].startswith("/workshop/publish/run/")
        followed = await designer.get(begun.headers["location"])
        assert Document(followed).heading("The program is being published")
        path = re.findall(r'hx-get="([^"]*)"', followed.text)[0]
        assert "Counting what there is to check." in Document(await designer.fragment(path)).testid(
            "following"
        )
        stopped = await designer.send_form(path.replace("/progress/", "/cancel/"))
        refused = await designer.get(stopped.headers["location"])
        assert refused.status_code == 409
        assert Document(refused).alert("Nothing was published. The publish was cancelled.")
        assert "Slow" in Document(refused).field("message").value
        begun = await designer.send_form("/workshop/publish", **fields)
    run = begun.headers["location"]
    async with asyncio.timeout(20):
        while (answer := await designer.get(run)).status_code == 200:
            pass
    assert answer.headers["location"] == "/workshop?done=published"
    assert (await designer.fragment(run.replace("/run/", "/progress/"))).headers[
        "hx-redirect"
    ] == run


async def test_a_draft_that_moved_on_is_shown_again_and_not_published(
    designer: Person, database: Database
) -> None:
    design = (await current(database, designer)).design
    await saved(database, designer, replace(design, name="Seen"))
    page = await designer.get("/workshop/publish")
    await saved(database, designer, replace(design, name="Unseen"))
    fields = {
        "revision": hidden(page, "revision"),
        "live": hidden(page, "live"),
        "lock": "0",
        "message": "As I saw it",
    }
    answer = await designer.send_form("/workshop/publish", **fields)
    assert answer.status_code == 409
    assert Document(answer).alert(
        "Lesley Jones saved the draft after you opened this page. Nothing was published"
    )
    assert Document(answer).get("cell", "Unseen")
    assert "As I saw it" in Document(answer).field("message").value
    async with database.connection() as connection:
        assert await newest_version(connection, designer.environment_id) == 1
    await designer.send_form(
        "/workshop/publish", **fields | {"revision": hidden(answer, "revision")}
    )
    assert (await published(database, designer, 2)).name == "Unseen"


async def test_a_lock_is_tested_and_goes_live_as_it_was_tested(
    designer: Person, people: People, database: Database
) -> None:
    design = (await current(database, designer)).design
    await saved(database, designer, replace(design, name="Locked"))
    page = await designer.get("/workshop/lock")
    nameless = await designer.send_form(
        "/workshop/lock",
        revision=hidden(page, "revision"),
        environment="new",
        name="",
        message="Try",
    )
    assert nameless.status_code == 400
    assert "Give the new test environment a name." in Document(nameless).field("name").error
    unfit = await designer.send_form(
        "/workshop/lock", revision=hidden(page, "revision"), environment="new", name="Not Fit"
    )
    assert unfit.status_code == 400
    assert "small letters" in Document(unfit).field("name").error
    answer = await designer.send_form(
        "/workshop/lock",
        revision=hidden(page, "revision"),
        environment="new",
        name="trial",
        message="Try",
    )
    async with database.connection() as connection:
        name = await connection.fetchval(
            "SELECT name || '.trial' FROM environments WHERE id = $1", designer.environment_id
        )
    assert answer.headers["location"] == "/workshop/lock?done=1"
    await saved(database, designer, replace(design, name="Later"))
    after = await designer.get("/workshop/lock?done=1")
    assert Document(after).status(f"{name} checks against it as its version 1.")
    assert Document(after).row("tested now")
    offered = await designer.get("/workshop/publish?lock=1")
    fields = {name: hidden(offered, name) for name in ("revision", "live", "lock")}
    assert (await designer.send_form("/workshop/publish", **fields)).headers[
        "location"
    ] == "/workshop?done=published"
    assert (await published(database, designer, 2)).name == "Locked"
    assert Document(await designer.get("/workshop/lock")).row("live as version 2")
    async with database.connection() as connection:
        test_id = await connection.fetchval("SELECT id FROM environments WHERE name = $1", name)
    async with await people(test_id, "designer") as tester:
        overview = await tester.get("/workshop")
        assert "There is no draft in a test environment" in Document(overview).region(
            "are tested here"
        )
        assert "Version 1 since" in Document(overview).definition("Tested now")
        assert Document(await designer.get("/workshop")).all("link", "Phases")
        assert Document(overview).lacks("link", "Phases")
        assert Document(await designer.get("/workshop/history")).all("link", "Restore")
        assert Document(await tester.get("/workshop/history")).lacks("link", "Restore")
        assert (await tester.get("/workshop/publish")).headers["location"] == "/workshop"


async def test_a_version_is_read_compared_and_restored(
    designer: Person, database: Database
) -> None:
    first = (await current(database, designer)).design
    await saved(
        database,
        designer,
        replace(first, name="Second", phases=(Phase(name="only", title="Only one"),), roles=()),
    )
    read = await designer.get("/workshop/history/1")
    assert "Intake" in Document(read).region("Phases")
    compared = await designer.get("/workshop/compare?from=1&to=draft")
    assert "Only one" in Document(compared).region("From version 1 to the draft")
    assert Document(compared).get("cell", "Second")
    asked = await designer.get("/workshop/restore?state=1")
    assert "the draft as it is now stays in the list of saves as revision 1" in Document(
        asked
    ).region("Make version 1 the draft?")
    done = await designer.send_form(
        "/workshop/restore", state="1", revision=hidden(asked, "revision")
    )
    assert done.headers["location"] == "/workshop?done=restored"
    assert (await current(database, designer)).design == first
    history = await designer.get("/workshop/history")
    assert Document(history).row("Version 1 restored")
    back = await designer.get("/workshop/restore?state=save-1")
    await designer.send_form("/workshop/restore", state="save-1", revision=hidden(back, "revision"))
    assert (await current(database, designer)).design.name == "Second"


async def test_restoring_over_what_somebody_saved_meanwhile_asks_again(
    designer: Person, database: Database
) -> None:
    design = (await current(database, designer)).design
    await saved(database, designer, replace(design, name="Seen"))
    asked = await designer.get("/workshop/restore?state=1")
    await saved(database, designer, replace(design, name="Unseen"))
    answer = await designer.send_form(
        "/workshop/restore", state="1", revision=hidden(asked, "revision")
    )
    assert answer.status_code == 409
    assert Document(answer).alert("Nothing was restored")
    assert (await current(database, designer)).design.name == "Unseen"


async def test_a_file_comes_back_as_the_same_program(designer: Person, database: Database) -> None:
    design = replace((await current(database, designer)).design, name="Kiwi ü Health")
    await saved(database, designer, design)
    draft = await designer.get("/workshop/file/download")
    assert draft.headers["content-disposition"] == 'attachment; filename="kiwi-health-draft.yaml"'
    assert parse(draft.text) == design
    version = await designer.get("/workshop/file/download?state=1")
    assert version.headers["content-disposition"].endswith('-v1.yaml"')
    page = await designer.get("/workshop/file")
    loaded = await designer.send_form(
        "/workshop/file", base=hidden(page, "base"), source=version.text.replace("\n", "\r\n")
    )
    assert loaded.headers["location"] == "/workshop?done=loaded"
    assert (await current(database, designer)).design == await published(database, designer, 1)


async def test_every_problem_of_a_file_is_told_with_its_line_and_what_was_pasted_stays(
    designer: Person, database: Database
) -> None:
    page = await designer.get("/workshop/file")
    answer = await designer.send_form("/workshop/file", base=hidden(page, "base"), source=BROKEN)
    assert answer.status_code == 400
    assert Document(answer).heading("Nothing was loaded: the file has 3 problems")
    assert re.findall(r'data-line="(\d+)"', answer.text) == ["3", "4", "5"]
    assert "colour: green" in Document(answer).field("source").value
    assert (await current(database, designer)).revision <= 0


async def test_a_file_over_what_somebody_saved_meanwhile_keeps_both_or_asks(
    designer: Person, database: Database
) -> None:
    page = await designer.get("/workshop/file")
    source = (await designer.get("/workshop/file/download")).text
    design = (await current(database, designer)).design
    await saved(database, designer, replace(design, name="Theirs"))
    merged = await designer.send_form("/workshop/file", base=hidden(page, "base"), source=source)
    assert merged.headers["location"] == "/workshop?done=loaded"
    assert (await current(database, designer)).design.name == "Theirs"
    mine = source.replace(f"program: {design.name}", "program: Mine")
    asked = await designer.send_form("/workshop/file", base=hidden(page, "base"), source=mine)
    assert asked.status_code == 409
    assert Document(asked).get("radio", "Theirs")


async def test_nothing_of_another_environment_is_reached(
    designer: Person, people: People, database: Database
) -> None:
    other = await new_environment(database)
    async with database.connection() as connection:
        await drafts.save(
            connection, designer.environment_id, -1, ProgramDesign(name="Secret"), "Lesley Jones"
        )
        test = await connection.fetchval(
            "INSERT INTO environments (name, test_of) VALUES ($1, $2) RETURNING id",
            *(f"test-of-{designer.environment_id}", designer.environment_id),
        )
        await locks.lock(connection, designer.environment_id, 1, test, "Lesley Jones")
    run = (await designer.send_form("/workshop/check/run")).headers["location"].partition("run=")[2]
    async with await people(other, "designer") as stranger:
        for path in (
            "/workshop/history/1",
            "/workshop/compare?from=1",
            "/workshop/compare?from=save-1",
            "/workshop/restore?state=1",
            "/workshop/restore?state=save-1",
            "/workshop/file/download?state=1",
            "/workshop/publish?lock=1",
        ):
            answer = await stranger.get(path)
            assert answer.status_code == 404, path
            assert not Document(answer).mentions("Secret")
        assert "Finding the check" in Document(
            await stranger.fragment(f"/workshop/check/run/{run}")
        ).testid("following")
        page = await stranger.get("/workshop/lock")
        refused = await stranger.send_form(
            "/workshop/lock", revision=hidden(page, "revision"), environment=str(test)
        )
        assert refused.status_code == 400
        assert "Choose where it is tested." in Document(refused).field("environment").error


@pytest.mark.parametrize(
    "path",
    [
        "check",
        "publish",
        "lock",
        "history",
        "history/1",
        "compare",
        "restore?state=1",
        "file",
        "file/download",
    ],
)
async def test_a_worker_who_does_not_design_sees_nothing(
    path: str, people: People, program: int
) -> None:
    async with await people(program, "coach") as coach:
        assert (await coach.get(f"/workshop/{path}")).status_code == 403
    async with await people(program, "admin") as integrator:
        assert (await integrator.get(f"/workshop/{path}")).status_code == 403
        assert (await integrator.get("/workshop")).headers["location"] == "/workshop/clients"


async def test_a_run_tells_how_far_it_is_is_cancelled_and_forgotten(database: Database) -> None:
    now = [0.0]
    runs, gate = Runs(lambda: now[0]), asyncio.Event()

    async def work(progress: Any) -> str:
        progress(3, 10)
        await gate.wait()
        return "found"

    first, second = runs.begin(database, 1, "a", work), runs.begin(database, 1, "b", work)
    assert not await first.settle(0)
    await asyncio.wait_for(_until(lambda: first.done == 3), 5)
    assert (first.total, runs.latest(1, "a"), runs.find(2, first.id)) == (10, first, None)
    second.cancel()
    assert await second.settle(5)
    assert second.cancelled
    assert runs.latest(1, "b") is None
    gate.set()
    assert await first.settle(5)
    assert first.result == "found"
    now[0] = 10_000
    assert runs.find(1, first.id) is None


async def test_a_run_is_cancelled_by_whichever_process_of_the_server_is_asked(
    database: Database,
) -> None:
    here, elsewhere = Runs(), Runs()

    async def work(_: Any) -> None:
        await asyncio.Event().wait()

    asked, other = (here.begin(database, 1, about, work) for about in ("asked", "other"))
    assert await elsewhere.cancel(database, 1, asked.id) is None
    assert await asked.settle(30)
    assert asked.cancelled
    assert not other.is_over
    async with database.connection() as connection:
        assert await is_cancelled(connection, 1, asked.id)
        assert not await is_cancelled(connection, 2, asked.id)
        assert not await is_cancelled(connection, 1, other.id)
    assert await here.cancel(database, 1, other.id) is other
    assert other.cancelled


async def test_an_environment_has_only_so_many_runs_under_way(database: Database) -> None:
    runs, gate = Runs(), asyncio.Event()

    async def work(_: Any) -> None:
        await gate.wait()

    begun = [runs.begin(database, 1, number, work) for number in range(MOST_HERE)]
    with pytest.raises(UnavailableError, match="service_unavailable"):
        runs.begin(database, 1, "one too many", work)
    runs.begin(database, 2, "elsewhere", work)
    gate.set()
    assert all([await run.settle(5) for run in begun])
    runs.begin(database, 1, "again", work)


async def test_a_failure_in_the_background_is_told_without_its_details(
    database: Database,
) -> None:
    async def work(_: Any) -> None:
        raise RuntimeError(msgspec.json.encode({"patient": "Ann"}).decode())

    run = Runs().begin(database, 1, "failing", work)
    assert await run.settle(5)
    assert run.failure == "Something is wrong in the server, and its log says what."


async def _until(is_so: Any) -> None:
    while not is_so():
        await asyncio.sleep(0)


async def test_a_draft_with_problems_is_checked_as_far_as_that_goes(
    designer: Person, database: Database, store: Store
) -> None:
    gone = await without_phase(database, store, designer)
    draft = await current(database, designer)
    first, *others = draft.design.assessments
    wrong = replace(
        first,
        sections=(
            AssessmentSection(heading="H", questions=(Question(name="q", kind="hologram"),)),
        ),
    )
    await saved(database, designer, replace(draft.design, assessments=(wrong, *others)))
    page = await designer.get("/workshop/check")
    assert Document(page).row("There is no kind hologram")
    assert Document(page).link(to=f"/workshop/assessments/{first.id}")
    answer = await designer.send_form(
        "/workshop/check/run", revision=hidden(page, "revision"), htmx=True
    )
    assert Document(answer).row(f"1 patient in the phase {gone}, which is gone.")
    assert first.name not in text(answer)


async def test_a_form_that_names_a_revision_beyond_all_numbers_is_told_that_it_is_not_there(
    designer: Person,
) -> None:
    for path, fields in (
        ("/workshop/name", {"base": "9999999999", "name": "K"}),
        ("/workshop/check/run", {"revision": "9999999999"}),
    ):
        assert (await designer.send_form(path, **fields)).status_code == 404
