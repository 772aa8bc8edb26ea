"""The numbers that stand on one page agree with each other, with what they count, and say whose
they are.
"""

from __future__ import annotations

import re
from typing import Any

from tests.portal.merging import merge
from tests.portal.test_inbox import AMONG_OTHERS, Clinic, clinic, counts, days, figures, names, step
from tests.web.document import Document

__all__ = ["clinic"]


async def busy(clinic: Clinic) -> dict[str, Any]:
    """Two own patients in two phases; noise: another coach's, nobody's, one of a coach whose
    account is closed, a merged record.
    """
    made = {}
    for name, coach, phase in (
        ("Mia", clinic.me, "intake"),
        ("Max", clinic.me, "maintenance"),
        ("Olga", clinic.other, "intake"),
        ("Nora", None, "maintenance"),
        ("Mergo", clinic.me, "intake"),
    ):
        patient = made[name] = await clinic.patient(name, coach, phase=phase)
        await clinic.flow(
            patient, step("Late", days(-2)), step("Of today", days(0)), step("To come", days(3))
        )
        conversation = await clinic.make(
            "conversations", user_id=patient["id"], conversation_type="phone"
        )
        for words in ("Hello", "Are you there?"):
            await clinic.message(patient, words, conversation)
        await clinic.make("patient_tasks", user_id=patient["id"], task_type="sign_consent")
    await clinic.flow(made["Olga"], step("For me", days(-1), worker_id=clinic.me.worker_id))
    await merge(clinic.me, made["Max"]["id"], made["Mergo"]["id"], wins="kept")
    async with clinic.database.connection() as connection:
        await connection.execute(
            "UPDATE worker_accounts SET disabled_at = now() WHERE worker_id = $1",
            clinic.other.worker_id,
        )
    return made


def figure(page: str, name: str) -> tuple[str, str]:
    """Whose a number at the top is, and the number."""
    for label, value in figures(page).items():
        what, _, whose = label.partition(", ")
        if what in (name, f"{name}s"):
            return whose, value
    raise AssertionError(f"no {name} among {figures(page)}")


async def test_the_top_the_tabs_the_rows_and_the_badge_of_the_inbox_agree(clinic: Clinic) -> None:
    await busy(clinic)
    wrong = []
    for query, whose in (
        ("", "yours"),
        ("&phase=maintenance", "yours, in Maintenance"),
        ("&of=all", "everybody’s"),
        ("&of=all&phase=intake", "everybody’s, in Intake"),
    ):
        for tab, name in (("overdue", "overdue"), ("messages", "unread conversation")):
            page = (await clinic.me.get(f"/inbox?tab={tab}{query}")).text
            title = {"overdue": "Overdue", "messages": "Messages"}[tab]
            told = figure(page, name)
            if not (told == (whose, counts(page)[title]) and told[1] == str(len(names(page)))):
                wrong.append((query, tab, told, counts(page)[title], names(page)))
            assert not Document(page).mentions(AMONG_OTHERS)
    assert not wrong
    own = counts((await clinic.me.get("/inbox")).text)
    badge = re.search(
        r'title="(\d+) of yours overdue or unread"', (await clinic.me.fragment("/inbox/badge")).text
    )
    assert badge is not None
    assert int(badge[1]) == int(own["Overdue"]) + int(own["Messages"]) > 0
    # On the page of everybody's the badge goes on being one's own.
    exact = (await clinic.me.fragment("/inbox/counts?of=all&digest=x")).text
    assert figures(exact)["overdue, everybody’s"] == counts(exact)["Overdue"]


async def test_the_patients_of_the_inbox_are_those_of_the_list(clinic: Clinic) -> None:
    await busy(clinic)
    inbox = (await clinic.me.get("/inbox")).text
    listed = (await clinic.me.get(f"/patients?coach={clinic.me.worker_id}")).text
    assert Document(listed).testid("number").words == "2 patients"
    assert figures(inbox)["your patients"] == "2"
    assert (
        len(set(re.findall(r'data-patient="([^"]+)"|href="/patients/([0-9a-f-]{36})"', listed)))
        == 2
    )


async def test_the_tasks_and_the_unread_of_a_patient_are_the_same_everywhere(
    clinic: Clinic,
) -> None:
    made = await busy(clinic)
    inbox = (await clinic.me.get("/inbox")).text
    told = re.search(r"Your patients have (\d+) open tasks? of their own", inbox)
    numbers = []
    for name in ("Mia", "Max"):
        page = (await clinic.me.get(f"/patients/{made[name]['id']}/tasks")).text
        shown = re.search(r'<span class="secondary push">(\d+) tasks?</span>', page)
        assert shown is not None
        numbers.append(int(shown[1]))
    assert told is not None
    assert int(told[1]) == sum(numbers) == 3
    unread = (await clinic.me.get(f"/patients/{made['Mia']['id']}/conversations")).text
    assert re.findall(r'<span class="chip info">(\d+) unread</span>', unread) == ["2"]
    assert "2 unread" in Document(await clinic.me.get("/inbox?tab=messages")).region(
        "What there is to do"
    )
