"""The numbers that stand on one page agree with each other, with what they count, and say whose
they are.
"""

from __future__ import annotations

import re
from typing import Any

from tests.portal.merging import merge
from tests.portal.test_inbox import AMONG_OTHERS, Clinic, clinic, counts, days, names, step
from tests.web.document import Document

__all__ = ["clinic"]


async def busy(clinic: Clinic) -> dict[str, Any]:
    """Two own patients in two phases; noise: another coach's, nobody's, one of a coach whose
    account is closed, a merged record.
    """
    patients = {}
    for name, coach, phase in (
        ("Mia", clinic.me, "intake"),
        ("Max", clinic.me, "maintenance"),
        ("Olga", clinic.other, "intake"),
        ("Nora", None, "maintenance"),
        ("Mergo", clinic.me, "intake"),
    ):
        patient = patients[name] = await clinic.patient(name, coach, phase=phase)
        await clinic.flow(
            patient, step("Late", days(-2)), step("Of today", days(0)), step("To come", days(3))
        )
        conversation = await clinic.make(
            "conversations", user_id=patient["id"], conversation_type="phone"
        )
        for words in ("Hello", "Are you there?"):
            await clinic.message(patient, words, conversation)
        await clinic.make("patient_tasks", user_id=patient["id"], task_type="sign_consent")
    await clinic.flow(patients["Olga"], step("For me", days(-1), worker_id=clinic.me.worker_id))
    await merge(clinic.me, patients["Max"]["id"], patients["Mergo"]["id"], wins="kept")
    async with clinic.database.connection() as connection:
        await connection.execute(
            "UPDATE worker_accounts SET disabled_at = now() WHERE worker_id = $1",
            clinic.other.worker_id,
        )
    return patients


async def test_the_sections_the_rows_and_the_badge_of_the_inbox_agree(clinic: Clinic) -> None:
    await busy(clinic)
    wrong = []
    for query in ("", "?phase=maintenance", "?of=all", "?of=all&phase=intake"):
        page = (await clinic.me.get(f"/inbox{query}")).text
        numbers = counts(page)
        total = int(numbers.pop("all"))
        if not total == sum(map(int, numbers.values())) == len(names(page)) == len({*names(page)}):
            wrong.append((query, total, numbers, names(page)))
        assert not Document(page).mentions(AMONG_OTHERS)
    assert not wrong
    own = counts((await clinic.me.get("/inbox")).text)
    badge = re.search(
        r'title="(\d+) of yours now, late or unread"',
        (await clinic.me.fragment("/inbox/badge")).text,
    )
    assert badge is not None
    assert int(badge[1]) == int(own["late"]) + int(own.get("messages", 0)) > 0


async def test_the_tasks_and_the_unread_of_a_patient_are_the_same_everywhere(
    clinic: Clinic,
) -> None:
    patients = await busy(clinic)
    inbox = (await clinic.me.get("/inbox")).text
    match = re.search(r"Your patients have (\d+) open tasks? of their own", inbox)
    numbers = []
    for name in ("Mia", "Max"):
        page = (await clinic.me.get(f"/patients/{patients[name]['id']}/tasks")).text
        counted = re.search(r'<span class="secondary push">(\d+) tasks?</span>', page)
        assert counted is not None
        numbers.append(int(counted[1]))
    assert match is not None
    assert int(match[1]) == sum(numbers) == 3
    unread = (await clinic.me.get(f"/patients/{patients['Mia']['id']}/conversations")).text
    assert re.findall(r'<span class="chip info">(\d+) unread</span>', unread) == ["2"]
    assert "2 unread" in Document(await clinic.me.get("/inbox")).region("To do")
