"""What an answer shows of patients, held against what the audit trail says of its request."""

from __future__ import annotations

import asyncio
import io
import re
import time
import zipfile
from dataclasses import dataclass, field

import httpx

from almoner.database import Database
from tests.changes.writing import PATIENCE

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Whom an answer told of, by its request: what was read of them, and what was written.
_NOTED = """
SELECT request_id, array_agg(DISTINCT of) AS ids FROM (
  SELECT request_id, unnest(almoner_ids(patients))::text AS of FROM audit_reads
      WHERE environment_id = $1
  UNION ALL SELECT request_id, patient_id::text FROM changes WHERE environment_id = $1
      AND patient_id IS NOT NULL
) AS noted GROUP BY request_id
"""


@dataclass(frozen=True)
class Disclosure:
    """Whom an answer shows: by id, or by a surname that nobody else has."""

    label: str
    request_id: str
    ids: frozenset[str]


@dataclass
class Answers:
    """Collects answers in one environment. ``surnames`` says whose each is, of every
    environment.
    """

    environment: int
    own: frozenset[str]
    surnames: dict[str, str]
    disclosures: list[Disclosure] = field(default_factory=list)
    asked: int = 0

    def take(self, label: str, answer: httpx.Response, text: str | None = None) -> None:
        """Takes an answer in, or as much of its text as was read."""
        self.asked += 1
        body = unpacked(answer) if text is None else text
        everybody = set(self.surnames.values())
        ids = {match for match in _GUID.findall(body) if match in everybody}
        ids |= {
            self.surnames[word]
            for word in set(re.findall(r"Zq[a-z]+", body)) & self.surnames.keys()
        }
        self.disclosures.append(
            Disclosure(
                f"{label} {answer.status_code}", answer.headers["x-request-id"], frozenset(ids)
            )
        )

    async def faults(self, database: Database) -> list[str]:
        """What was shown without being noted, or noted of another environment, once the trail has
        been written.
        """
        ends_at = time.monotonic() + PATIENCE
        while True:
            async with database.connection() as connection:
                noted = {
                    row["request_id"]: set(row["ids"])
                    for row in await connection.fetch(_NOTED, self.environment)
                }
            missing = [
                disclosure
                for disclosure in self.disclosures
                if disclosure.ids - noted.get(disclosure.request_id, set())
            ]
            if not missing or time.monotonic() > ends_at:
                break
            await asyncio.sleep(0.1)
        faults_ = [
            f"{disclosure.label}: {len(disclosure.ids - noted.get(disclosure.request_id, set()))} shown and not noted"
            for disclosure in missing
        ]
        faults_ += [
            f"{disclosure.label}: shows another environment's"
            for disclosure in self.disclosures
            if disclosure.ids - self.own
        ]
        return faults_ + [
            f"{request_id}: notes another environment's"
            for request_id, ids in noted.items()
            if ids - self.own
        ]

    async def noted(self, database: Database) -> dict[str, set[str]]:
        """The patients noted, by request."""
        async with database.connection() as connection:
            return {
                row["request_id"]: set(row["ids"])
                for row in await connection.fetch(_NOTED, self.environment)
            }


def unpacked(answer: httpx.Response) -> str:
    """The text of an answer; of an archive that of its files."""
    if answer.headers.get("content-type") != "application/zip":
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist())
