"""An import is taken back where a program did something by itself for the patients of it: that goes
with them, and what people and other clients wrote stays.
"""

from __future__ import annotations

import os
from typing import Any

from almoner.access.secrets import SecretBox
from almoner.imports import rows
from almoner.imports.handler import ImportHandler
from tests.changes.writing import until_true
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, worker
from tests.uploads import upload_patients
from tests.work.doing import running

HEADER = "MRN,First name,Surname,DOB,Time zone,Phase"
NAMES = ("Grace", "Ada", "Mary")
WELCOME = """
  - name: welcome
    when: {event: patient_created}
    then:
      - {do: give_task, task: survey}
      - {do: start_care_flow, care_flow: Mood}
      - {do: write_record, record: note, values: [{field: text, is: New}]}
      - {do: assign_coach, role: coach}
  - name: further
    when: {event: phase_entered, phase: active}
    then: [{do: change_phase, phase: graduated}]
"""
LEFT = """
SELECT p.first_name, p.phase, (SELECT count(*) FROM patient_tasks t WHERE t.environment_id = $1
  AND t.user_id = p.id) AS tasks
FROM patients p WHERE p.environment_id = $1 ORDER BY p.first_name
"""
OF_NOBODY = """
SELECT (SELECT count(*) FROM {table} t WHERE t.environment_id = $1
  AND NOT EXISTS (SELECT FROM patients p WHERE p.environment_id = $1 AND p.id = t.user_id))
"""


class Imports:
    """Imports into a place, each written as an administrator has it written."""

    def __init__(self, place: Place, worker_id: str) -> None:
        self.place = place
        self.worker_id = worker_id
        self.box = SecretBox(os.urandom(32))
        self.handler = ImportHandler(place.database, place.store, self.box)

    async def write(self, *lines: str) -> str:
        async with self.place.database.transaction() as connection:
            import_id = await upload_patients(
                connection,
                self.box,
                self.place.environment,
                self.worker_id,
                [HEADER, *lines],
            )
        await self.do(import_id, rows.CHECK, {"default": "create"}, [{}])
        await self.do(import_id, rows.WRITE, {"default": "create"})
        await self.place.work()
        return import_id

    async def take_back(self, import_id: str) -> dict[str, int]:
        await self.do(import_id, rows.UNDO)
        async with self.place.database.connection() as connection:
            return dict((await rows.get(connection, self.place.environment, import_id)).counts)

    async def do(
        self,
        import_id: str,
        step: str,
        choices: dict[str, str] | None = None,
        repeated: Any = (),
    ) -> None:
        place = self.place
        async with place.database.transaction() as connection:
            begun = await rows.begin(
                connection,
                place.environment,
                import_id,
                step,
                choices=choices,
                repeated=repeated,
            )
            assert begun, step

        async def has_ended() -> bool:
            async with place.database.connection() as connection:
                row = await rows.get(connection, place.environment, import_id)
            return not row.is_under_way

        async with running(place.database, self.handler):
            await until_true(has_ended, f"{step} has ended")


async def test_what_processes_did_for_who_was_imported_goes_and_what_others_wrote_stays(
    place: Place,
) -> None:
    await place.publish(PROGRAM + WELCOME)
    imports = Imports(place, await worker(place))
    noise = await place.patient(first_name="Noise")
    line = "{0},{0},Hopper,1906-12-09,US/Eastern,{1}"
    import_id = await imports.write(*(line.format(name, "intake") for name in NAMES))
    fired = [state for name, state in await place.firings() if name == "welcome"]
    assert fired == ["done"] * 4
    people = {
        row["first_name"]: str(row["id"])
        for row in await place.rows("SELECT id, first_name FROM patients WHERE environment_id = $1")
    }
    # Somebody writes about one, and changes another.
    await place.create("patient_tasks", {"user_id": people["Ada"], "task_type": "survey"})
    await place.update("patients", people["Mary"], {"city": "Reno"})
    assert await imports.take_back(import_id) == {"taken back": 1, "left": 2}
    left = await place.rows(LEFT)
    assert [(row["first_name"], row["tasks"]) for row in left] == [
        ("Ada", 2),
        ("Mary", 1),
        ("Noise", 1),
    ]
    for table in ("patient_tasks", "care_flows", "custom_data_type_records"):
        ((count,),) = [row.values() for row in await place.rows(OF_NOBODY.format(table=table))]
        assert count == 0, table
    assert noise in {*people.values()}


async def test_what_a_process_changed_of_a_row_keeps_nobody_from_taking_its_update_back(
    place: Place,
) -> None:
    await place.publish(PROGRAM + WELCOME)
    imports = Imports(place, await worker(place))
    line = "{0},{0},Hopper,1906-12-09,US/Eastern,{1}"
    await imports.write(*(line.format(name, "intake") for name in NAMES))
    import_id = await imports.write(*(line.format(name, "active") for name in NAMES))
    assert {row["phase"] for row in await place.rows(LEFT)} == {"graduated"}
    (ada,) = await place.rows(
        "SELECT id::text FROM patients WHERE environment_id = $1 AND first_name = 'Ada'"
    )
    await place.update("patients", ada["id"], {"phase": "intake"})
    await place.update("patients", ada["id"], {"phase": "graduated"})
    assert await imports.take_back(import_id) == {"taken back": 2, "left": 1}
    phases = {row["first_name"]: row["phase"] for row in await place.rows(LEFT)}
    assert phases == {"Grace": "intake", "Ada": "graduated", "Mary": "intake"}
