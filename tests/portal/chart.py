"""A program and patients for the tests of assessments, records and tasks: what is looked at, and
noise that must never show.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.workshop.publish import Breaks, publish
from almoner.workshop.published_programs import newest_version
from tests.changes.writing import PATIENCE
from tests.people import Person
from tests.programs import published

PROGRAM: Final = """
program: Kiwi Health
phases: [{name: intake}]
assessments:
  - id: pain
    name: Pain check
    title: How is the pain?
    sections:
      - heading: Today
        questions:
          - {name: level, kind: scale, label: How strong is it?, low: 0, high: 10, required: true, weight: 1}
          - {name: place, kind: text, label: Where is it?, required: true, shown_when: {question: level, above: 3}}
          - {name: since, kind: date, label: Since when?}
          - {name: dose, kind: number, label: Dose in mg, low: 0}
      - heading: Habits
        questions:
          - {name: walks, kind: boolean, label: Do you walk daily?}
          - {name: helps, kind: choices, label: What helps?, choices: [rest, heat, <b>pills</b>]}
          - {name: notes, kind: long_text, label: Notes}
          - {name: seen_at, kind: datetime, label: Seen at}
    scoring: {bands: [{name: mild, low: 0, high: 3}, {name: strong, low: 4, high: 10}]}
  - {id: other, name: Other form, sections: [{questions: [{name: level, kind: text, label: Other level}]}]}
  - {id: secret, name: Secret form, sections: [{questions: [{name: word, kind: text, label: Secret word}]}]}
custom_data_types:
  - name: medicine
    title: Medicines
    fields:
      - {name: name, kind: text, label: Medicine, required: true}
      - {name: dose, kind: number, label: Dose, low: 0}
      - {name: daily, kind: boolean, label: Daily}
      - {name: since, kind: date, label: Since}
      - {name: taken_at, kind: datetime, label: Last taken}
      - {name: form, kind: choice, label: Form, choices: [tablet, drops]}
  - {name: cover, title: Insurance, records: one, fields: [{name: payer, kind: text, label: Insurer, required: true}]}
  - {name: locked, title: Locked away, fields: [{name: word, kind: text, label: Locked word}]}
task_types: [{name: survey, title: Fill in a survey}, {name: weigh_in, title: Weigh yourself}]
roles:
  - {name: helper, may: [give_care], patients: own, hidden_data: [locked], hidden_assessments: [secret]}
sidebar:
  - {title: To do, shows: tasks}
  - {title: Medicines taken, shows: records, of: medicine}
  - {title: Insurance, shows: records, of: cover}
  - {title: Locked card, shows: records, of: locked}
  - {title: Checks, shows: assessments}
"""
# The same program later: a question of the pain check has gone, another has come; medicines have
# lost a field and won one.
NEWER: Final = (
    PROGRAM.replace("          - {name: dose, kind: number, label: Dose in mg, low: 0}\n", "")
    .replace(
        "label: Notes}", "label: Notes}\n          - {name: mood, kind: text, label: And the mood?}"
    )
    .replace(
        "      - {name: form, kind: choice, label: Form, choices: [tablet, drops]}\n",
        "      - {name: brand, kind: text, label: Brand}\n",
    )
)


@dataclass
class Chart:
    """An environment with the program, and what writes into it."""

    environment: int
    database: Database
    store: Store

    async def publish(self, source: str = PROGRAM) -> None:
        """Publishes it, whatever it breaks of what is stored."""
        async with self.database.connection() as connection:
            if not await newest_version(connection, self.environment):
                await published(connection, self.environment, source)
                return
            try:
                await publish(connection, self.environment, source, "test")
            except Breaks as breaks:
                await publish(
                    connection, self.environment, source, "test", accepting=breaks.missing
                )

    async def make(self, collection: str, **values: Any) -> str:
        """Creates a row through the store; returns its id."""
        by = Actor(self.environment, "test", "cli", "test", whole=True)
        return (await self.store.create(by, BY_NAME[collection], values)).id

    async def row(self, collection: str, row_id: str) -> dict[str, Any]:
        """The row as the database has it."""
        sql = f"SELECT * FROM {collection} WHERE environment_id = $1 AND id = $2"
        async with self.database.connection() as connection:
            return dict(await connection.fetchrow(sql, self.environment, row_id) or {})

    async def rows(self, collection: str, patient_id: str) -> list[dict[str, Any]]:
        sql = (
            f"SELECT * FROM {collection} WHERE environment_id = $1 AND user_id = $2 ORDER BY"
            " updated_at"
        )
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql, self.environment, patient_id)]

    async def patient(self, first_name: str = "Grace", **values: Any) -> str:
        return await self.make(
            "patients",
            first_name=first_name,
            last_name="Hopper",
            birthday="1906-12-09",
            timezone="US/Pacific",
            phase="intake",
            **values,
        )


def decoded(value: Any) -> Any:
    """A JSON column as values."""
    return msgspec.json.decode(value) if isinstance(value, str) else value


def text_of(html: str) -> str:
    """What people read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#39;", "'")


async def until(person: Person, path: str, text: str) -> str:
    """The page once it tells this: a server takes up what was published within two seconds."""
    ends_at = time.monotonic() + PATIENCE
    while True:
        page = (await person.get(path)).text
        if text in text_of(page) or time.monotonic() > ends_at:
            return page
        await asyncio.sleep(0.1)
