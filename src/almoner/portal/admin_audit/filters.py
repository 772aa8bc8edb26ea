"""What narrows the audit trail: read from an address or a form, put back into one, and said in
words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from almoner.access.audit_search import READ_VERBS, WRITE_VERBS, AuditQuery
from almoner.database import Connection
from almoner.pages.moment_fields import example
from almoner.resources import RESOURCES
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.times import IsoDate

NAMES: Final = ("patient", "actor", "begin", "end", "resource", "verb")
# Reads that are of no collection of the contract.
_FURTHER: Final = (
    ("changes", "Change feed"),
    ("audit_trail", "Audit trail"),
    ("integrations", "Integrations"),
    ("processes", "Processes"),
)
RESOURCE_OPTIONS: Final = (("", "Everything"), *((r.name, r.title) for r in RESOURCES), *_FURTHER)
VERB_OPTIONS: Final = (
    ("", "Reads and changes"),
    ("get", "Opened"),
    ("find", "Listed"),
    ("create", "Created"),
    ("update", "Changed"),
    ("delete", "Deleted"),
    ("refuse", "Refused"),
)
_ACTORS: Final = f"""
SELECT 'worker:' || id::text AS actor, {full_name_sql()} AS name, false AS is_client,
  last_name AS by, first_name AS further
FROM workers WHERE environment_id = $1
UNION ALL SELECT 'client:' || id::text, name, true, name, '' FROM clients WHERE environment_id = $1
ORDER BY is_client, by, further, actor
"""


@dataclass(frozen=True)
class Filters:
    """The filters as they were typed, and what is wrong with them by field."""

    texts: Mapping[str, str]
    query: AuditQuery
    errors: Mapping[str, str]

    def address(self, path: str, **further: str) -> str:
        """The address of the trail with these filters."""
        values = {name: value for name, value in {**self.texts, **further}.items() if value}
        return f"{path}?{urlencode(values)}" if values else path

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The filters that narrow something, for a form that sends them along."""
        return tuple((name, value) for name, value in self.texts.items() if value)


@dataclass(frozen=True)
class Actors:
    """Who can have done something: workers and programs, as values and names."""

    workers: tuple[tuple[str, str], ...]
    clients: tuple[tuple[str, str], ...]


def filters(text: Callable[[str], str], timezone: str) -> Filters:
    """The filters that ``text`` gives by name. Days are those of ``timezone``, an IANA name."""
    texts = {name: text(name).strip() for name in NAMES}
    errors: dict[str, str] = {}
    patient = Guid().decode(texts["patient"], "", []) if texts["patient"] else None
    if texts["patient"] and patient is None:
        errors["patient"] = (
            "A patient is named by an id of 36 characters, such as the profile's address has it."
        )
    begin = midnight(texts["begin"], timezone, 0, name="begin", errors=errors)
    end = midnight(texts["end"], timezone, 1, name="end", errors=errors)
    if begin and end and end <= begin and not errors:
        errors["end"] = "The last day is before the first."
    verb = texts["verb"] if texts["verb"] in (*READ_VERBS, *WRITE_VERBS) else ""
    return Filters(
        texts,
        AuditQuery(
            patient=patient,
            actor=texts["actor"][:100],
            begin=begin,
            end=end,
            resource=texts["resource"][:100],
            verb=verb,
        ),
        errors,
    )


async def actors(connection: Connection, environment_id: int) -> Actors:
    """The workers and clients of an environment, by name."""
    rows = await connection.fetch(_ACTORS, environment_id)
    return Actors(
        tuple((row["actor"], row["name"]) for row in rows if not row["is_client"]),
        tuple((row["actor"], row["name"]) for row in rows if row["is_client"]),
    )


def midnight(
    text: str, timezone: str, later: int, name: str, errors: dict[str, str]
) -> datetime | None:
    """The moment at which a typed day begins in a zone, or the one so many days ``later``; None
    where none is typed. What is no day is an error of the field ``name``.
    """
    if not text:
        return None
    try:
        return clocks.start_of(clocks.shifted(IsoDate().parse(text), later), timezone)
    except ValueError:
        errors[name] = f"Give a day such as {example('date')}."
        return None
