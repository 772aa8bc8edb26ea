"""Tasks of workers: added in a few words, in the inbox of who is to do them, taken and given back."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from httpx import Response

from almoner.portal.tasks import task_form
from almoner.portal.tasks.task_form import TaskForm
from tests.conftest import Api
from tests.people import People
from tests.portal.test_inbox import EASTERN, Clinic, Row, clinic, counts, form_of, names
from tests.web.document import Document

__all__ = ["clinic"]

# A Monday, at ten.
_NOW = datetime(2026, 11, 30, 10, tzinfo=EASTERN)


@pytest.mark.parametrize(
    ("title", "due", "expected"),
    [
        ("Ring the pharmacy", "fri", ("Ring the pharmacy", "2026-12-04", None)),
        ("Ring the pharmacy fri", "", ("Ring the pharmacy", "2026-12-04", None)),
        ("Ring them in 2 weeks", "", ("Ring them", "2026-12-14", None)),
        ("Ring them", "fri 9", ("Ring them", None, "2026-12-04T14:00:00.000000+00:00")),
        ("Take 2 boxes to room 9", "", ("Take 2 boxes to room 9", None, None)),
        ("Friday", "", ("Friday", None, None)),
    ],
)
def test_when_a_task_is_due_is_said_in_words(
    title: str, due: str, expected: tuple[str, str | None, str | None]
) -> None:
    form = TaskForm(title=title, due=due, who="me", whos=[("me", "Me")])
    values, errors = task_form.values(form, _NOW, "US/Eastern")
    assert (values["title"], values["due_date"], values["due_time"], errors) == (*expected, {})


async def add(clinic: Clinic, **fields: str) -> str:
    """Adds a task as the form over a page does; returns where it is."""
    blank = {"who": clinic.me.worker_id, "priority": "medium", "due": "", "note": ""}
    added = await clinic.me.send_form("/tasks", htmx=True, **(blank | fields))
    assert added.status_code == 200
    assert added.headers["hx-trigger"] == '{"almoner-changed":{"resources":["worker_tasks"]}}'
    return Document(added).link().attribute("href")


async def stored(clinic: Clinic, path: str) -> Row:
    by = path.rpartition("/")[2]
    async with clinic.database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT * FROM worker_tasks WHERE environment_id = $1 AND id = $2",
            *(clinic.me.environment_id, by),
        )
    return dict(row)


async def test_a_task_stands_in_the_inbox_until_it_is_done_and_can_be_opened_again(
    clinic: Clinic,
) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    about = Document(await clinic.me.get(f"/tasks/new?patient={grace['id']}"))
    assert about.heading("New task about Grace Hopper")
    path = await add(clinic, title="Ring the pharmacy", due="today", patient=grace["id"])
    await add(clinic, title="Order forms")
    await add(clinic, title="Not yet", due="in 3 weeks")
    theirs = (await clinic.other.get("/inbox")).text
    assert counts(theirs) == {"all": "0"}
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"today": "2", "all": "2"}
    assert Document(page).row("Ring the pharmacy")
    assert Document(page).link("Order forms")
    assert not Document(page).mentions("Not yet")
    done = await clinic.me.send_form(
        "/inbox/task-done", htmx=True, **form_of(page, "/inbox/task-done", path.rpartition("/")[2])
    )
    assert Document(done).status("Grace Hopper. Done: Ring the pharmacy")
    assert counts(done.text) == {"today": "1", "all": "1"}
    assert (await stored(clinic, path))["completed_by_worker_id"] is not None
    back = await clinic.me.send_form(
        "/inbox/task-reopen", htmx=True, **form_of(done.text, "/inbox/task-reopen")
    )
    assert counts(back.text) == {"today": "2", "all": "2"}


async def test_a_late_task_and_an_urgent_one_stand_where_they_belong(clinic: Clinic) -> None:
    days_ago = (datetime.now(EASTERN).date() - timedelta(days=2)).isoformat()
    await add(clinic, title="Old", due=days_ago)
    await add(clinic, title="At once", priority="urgent")
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"now": "1", "late": "1", "all": "2"}
    assert "2 days late" in Document(page).row("Old")
    assert Document(await clinic.me.fragment("/inbox/badge")).words.startswith("2 ")


async def test_a_task_of_a_team_is_taken_by_one_and_given_back(
    clinic: Clinic, people: People, program: int
) -> None:
    billing = await people(program, "admin", first_name="Bill", last_name="Ing")
    path = await add(clinic, title="Visit the home", who="team:coach")
    task = {"task": path.rpartition("/")[2]}
    page = (await clinic.other.get("/inbox")).text
    assert Document(page).row("Visit the home")
    taken = await clinic.other.send_form(
        "/inbox/task-take", htmx=True, **form_of(page, "/inbox/task-take")
    )
    assert counts(taken.text) == {"today": "1", "all": "1"}
    assert str((await stored(clinic, path))["worker_id"]) == clinic.other.worker_id
    # It is off everybody else's list, and whoever was slower is told.
    assert counts((await clinic.me.get("/inbox")).text) == {"all": "0"}
    late = await clinic.me.send_form("/inbox/task-take", htmx=True, **task)
    assert late.status_code == 409
    assert Document(late).status("Otto Other has taken this task already.")
    foreign = await clinic.me.send_form("/inbox/task-return", htmx=True, **task)
    assert foreign.status_code == 409
    back = await clinic.other.send_form("/inbox/task-return", htmx=True, **task)
    assert Document(back).status("Given back: Visit the home")
    assert Document(await clinic.me.get("/inbox")).row("Visit the home")
    await billing.aclose()


async def test_what_is_wrong_with_a_task_stands_at_its_field(clinic: Clinic) -> None:
    fields = {"title": "Ring", "who": clinic.me.worker_id, "priority": "medium"}
    for name, value in (("due", "soonish"), ("title", ""), ("who", "nonsense")):
        for htmx in (True, False):
            answer = await clinic.me.send_form("/tasks", htmx=htmx, **(fields | {name: value}))
            field = Document(answer).field(name)
            assert (answer.status_code, bool(field.error)) == (400, True), name
    assert (await clinic.me.get("/tasks/nonsense")).status_code == 404


async def test_a_task_is_spoken_of_watched_changed_and_done_on_its_page(clinic: Clinic) -> None:
    path = await add(clinic, title="Ring the pharmacy", who=clinic.other.worker_id)
    for action, fields in (
        ("comment", {"text": "They close at six."}),
        ("watch", {}),
        ("done", {}),
    ):
        answer = await clinic.me.send_form(f"{path}/{action}", **fields)
        assert answer.status_code == 303, action
    page = Document(await clinic.other.get(path))
    assert page.mentions("They close at six.")
    assert page.testid("facts").mentions("Done by Emily Smith")
    assert page.testid("facts").mentions("Watched by Emily Smith")
    blank = await clinic.me.send_form(f"{path}/comment", text=" ")
    assert blank.status_code == 409
    again = await clinic.me.send_form(f"{path}/done")
    assert again.status_code == 409
    await clinic.me.send_form(f"{path}/reopen")
    changed = {"title": "Ring the clinic", "who": clinic.me.worker_id, "due": "2030-01-02"}
    assert (await clinic.me.send_form(path, **changed)).status_code == 303
    row = await stored(clinic, path)
    assert (row["title"], str(row["due_date"]), row["completed_at"]) == (
        "Ring the clinic",
        "2030-01-02",
        None,
    )


def entered(answer: Response) -> dict[str, str]:
    """What the form on a task's page sends where nobody changes it."""
    fields, page = ("title", "due", "who", "priority", "note"), Document(answer)
    drawn = re.findall(r'name="(was\.[a-z]+)" value="([^"]*)"', answer.text)
    return {name: page.field(name).value for name in fields} | {
        name: unescape(value) for name, value in drawn
    }


async def test_two_who_change_a_task_lose_nothing_of_each_other(clinic: Clinic) -> None:
    path = await add(clinic, title="Ring the pharmacy", note="They close at six.")
    drawn = entered(await clinic.me.get(path))
    await clinic.other.send_form(path, **(drawn | {"priority": "urgent", "note": "Open late."}))
    await clinic.me.send_form(path, **(drawn | {"title": "Ring the other pharmacy"}))
    row = await stored(clinic, path)
    assert (row["title"], row["priority"], row["note"]) == (
        "Ring the other pharmacy",
        "urgent",
        "Open late.",
    )
    both = await clinic.me.send_form(path, **(drawn | {"note": "Ask for Ann."}))
    assert both.status_code == 400
    assert "Open late." in (Document(both).field("note").error or "")
    assert Document(both).field("note").value == "Ask for Ann."
    await clinic.me.send_form(path, **entered(both))
    assert (await stored(clinic, path))["note"] == "Ask for Ann."
    assert (await stored(clinic, path))["priority"] == "urgent"


async def test_a_title_has_an_end(clinic: Clinic) -> None:
    refused = await clinic.me.send_form("/tasks", title="x" * 301, who=clinic.me.worker_id)
    assert "note" in (Document(refused).field("title").error or "")
    path = await add(clinic, title="y" * 300)
    assert (await stored(clinic, path))["title"] == "y" * 300


async def test_comments_of_two_at_once_all_stay(clinic: Clinic) -> None:
    path = await add(clinic, title="Ring the pharmacy")
    texts = [f"Comment {number}" for number in range(6)]
    answers = await asyncio.gather(
        *(
            (clinic.me, clinic.other)[place % 2].send_form(f"{path}/comment", text=text)
            for place, text in enumerate(texts)
        )
    )
    assert [answer.status_code for answer in answers] == [303] * len(texts)
    page = Document(await clinic.me.get(path))
    assert [text for text in texts if not page.mentions(text)] == []


async def test_a_task_about_a_patient_whom_a_role_does_not_show_is_not_shown(
    clinic: Clinic, people: People, program: int
) -> None:
    nurse = await people(program, "community_health_worker", first_name="Nora")
    foreign = await clinic.patient("Olga", clinic.other)
    task = await clinic.make(
        "worker_tasks", title="Of Olga", patient_id=foreign["id"], worker_id=nurse.worker_id
    )
    await clinic.make("worker_tasks", title="Of nobody", worker_id=nurse.worker_id)
    page = (await nurse.get("/inbox")).text
    assert names(page) == []
    assert Document(page).link("Of nobody")
    assert not Document(page).mentions("Of Olga")
    assert (await nurse.get(f"/tasks/{task['id']}")).status_code == 404
    await nurse.aclose()


async def test_programs_write_tasks_and_are_told_what_is_wrong(clinic: Clinic, api: Api) -> None:
    later = (datetime.now(EASTERN).date() + timedelta(days=3)).isoformat()
    noise = {"title": "Of another team", "role": "billing"}
    assert (await api.post("/v1/worker_tasks", json=noise)).status_code == 200
    body = {"title": "Ring", "role": "coach", "due_date": later}
    created = (await api.post("/v1/worker_tasks", json=body)).json()
    path = f"/v1/worker_tasks/{created['id']}"
    assert counts((await clinic.me.get("/inbox")).text) == {"all": "0"}
    both = {"due_time": datetime.now(UTC).isoformat()}
    assert (await api.put(path, json=both)).status_code == 400
    assert (await api.put(path, json=both | {"due_date": None})).status_code == 200
    assert counts((await clinic.me.get("/inbox")).text) == {"today": "1", "all": "1"}
    rows = (await api.get("/v1/worker_tasks?role=coach")).json()[0]["data"]
    assert [row["id"] for row in rows] == [created["id"]]


async def test_who_watches_a_task_is_told_what_came_of_it_until_they_say_that_they_know(
    clinic: Clinic,
) -> None:
    me, other = clinic.me, clinic.other
    patient = await clinic.patient("Grace", other)
    for of in (patient["id"], None):
        task = await clinic.make(
            "worker_tasks", title="Ring them", patient_id=of, worker_id=other.worker_id
        )
        path = f"/tasks/{task['id']}"
        await me.send_form(f"{path}/watch")
        assert counts((await me.get("/inbox")).text) == {"all": "0"}
        await other.send_form(f"{path}/comment", text="They close at six.")
        page = (await me.get("/inbox")).text
        assert counts(page) == {"watch": "1", "all": "1"}
        row = Document(page).row("you watch it")
        assert "commented by Otto Other" in row
        assert "They close at six." in row
        # Who does something is not told of it, and neither is who does not watch.
        assert "watch" not in counts((await other.get("/inbox")).text)
        await other.send_form(f"{path}/done")
        page = (await me.get("/inbox")).text
        assert "done by Otto Other" in Document(page).row("you watch it")
        noted = await me.send_form(
            "/inbox/news-noted", htmx=True, **form_of(page, "/inbox/news-noted")
        )
        assert counts(noted.text) == {"all": "0"}
        back = await me.send_form(
            "/inbox/news-back", htmx=True, **form_of(noted.text, "/inbox/news-back")
        )
        assert counts(back.text) == {"watch": "1", "all": "1"}
        await me.send_form(f"{path}/reopen")
        await other.send_form(f"{path}/done")
        await other.send_form(f"{path}/reopen")
        page = (await me.get("/inbox")).text
        assert "reopened by Otto Other" in Document(page).row("you watch it")
        await me.send_form("/inbox/news-noted", htmx=True, **form_of(page, "/inbox/news-noted"))


async def test_who_watches_a_task_is_told_of_what_programs_write(clinic: Clinic, api: Api) -> None:
    me, other = clinic.me, clinic.other
    watched = {"worker_id": other.worker_id, "watcher_ids": [me.worker_id, other.worker_id]}
    rows = [await clinic.make("worker_tasks", title=f"Ring {n}", **watched) for n in range(2)]
    first, second = [row["id"] for row in rows]
    comment = {"text": "They close at six.", "worker_id": None, "time": "2026-12-01T09:00:00+00:00"}
    for row, row_id in (
        ({"priority": "high"}, first),
        ({"comments": [comment]}, first),
        (
            {"completed_at": "2026-12-01T09:00:00Z", "completed_by_worker_id": other.worker_id},
            second,
        ),
    ):
        assert (await api.put(f"/v1/worker_tasks/{row_id}", json=row)).status_code == 200
    page = (await me.get("/inbox")).text
    assert counts(page) == {"watch": "2", "all": "2"}
    assert "commented by a program" in Document(page).row("Ring 0")
    assert "done by Otto Other" in Document(page).row("Ring 1")
    # Who did it is not told, whoever wrote that.
    assert "Ring 1" not in Document((await other.get("/inbox")).text).row("you watch it")
    batch = {"update": [{"id": second, "completed_at": None, "completed_by_worker_id": None}]}
    answer = await api.post("/v1/worker_tasks/batch", json=batch)
    assert answer.status_code == 200, answer.text
    assert "reopened by a program" in Document((await me.get("/inbox")).text).row("Ring 1")


async def test_a_task_about_no_patient_is_put_off_and_taken_back(clinic: Clinic) -> None:
    today = datetime.now(EASTERN).date().isoformat()
    mine = {"worker_id": clinic.me.worker_id, "due_date": today}
    task = await clinic.make("worker_tasks", title="Ring the pharmacy", **mine)
    noise = await clinic.make("worker_tasks", title="Of the team", role="coach", due_date=today)
    asking = Document(await clinic.me.get(f"/inbox/snooze?task={task['id']}&row=0"))
    assert asking.heading("Not now: Ring the pharmacy")
    answer = await clinic.me.send_form(
        "/inbox/snooze", htmx=True, task=task["id"], words="in 2 days 9", row="0"
    )
    assert answer.status_code == 200
    assert counts(answer.text) == {"today": "1", "all": "1"}
    assert (await stored(clinic, f"/tasks/{task['id']}"))["due_date"] is None
    back = await clinic.me.send_form(
        "/inbox/task-due", htmx=True, **form_of(answer.text, "/inbox/task-due")
    )
    assert counts(back.text) == {"today": "2", "all": "2"}
    assert (await stored(clinic, f"/tasks/{task['id']}"))["due_date"].isoformat() == today
    refused = await clinic.me.send_form(
        "/inbox/snooze", htmx=True, task=noise["id"], words="tomorrow", row="0"
    )
    assert refused.status_code == 409
